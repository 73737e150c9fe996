"""What does retention take, and what do appends notice of it?

    python bench/retention.py [EVENTS]

Removes events from the tables (with payload, index entries, previews, salts, and an audit event for each 250), drops and rewrites
archived files, and makes a pass in which nothing is due. Beside them one plain DELETE of as many rows of one table in SQLite, which
is what a cron job would do: without an event, a receipt, a seal or anything that waits its turn.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.retention.test_archived import Archived

BATCH = 1_000
RULES = '[[rule]]\nproject = "kept"\nkeep = "90d"\n\n[[rule]]\nlevel = "debug"\nkeep = "1d"\n'
PAYLOAD = {"text": "what an event of a model call says, some hundred bytes of it " * 8}


def filled(folder: Path, events: int, project: str = "default") -> Archived:
    """A folder with so many sealed events, every second at debug."""
    flight = Archived(folder, RULES)
    for start in range(0, events, BATCH):
        flight.record(
            *(
                flight.event(
                    run_id=f"r{number // 50}",
                    project=project,
                    level="debug" if number % 2 else "info",
                    span_id=f"{number:016x}",
                    payload=PAYLOAD,
                )
                for number in range(start, start + BATCH)
            )
        )
    flight.seal()
    return flight


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def line(what: str, events: int, seconds: float, note: str = "") -> None:
    print(f"{what:58} {events:>9,} {seconds:>9.2f} {events / seconds:>12,.0f}  {note}")


def from_tables(folder: Path, events: int) -> None:
    flight = filled(folder, events)
    flight.days(20)
    waits: list[float] = []
    stop = threading.Event()

    def append() -> None:
        while not stop.wait(0.005):
            waits.append(timed(lambda: flight.keeper.journal.append([flight.event(payload=PAYLOAD)])))

    beside = threading.Thread(target=append)
    beside.start()
    seconds = timed(flight.retention.run)
    stop.set()
    beside.join()
    waits.sort()
    note = f"append beside it: median {waits[len(waits) // 2] * 1e3:.1f} ms, p99 {waits[int(len(waits) * 0.99)] * 1e3:.1f} ms"
    line("removed from the tables, at full speed", events, seconds, note)
    flight.close()


def from_archive(folder: Path, events: int) -> None:
    flight = filled(folder, events)
    flight.archive()
    flight.days(2)
    line("half of an archived file, which is written anew", events // 2, timed(flight.retention.run))
    flight.days(20)
    line("archived files, as a whole", events // 2, timed(flight.retention.run))
    flight.close()


def with_nothing_due(folder: Path, events: int) -> None:
    flight = filled(folder, events, "kept")
    flight.days(1)
    line("a plan, nothing is due", events, timed(flight.plan))
    line("the first pass, nothing is due", events, timed(flight.retention.run))
    line("the next pass, nothing is due", events, timed(flight.retention.run))
    flight.close()


def plain(folder: Path, events: int) -> None:
    folder.mkdir()
    database = sqlite3.connect(folder / "plain.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, run TEXT, at INTEGER, level TEXT, payload TEXT)")
    database.execute("CREATE INDEX log_run ON log (run, id)")
    database.execute("CREATE INDEX log_at ON log (at)")
    rows = ((number, f"r{number // 50}", number, "info", str(PAYLOAD)) for number in range(events))
    database.execute("BEGIN")
    database.executemany("INSERT INTO log VALUES (?, ?, ?, ?, ?)", rows)
    database.execute("COMMIT")
    seconds = timed(lambda: database.execute("DELETE FROM log WHERE at < ?", (events,)))
    line(
        "one DELETE from a plain table with two indexes",
        events,
        seconds,
        f"whoever writes beside it waits {seconds * 1e3:.0f} ms",
    )
    database.close()


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    print(f"{'':58} {'events':>9} {'seconds':>9} {'events/s':>12}")
    with tempfile.TemporaryDirectory() as place:
        for number, work in enumerate((from_tables, from_archive, with_nothing_due, plain)):
            work(Path(place) / str(number), events)


if __name__ == "__main__":
    main()
