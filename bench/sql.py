"""What does a query in SQL cost? Starting it, counting and grouping archived and hot events, beside SQLite over the same rows.

The store is that of bench/stats.py, and so is the peer: a plain table of these rows, with the columns that are asked of. Each query
runs as a server runs it, in a process of its own that gives up its rights; `cold` is without a process in reserve. The last part is
what ends a query that takes too much: how long after its limit whoever asked is told, and how long a page of the same store takes
meanwhile.

    python bench/sql.py [--archived 200000] [--hot 50000] [--days 30] [--rounds 5]
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flightlog.config import Settings
from flightlog.errors import SqlInvalid, SqlStopped
from flightlog.journal.filter import EventFilter
from flightlog.journal.read import read_events
from flightlog.query.files import stored
from flightlog.query.process import Child
from flightlog.query.runner import Runner
from flightlog.wiring import Keeper
from lib.table import print_table
from stats import NARROW, make

FILE_EVENTS = 250_000
KILL_SECONDS_MAX = 1.0
# The same question in both languages.
QUESTIONS = [
    ("count(*)", "SELECT count(*) FROM events", "SELECT count(*) FROM e"),
    (
        "calls, tokens, cost by model",
        "SELECT model, count(*), sum(tokens_input), sum(cost_usd) FROM events WHERE type = 'llm_response' GROUP BY model",
        "SELECT model, count(*), sum(tokens_input), sum(cost_nano_usd) FROM e WHERE type = 'llm_response' GROUP BY model",
    ),
    (
        "errors by tool and day",
        (
            "SELECT tool, date_trunc('day', created_at), count(*), count(*) FILTER (status = 'error') FROM events "
            "WHERE type = 'tool_result' GROUP BY ALL"
        ),
        "SELECT name, created_at / 86400000000000, count(*), sum(status = 'error') FROM e WHERE type = 'tool_result' GROUP BY 1, 2",
    ),
    (
        "slowest ten",
        "SELECT name, duration_ms, created_at FROM events ORDER BY duration_ms DESC NULLS LAST LIMIT 10",
        "SELECT name, duration_ns, created_at FROM e ORDER BY duration_ns DESC LIMIT 10",
    ),
]
HOT = "SELECT type, count(*), sum(payload_bytes) FROM events WHERE NOT archived GROUP BY type"
BOMBS = [
    ("never ends", "SELECT count(*) FROM range(100000) a, range(100000) b, range(100000) c", 1.0),
    ("recursion without an end", "WITH RECURSIVE a(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM a) SELECT count(*) FROM a", 1.0),
    ("wants 50 GB", "SELECT list(range) FROM range(6000000000)", 20.0),
]  # fmt: skip


def median(ask: Callable[[], Any], rounds: int) -> float:
    """In seconds."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        ask()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def answered(runner: Runner, sql: str) -> None:
    """Ask, with a process in reserve that has had the time to get ready."""
    runner.run(sql).file.close()


def warmed(runner: Runner, sql: str, rounds: int) -> float:
    took = []
    for _ in range(rounds):
        time.sleep(1.0)
        began = time.perf_counter()
        answered(runner, sql)
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def bombs(keeper: Keeper) -> list[list[str]]:
    rows = []
    for name, sql, seconds in BOMBS:
        runner = Runner(lambda: stored(keeper.store), Settings(), reserve=False)
        pages: list[float] = []
        done = threading.Event()

        def read(pages: list[float] = pages, done: threading.Event = done) -> None:
            while not done.is_set():
                began = time.perf_counter()
                read_events(keeper.store, EventFilter(), backwards=True)
                pages.append(time.perf_counter() - began)
                time.sleep(0.02)

        reader = threading.Thread(target=read)
        reader.start()
        began = time.perf_counter()
        try:
            runner.run(sql, seconds_max=seconds)
            end = "answered!"
        except (SqlStopped, SqlInvalid) as error:
            end = error.message.removeprefix("The query was stopped: it ").rstrip(".")
        finally:
            took = time.perf_counter() - began
            done.set()
            reader.join()
            runner.close()
        late = (
            ""
            if "memory" in end
            else f"{took - seconds:.2f} {'held' if took - seconds <= KILL_SECONDS_MAX else 'MISSED'}"
        )
        rows.append([name, f"{took:.2f}", late, f"{statistics.median(pages) * 1e3:.1f}", end[:46]])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in (("archived", 200_000), ("hot", 50_000), ("days", 30), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=number)
    given = parser.parse_args()
    temp = Path(tempfile.mkdtemp(prefix="flightlog-bench-"))
    try:
        measure(temp, given)
    finally:
        shutil.rmtree(temp)


def measure(temp: Path, given: argparse.Namespace) -> None:
    peer = sqlite3.connect(temp / "peer.db")
    peer.execute(f"CREATE TABLE e ({', '.join(NARROW)})")
    keeper = make(temp / "flight", given.archived, given.hot, given.days, FILE_EVENTS, peer)
    reserve = Runner(lambda: stored(keeper.store), Settings())
    alone = Runner(lambda: stored(keeper.store), Settings(), reserve=False)
    answered(reserve, "SELECT 1")
    rows = [
        ["SELECT 1, cold", f"{median(lambda: answered(alone, 'SELECT 1'), given.rounds) * 1e3:.0f}", "", ""],
        ["SELECT 1", f"{warmed(reserve, 'SELECT 1', given.rounds) * 1e3:.0f}", "", ""],
    ]
    for name, ours, theirs in QUESTIONS:
        our_seconds = warmed(reserve, ours, given.rounds)
        their_seconds = median(lambda theirs=theirs: peer.execute(theirs).fetchall(), given.rounds)  # type: ignore[misc]
        ratio = f"{their_seconds / our_seconds:.1f}x"
        rows.append([name, f"{our_seconds * 1e3:.0f}", f"{their_seconds * 1e3:.0f}", ratio])
    rows.append([f"the {given.hot:,} hot alone, by type", f"{warmed(reserve, HOT, given.rounds) * 1e3:.0f}", "", ""])
    child = Child()
    time.sleep(2)
    waiting = child.resident_bytes() / 1e6
    child.kill("done")
    child.clean()
    print_table(
        f"{given.archived:,} archived and {given.hot:,} hot events",
        ["query", "ms", "SQLite, ms", "ratio"],
        rows,
        [f"a process in reserve takes {waiting:.0f} MB of its own, for up to a minute after the last query"],
    )
    print_table(
        "queries that take too much (limit: 1 s, 1 GiB)",
        ["query", "ended after s", "beyond its limit, s", "page meanwhile, ms", "what it said"],
        bombs(keeper),
    )
    reserve.close()
    keeper.close()


if __name__ == "__main__":
    main()
