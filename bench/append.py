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
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import astuple

from flightlog.events.envelope import Event
from flightlog.journal.append import Journal
from flightlog.journal.sink import JournalSink
from flightlog.runs.project import RunProjector
from flightlog.store import sqlite_session as chosen
from flightlog.store.engine import open_store
from flightlog.store.sqlite import DATABASE_FILE
from lib.flights import Flights
from lib.table import print_table

RUN_EVENTS = f"INSERT INTO run_events VALUES ({', '.join('?' * 23)})"
EVENT_PAYLOADS = "INSERT INTO event_payloads VALUES (?, ?)"


def measure(events: int, batch: int, take: Callable[[list[Event]], float]) -> float:
    """Seconds that `take` reports for all batches; making the events is not counted."""
    return sum(take(made) for made in Flights().batches(events, batch))


def raw(folder: Path, events: int, batch: int) -> float:
    open_store(folder, writable=True).close()
    database = sqlite3.connect(folder / DATABASE_FILE, isolation_level=None)
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute("PRAGMA temp_store = MEMORY")
    database.execute(f"PRAGMA cache_size = -{chosen.CACHE_KIB}")
    database.execute(f"PRAGMA wal_autocheckpoint = {chosen.CHECKPOINT_PAGES}")
    last_id = 0

    def take(made: list[Event]) -> float:
        nonlocal last_id
        first, last_id = last_id + 1, last_id + len(made)
        envelopes = [
            (row_id, *astuple(event)[:-1], event.created_at, len(event.payload), hashlib.sha256(event.payload).digest())
            for row_id, event in enumerate(made, first)
        ]
        payloads = [(row_id, str(event.payload, "utf-8")) for row_id, event in enumerate(made, first)]
        started = time.perf_counter()
        database.execute("BEGIN IMMEDIATE")
        database.executemany(RUN_EVENTS, envelopes)
        database.executemany(EVENT_PAYLOADS, payloads)
        database.execute("COMMIT")
        return time.perf_counter() - started

    taken = measure(events, batch, take)
    database.close()
    return taken


def ours(folder: Path, events: int, batch: int, *, projections: bool) -> float:
    store = open_store(folder, writable=True)
    sink = JournalSink(Journal(store, [RunProjector()] if projections else []))
    offset = 0

    def take(made: list[Event]) -> float:
        nonlocal offset
        offset += len(made)
        started = time.perf_counter()
        rejected = sink.write(made, "segment", offset)
        taken = time.perf_counter() - started
        assert not rejected
        return taken

    taken = measure(events, batch, take)
    store.close()
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[100_000])
    parser.add_argument("--batch", type=int, default=2_000)
    given = parser.parse_args()
    rows = []
    for events in given.events:
        base = 0.0
        for name, run in (
            ("raw executemany", raw),
            ("journal alone", lambda folder, n, size: ours(folder, n, size, projections=False)),
            ("journal, runs, positions", lambda folder, n, size: ours(folder, n, size, projections=True)),
        ):
            with tempfile.TemporaryDirectory() as temp:
                folder = Path(temp) / "flight"
                taken = run(folder, events, given.batch)
                size = (folder / DATABASE_FILE).stat().st_size
            base = base or taken
            rows.append(
                [f"{events:,} × {name}", f"{events / taken:,.0f}", f"{base / taken:.2f}", f"{size / events:,.0f}"]
            )
    notes = [f"1 KB payloads, {given.batch:,} events a transaction, WAL, synchronous=NORMAL, ten indexes"]
    print_table("Appending to the journal", ["events", "events/s", "of raw", "bytes/event"], rows, notes)


if __name__ == "__main__":
    main()
