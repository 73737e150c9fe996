"""A store with a journal, and a sealer over it; time and chance are handed in."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from flightlog.clock import FakeClock
from flightlog.journal.append import Journal
from flightlog.seal.keys import Keys
from flightlog.seal.sealer import Sealer
from flightlog.store.contract import Store
from flightlog.store.engine import open_store
from tests.contract.making import START, event


class Flight:
    """One data folder with what stands on it."""

    def __init__(self, folder: Path, seed: int = 7) -> None:
        self.folder = folder
        self.seal_folder = folder / "seal"
        self.chance = random.Random(seed).randbytes
        self.clock = FakeClock(START)
        self.synced = 0
        self.store: Store
        self.journal: Journal
        self.keys: Keys
        self.open()

    def open(self) -> None:
        self.store = open_store(self.folder, writable=True)
        self.journal = Journal(self.store, clock=self.clock)
        self.keys = Keys(self.seal_folder, overlap_seconds=60, chance=self.chance)

    def reopen(self) -> None:
        self.store.close()
        self.open()

    def sealer(self, batch_events_max: int = 100) -> Sealer:
        made = Sealer(
            self.store,
            self.seal_folder,
            self.keys,
            clock=self.clock,
            batch_events_max=batch_events_max,
            sync=self._sync,
            chance=self.chance,
        )
        made.open()
        return made

    def record(self, count: int, first: int = 1) -> None:
        self.journal.append([event(number) for number in range(first, first + count)])

    def seal(self) -> Sealer:
        """Everything that is there, signed."""
        sealer = self.sealer()
        while sealer.seal():
            continue
        sealer.publish()
        return sealer

    def _sync(self) -> None:
        self.synced += 1


@pytest.fixture
def flight(tmp_path: Path) -> Iterator[Flight]:
    made = Flight(tmp_path / "flight")
    yield made
    made.store.close()
