"""A store with an archive, the way `flightlog up` has it, with a clock that is set and files written in this process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flightlog.archive import files, manifest
from flightlog.archive.archiver import Archiver
from flightlog.archive.drop import drop_some
from flightlog.archive.keeper import ArchiveKeeper
from flightlog.archive.work import Worker, do
from flightlog.archiving import keeper_archiver
from flightlog.config import Settings
from flightlog.journal.table import EVENT_COLUMNS
from flightlog.wiring import Keeper, keeper_seal
from tests.contract.making import SECOND, START

NAMES = ("id", *EVENT_COLUMNS, "received_at", "payload_bytes", "payload_digest", "salt", "payload")


class SetClock:
    """Says what it is told."""

    def __init__(self, now: int = START) -> None:
        self.now = now

    def now_ns(self) -> int:
        return self.now

    def monotonic_ns(self) -> int:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)


class Kept:
    """One folder with its store, journal and archive."""

    def __init__(self, folder: Path, work: Worker = do, **settings: Any) -> None:
        # Nothing is kept for readers, there is no reserve to make, and unsealed events may go, unless a test says otherwise.
        given = {
            "archive_after_seconds": 0.0,
            "archive_grace_seconds": 0.0,
            "reserve_bytes": 0,
            "seal": False,
            **settings,
        }
        self.folder = folder
        self.settings = Settings(**given)
        self.clock = SetClock()
        self.keeper = Keeper(folder, self.settings, writable=True, clock=self.clock)
        self.store, self.journal = self.keeper.store, self.keeper.journal
        self.archiver: Archiver = keeper_archiver(self.keeper, work, self.clock)
        self.work = work

    @property
    def place(self) -> Any:
        return self.archiver.place

    def seal(self) -> None:
        seal = keeper_seal(self.keeper)
        seal.start()
        seal.stop(timeout=60)
        assert seal.health().error is None

    def archive(self, *, everything: bool = True) -> int:
        """Archive what is due and delete its rows; the number of events."""
        passed = self.archiver.write(self.archiver.due(everything=everything))
        while drop_some(self.store):
            pass
        return passed.events

    def thread(self) -> ArchiveKeeper:
        """The keeper, not started: a test takes its steps itself."""
        return ArchiveKeeper(self.folder, lambda: self.archiver, self.settings, self.work)

    def state(self) -> manifest.State:
        with self.store.read() as connection:
            return manifest.state(connection)

    def files(self) -> list[manifest.ArchivedFile]:
        with self.store.read() as connection:
            return manifest.files(connection)

    def hot(self) -> list[tuple[Any, ...]]:
        """Every row that a reader takes from the tables, as NAMES."""
        return hot_rows(self.store)

    def archived(self) -> list[tuple[Any, ...]]:
        """Every row of every file, as NAMES, by id; digests that were left out worked out."""
        return archived_rows(self.place, self.files())

    def objects(self) -> set[str]:
        """The paths of all objects but the one that says whose they are."""
        return {found.path for found in self.place.objects.list()} - {"flightlog-archive"}

    def close(self) -> None:
        self.keeper.close()


def hot_rows(store: Any) -> list[tuple[Any, ...]]:
    """Every row after the boundary, as NAMES."""
    columns = ", ".join({"salt": "s.salt", "payload": "p.payload"}.get(name, f"e.{name}") for name in NAMES)
    with store.read() as connection:
        return [
            tuple(row)
            for row in connection.exec_driver_sql(
                f"SELECT {columns} FROM run_events e LEFT JOIN event_payloads p ON p.id = e.id "
                "LEFT JOIN seal_salts s ON s.id = e.id WHERE e.id > (SELECT archived_until FROM archive_state) ORDER BY e.id"
            )
        ]


def archived_rows(place: Any, found: Sequence[manifest.ArchivedFile]) -> list[tuple[Any, ...]]:
    """Every row of these files, as NAMES, by id."""
    import hashlib

    rows = []
    for file in found:
        table = files.decode(file.path, place.objects.read(file.path), file.digest).select(list(NAMES))
        for row in zip(*(table[name].to_pylist() for name in NAMES), strict=True):
            values = dict(zip(NAMES, row, strict=True))
            if values["payload_digest"] is None:
                values["payload_digest"] = hashlib.sha256(values["payload"].encode()).digest()
            rows.append(tuple(values[name] for name in NAMES))
    return sorted(rows)
