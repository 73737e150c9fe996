"""How fast does the drain carry the spool into SQLite? Read, decode, digest, index, project and commit: the whole way.

Against the least that a recorder in Python could do: `executemany` of the same rows into the same tables and indexes.

    python bench/drain.py [--events 200000]
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from pathlib import Path

import flightlog
from emit import PAYLOAD
from flightlog.config import Settings
from flightlog.wiring import Keeper, keeper_drain
from lib.table import print_table


def fill(folder: Path, events: int) -> None:
    with flightlog.open(folder, drain=False) as recorder:
        for number in range(max(events // 1_000, 1)):
            with recorder.run(f"run {number}") as run:
                for _ in range(min(1_000, events)):
                    run.emit("note", PAYLOAD)


def drain(folder: Path) -> tuple[int, float]:
    keeper = Keeper(folder, Settings(), writable=True)
    carrier = keeper_drain(keeper)
    start = time.perf_counter()
    while carrier.drain_once():
        pass
    taken = time.perf_counter() - start
    carrier.stop()
    keeper.close()
    return carrier.drained, taken


def raw(source: Path, target: Path, batch: int = 2_000) -> tuple[int, float]:
    """Copy the same rows with executemany alone: same schema, same pragmas, same batches."""
    old = sqlite3.connect(source / "flightlog.db")
    schema = [
        row[0]
        for row in old.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")
    ]
    tables = {
        name: old.execute(f"SELECT * FROM {name} ORDER BY id").fetchall() for name in ("run_events", "event_payloads")
    }
    page_size = old.execute("PRAGMA page_size").fetchone()[0]
    old.close()
    new = sqlite3.connect(target, isolation_level=None)
    new.execute(f"PRAGMA page_size={page_size}")
    new.execute("PRAGMA journal_mode=WAL")
    new.execute("PRAGMA synchronous=NORMAL")
    for statement in schema:
        new.execute(statement)
    count = len(tables["run_events"])
    start = time.perf_counter()
    for first in range(0, count, batch):
        new.execute("BEGIN IMMEDIATE")
        for name, rows in tables.items():
            marks = ",".join("?" * len(rows[0]))
            new.executemany(f"INSERT INTO {name} VALUES ({marks})", rows[first : first + batch])
        new.execute("COMMIT")
    taken = time.perf_counter() - start
    new.close()
    return count, taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000)
    given = parser.parse_args()
    rows = []
    for events in (given.events // 10, given.events):
        with tempfile.TemporaryDirectory() as temp:
            folder = Path(temp) / "flight"
            fill(folder, events)
            drained, taken = drain(folder)
            count, least = raw(folder, Path(temp) / "raw.db")
            bytes_each = (folder / "flightlog.db").stat().st_size / drained
        rate, raw_rate = drained / taken, count / least
        rows.append(
            [f"{drained:,}", f"{rate:,.0f}", f"{raw_rate:,.0f}", f"{rate / raw_rate:.2f}", f"{bytes_each:,.0f}"]
        )
    columns = ["events", "drain events/s", "executemany events/s", "ratio", "bytes an event"]
    print_table("From the spool into SQLite, 1 KB events", columns, rows)


if __name__ == "__main__":
    main()
