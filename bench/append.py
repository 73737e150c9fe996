"""How fast does the drain fill the store? Against raw sqlite3 with the same tables, columns, indexes and pragmas.

The raw side is handed finished rows and only calls executemany and COMMIT. Ours is handed decoded events, as the drain has
them, and does everything: digests, rows, duplicates watch, run summaries, the segment's position, the hop to the writer thread.

    python bench/append.py [--events 100000 1000000] [--batch 2000]
"""

from __future__ import annotations

import argparse
import hashlib
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import astuple

from flightlog.events.envelope import Event
from flightlog.journal.append import Journal
from flightlog.journal.projector import Projector
from flightlog.journal.sink import JournalSink
from flightlog.runs.project import RunProjector
from flightlog.store import sqlite_session as chosen
from flightlog.store.engine import open_store
from flightlog.store.sqlite import DATABASE_FILE
from lib.flights import Flights
from lib.table import print_table

RUN_EVENTS = f"INSERT INTO run_events VALUES ({', '.join('?' * 23)})"
EVENT_PAYLOADS = "INSERT INTO event_payloads VALUES (?, ?)"


class Raw:
    """The reference: finished rows, executemany, COMMIT."""

    name = "raw executemany"

    def __init__(self, folder: Path) -> None:
        open_store(folder, writable=True).close()
        self._database = sqlite3.connect(folder / DATABASE_FILE, isolation_level=None)
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute("PRAGMA temp_store = MEMORY")
        self._database.execute(f"PRAGMA cache_size = -{chosen.CACHE_KIB}")
        self._database.execute(f"PRAGMA wal_autocheckpoint = {chosen.CHECKPOINT_PAGES}")
        self._last_id = 0

    def take(self, made: list[Event]) -> float:
        first, self._last_id = self._last_id + 1, self._last_id + len(made)
        envelopes = [
            (row_id, *astuple(event)[:-1], event.created_at, len(event.payload), hashlib.sha256(event.payload).digest())
            for row_id, event in enumerate(made, first)
        ]
        payloads = [(row_id, str(event.payload, "utf-8")) for row_id, event in enumerate(made, first)]
        started = time.perf_counter()
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany(RUN_EVENTS, envelopes)
        self._database.executemany(EVENT_PAYLOADS, payloads)
        self._database.execute("COMMIT")
        return time.perf_counter() - started

    def close(self) -> None:
        self._database.close()


class Ours:
    """What the drain calls."""

    def __init__(self, folder: Path, name: str, projectors: Sequence[Projector]) -> None:
        self.name = name
        self._store = open_store(folder, writable=True)
        self._sink = JournalSink(Journal(self._store, projectors))
        self._offset = 0

    def take(self, made: list[Event]) -> float:
        self._offset += len(made)
        started = time.perf_counter()
        rejected = self._sink.write(made, "segment", self._offset)
        taken = time.perf_counter() - started
        assert not rejected
        return taken

    def close(self) -> None:
        self._store.close()


def compare(temp: Path, events: int, batch: int) -> list[list[str]]:
    """Each batch goes to all in turn, so that whatever else the machine does meets them alike."""
    folders = [temp / str(number) for number in range(3)]
    contenders: list[Raw | Ours] = [
        Raw(folders[0]),
        Ours(folders[1], "journal alone", []),
        Ours(folders[2], "journal, runs, positions", [RunProjector()]),
    ]
    taken = [0.0] * len(contenders)
    for made in Flights().batches(events, batch):
        for place, contender in enumerate(contenders):
            taken[place] += contender.take(made)
    for contender in contenders:
        contender.close()
    sizes = [(folder / DATABASE_FILE).stat().st_size for folder in folders]
    return [
        [
            f"{events:,} × {contender.name}",
            f"{events / seconds:,.0f}",
            f"{taken[0] / seconds:.2f}",
            f"{size / events:,.0f}",
        ]
        for contender, seconds, size in zip(contenders, taken, sizes, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[100_000])
    parser.add_argument("--batch", type=int, default=2_000)
    given = parser.parse_args()
    rows = []
    for events in given.events:
        with tempfile.TemporaryDirectory() as temp:
            rows += compare(Path(temp), events, given.batch)
    notes = [f"1 KB payloads, {given.batch:,} events a transaction, WAL, synchronous=NORMAL, ten indexes"]
    print_table("Appending to the journal", ["events", "events/s", "of raw", "bytes/event"], rows, notes)


if __name__ == "__main__":
    main()
