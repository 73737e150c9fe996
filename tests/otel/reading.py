"""What is in a folder's store after everything that waited has been delivered, as these tests ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from flightlog.config import Settings
from flightlog.events.envelope import StoredEvent
from flightlog.journal.read import read_events
from flightlog.runs.generation_content import Content, read_content
from flightlog.runs.generations import Generation, list_generations
from flightlog.wiring import Keeper, keeper_drain


class Stored(NamedTuple):
    """Model calls in their order, each with what was said in it, and all events."""

    calls: list[tuple[Generation, Content]]
    events: list[StoredEvent]

    def call(self, model: str) -> tuple[Generation, Content]:
        """The one call of this model."""
        [found] = [one for one in self.calls if one[0].request_model == model]
        return found

    def payload(self, event: StoredEvent) -> dict[str, Any]:
        made: dict[str, Any] = msgspec.json.decode(event.payload)
        return made


@contextmanager
def delivered(folder: Path) -> Iterator[Keeper]:
    """The folder's keeper, once the spool is delivered."""
    keeper = Keeper(folder, Settings(), writable=True)
    drain = keeper_drain(keeper)
    try:
        while drain.drain_once():
            pass
        yield keeper
    finally:
        drain.stop()
        keeper.close()


def read(folder: Path) -> Stored:
    with delivered(folder) as keeper:
        rows = list_generations(keeper.store, sort="started", limit=500).generations
        return Stored(
            [(row, read_content(keeper.store, row)) for row in rows], read_events(keeper.store, limit=1_000).events
        )
