"""Sessions of pytest that are recorded, as processes of their own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flightlog.api.shapes import event_shape
from flightlog.config import Settings
from flightlog.events.envelope import StoredEvent
from flightlog.journal.read import EventFilter, read_events
from flightlog.runs.listing import list_runs
from flightlog.runs.rollup import rollup
from flightlog.runs.summary import RunSummary
from flightlog.store.engine import open_store

PLUGIN = ("-p", "flightlog_pytest", "-p", "no:cacheprovider")


class Session:
    """What a folder holds of one session."""

    def __init__(self, folder: Path) -> None:
        store = open_store(folder, settings=Settings(), writable=False)
        try:
            runs = list_runs(store).runs
            assert len(runs) == 1, [run.name for run in runs]
            self.run: RunSummary = runs[0]
            self.events: list[StoredEvent] = read_events(store, EventFilter(run_id=self.run.run_id), limit=1_000).events
            self.tests = rollup(store, self.run).tests
        finally:
            store.close()

    def of(self, type_: str) -> dict[str, StoredEvent]:
        """The events of a type, by the part of their name after the file."""
        return {(event.name or "").rsplit("::", 1)[-1]: event for event in self.events if event.type == type_}

    def results(self) -> dict[str, str | None]:
        """How each test went."""
        return {name: event.status for name, event in self.of("test_result").items()}


def payload(event: StoredEvent) -> dict[str, Any]:
    """An event's payload as plain objects."""
    shape = event_shape(event)
    found: dict[str, Any] = msgspec.json.decode(event.payload)
    assert "invalid" not in (shape.flags or []), event
    return found


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an empty store, made once: making one takes longer than the sessions here do."""
    folder = tmp_path_factory.mktemp("empty") / "flight"
    open_store(folder, settings=Settings(), writable=True).close()
    return folder


@pytest.fixture
def folder(pytester: pytest.Pytester, empty: Path) -> Path:
    """The data folder of a session that is about to run."""
    return Path(shutil.copytree(empty, pytester.path / "flight"))
