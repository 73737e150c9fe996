"""A folder that is being used, and what a backup of it makes of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flightlog.config import Settings
from flightlog.journal.append import Journal
from flightlog.journal.read import read_events
from flightlog.store.engine import open_store
from tests.contract.making import event
from tests.seal.conftest import Flight


class Fleet:
    """A flight, a target for its backups, and a place to restore to."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.flight = Flight(place / "flight")
        self.folder = self.flight.folder
        self.target = place / "target"
        self.again = place / "again"

    def close(self) -> None:
        self.flight.store.close()


class Busy:
    """Somebody who appends and seals as fast as the store takes it."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.errors: list[BaseException] = []
        self._moved = threading.Condition()
        self._last = 0

    def tell(self, last: int) -> None:
        """One more round is sealed, and this is its last event's number."""
        with self._moved:
            self._last = last
            self._moved.notify_all()

    def fail(self, error: BaseException) -> None:
        with self._moved:
            self.errors.append(error)
            self._moved.notify_all()

    def wait_past(self, number: int) -> None:
        """Until an event after this number is committed and sealed."""
        with self._moved:
            assert self._moved.wait_for(lambda: self.errors or self._last > number, 30)
        assert not self.errors, self.errors


@contextmanager
def busy(flight: Flight, first: int, batch: int = 50) -> Iterator[Busy]:
    """Somebody writes from this number on, and has begun."""
    writer = Busy()

    def work() -> None:
        try:
            sealer, number = flight.sealer(), first
            while not writer.stop.is_set():
                flight.record(batch, number)
                number += batch
                sealer.seal()
                sealer.publish()
                writer.tell(number - 1)
        except BaseException as error:
            writer.fail(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        writer.wait_past(first - 1)
        yield writer
    finally:
        writer.stop.set()
        thread.join()
    assert not writer.errors, writer.errors


def numbers_in(folder: Path) -> list[int]:
    """Which numbered events a folder has, in commit order."""
    store = open_store(folder, settings=Settings())
    try:
        found: list[int] = []
        after = 0
        while True:
            page = read_events(store, after_id=after, limit=1_000)
            found += [int(one.event_id[1:]) for one in page.events if one.event_id.startswith("e0")]
            if not page.more:
                return found
            after = page.next_after_id or 0
    finally:
        store.close()


def append_to(folder: Path, number: int) -> None:
    """One more event."""
    store = open_store(folder, writable=True)
    try:
        Journal(store).append([event(number)])
    finally:
        store.close()
