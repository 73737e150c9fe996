"""How long do numbers over years of history take? Archived events in files beside hot ones, and the same rows as a plain table.

Files are made from arrays by the archive's own writer and named by its manifest; the hot events go through the journal. The peer is
what somebody would have without an archive: SQLite over a table of these rows with the columns that are asked of, and an index on
type and time. Each question is asked anew (nothing of it is kept), in a process beside this one as `flightlog up` does it.

    python bench/stats.py [--archived 500000] [--hot 20000] [--days 30] [--rounds 5] [--file-events 250000]
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from sqlalchemy import update

from flightlog.analytics.answer import Answer, answer
from flightlog.analytics.engine import Child
from flightlog.analytics.kept import Kept
from flightlog.analytics.place import open_kept
from flightlog.analytics.question import make_question
from flightlog.archive.columns import schema
from flightlog.archive.commit import add_range
from flightlog.archive.files import put, split
from flightlog.archive.objects import open_objects
from flightlog.archive.reader import ARCHIVE_FOLDER
from flightlog.config import Settings
from flightlog.events.envelope import Event
from flightlog.journal.changes import changes
from flightlog.journal.table import journal_head
from flightlog.wiring import Keeper
from lib.table import print_table

DAY = 86_400 * 10**9
END = 1_750_000_000 * 10**9 // DAY * DAY
MODELS = [f"model-{number}" for number in range(12)]
TOOLS = [f"tool_{number}" for number in range(24)]
TYPES = ["llm_response", "tool_result", "llm_request", "tool_call", "note"]
ASK_SECONDS_MAX = 0.5
GROWTH_MAX = 1.3
RSS_MB_MAX = 1_000
NARROW = ("type", "created_at", "project", "name", "status", "duration_ns", "model", "tokens_input", "tokens_output",
          "cost_nano_usd")  # fmt: skip


class Asked(msgspec.Struct, frozen=True):
    """A question in both languages."""

    name: str
    words: dict[str, Any]
    sql: str


def questions(days: int) -> list[Asked]:
    first = END - days * DAY
    spread = "SELECT name, duration_ns FROM e WHERE type = 'tool_result' AND duration_ns IS NOT NULL AND created_at >= {since}"
    return [
        Asked(
            "cost and tokens by model by day",
            {"measures": ["cost", "tokens"], "by": "model", "bucket": "day", "since": first, "top": 20},
            "SELECT model, created_at / 86400000000000, sum(cost_nano_usd), sum(tokens_input), sum(tokens_output) FROM e"
            f" WHERE type = 'llm_response' AND created_at >= {first} GROUP BY 1, 2",
        ),
        Asked(
            "p95 latency by tool",
            {"of": "tools", "measures": ["latency"], "by": "tool", "since": first, "top": 30},
            "SELECT name, min(d) FROM (SELECT name, duration_ns d, percent_rank() OVER (PARTITION BY name ORDER BY duration_ns)"
            f" r FROM ({spread.format(since=first)})) WHERE r >= 0.95 GROUP BY 1",
        ),
        Asked(
            "errors by tool",
            {"of": "tools", "measures": ["calls"], "by": "tool", "since": first, "sort": "errors"},
            f"SELECT name, count(*), sum(status = 'error') FROM e WHERE type = 'tool_result' AND created_at >= {first} GROUP BY 1",
        ),
        Asked(
            "the last day: models by hour",
            {"measures": ["calls", "tokens", "cost"], "top": 20, "by": "model", "bucket": "hour", "since": END - DAY},
            "SELECT model, created_at / 3600000000000, count(*), sum(cost_nano_usd), sum(tokens_input), sum(tokens_output)"
            f" FROM e WHERE type = 'llm_response' AND created_at >= {END - DAY} GROUP BY 1, 2",
        ),
    ]


def tables(count: int, days: int, chunk: int) -> Iterator[tuple[int, pa.Table]]:
    """The events of ids 1 … count, in the order of time, as tables of the archive's columns."""
    random = np.random.default_rng(7)
    whole = schema()
    step = (days * DAY - DAY // 4) // count  # what came after is hot
    for first in range(1, count + 1, chunk):
        n = min(chunk, count + 1 - first)
        ids = np.arange(first, first + n)
        types = random.integers(0, len(TYPES), n)
        answers, tools = types == 0, types == 1
        took = np.exp(random.normal(20, 1.5, n)).astype(np.int64)
        model, tool = random.integers(0, len(MODELS), n), random.integers(0, len(TOOLS), n)
        named = np.where(answers, model, np.where(tools, tool + len(MODELS), -1))
        tokens = random.integers(1, 9_000, n)
        failed = random.random(n) < 0.04

        def of(values: Any, known: Any) -> pa.Array:
            return pa.array(values, mask=~known)

        def word(places: Any, words: list[str], known: Any) -> pa.Array:
            indices = pa.array(places.astype(np.int32), mask=~known)
            return pa.DictionaryArray.from_arrays(indices, pa.array(words)).cast(pa.string())

        every = np.ones(n, dtype=bool)
        runs = [f"run-{one:012x}" for one in range(first // 40, (first + n) // 40 + 1)]
        columns: dict[str, Any] = {
            "id": pa.array(ids),
            "event_id": pa.array([f"{number:032x}" for number in ids]),
            "type": word(types, TYPES, every),
            "created_at": pa.array(END - days * DAY + ids * step - 1),
            "run_id": word(ids // 40 - first // 40, runs, every),
            "project": word(ids // 40 % 2, ["default", "shop"], every),
            "name": word(named, MODELS + TOOLS, named >= 0),
            "level": word(np.zeros(n), ["info"], every),
            "actor": word(ids // 40 % 7, [f"agent-{one}" for one in range(7)], every),
            "status": word(failed, ["ok", "error"], answers | tools),
            "duration_ns": of(took, answers | tools),
            "flags": pa.array(np.zeros(n, dtype=np.int64)),
            "received_at": pa.array(END - days * DAY + ids * step),
            "payload_bytes": pa.array(np.full(n, 2)),
            "payload": word(np.zeros(n), ["{}"], every),
            "provider": word(model % 3, ["openai", "anthropic", "local"], answers),
            "model": word(model, MODELS, answers),
            "tool": word(tool, TOOLS, tools),
            "tokens_input": of(tokens, answers),
            "tokens_output": of(tokens // 7, answers),
            "cost_nano_usd": of(tokens * 1_500, answers),
            "error_kind": word(np.zeros(n), ["RateLimit"], answers & failed),
        }  # fmt: skip
        filled = [columns.get(field.name, pa.nulls(n, field.type)) for field in whole]
        yield first + n - 1, pa.Table.from_arrays(filled, schema=whole)


def make(folder: Path, archived: int, hot: int, days: int, chunk: int, peer: sqlite3.Connection | None) -> Keeper:
    """A store with so many events in its archive and in its tables; the peer gets the same rows."""
    keeper = Keeper(folder, Settings(seal=False) if "seal" in Settings.__struct_fields__ else Settings(), writable=True)
    objects = open_objects(folder / ARCHIVE_FOLDER)
    after = 0
    for until, table in tables(archived, days, chunk):
        written = [put(objects, project, date, part, os.urandom) for project, date, part in split(table)]
        with keeper.store.read() as connection:
            seen = changes(connection)
        keeper.store.write(lambda tx, w=written, a=after, u=until, s=seen: add_range(tx, w, a, u, s, END))  # type: ignore[misc]
        after = until
        if peer is not None:
            into_peer(peer, table)
    keeper.store.write(lambda tx: tx.sql.execute(update(journal_head).values(last_id=archived)).rowcount)
    for first in range(0, hot, 2_000):
        keeper.journal.append([hot_event(number, hot) for number in range(first, min(first + 2_000, hot))])
    if peer is not None:
        rows = f"SELECT {', '.join('e.' + name if name not in NARROW[6:] else 'g.' + name for name in NARROW)}"
        own = sqlite3.connect(f"file:{folder / 'flightlog.db'}?mode=ro", uri=True)
        joined = own.execute(f"{rows} FROM run_events e LEFT JOIN generations g ON g.answer_id = e.id")
        peer.executemany(f"INSERT INTO e VALUES ({', '.join('?' * len(NARROW))})", joined)
        own.close()
        peer.execute("CREATE INDEX e_type ON e (type, created_at)")
        peer.commit()
    return keeper


def hot_event(number: int, hot: int) -> Event:
    kind = TYPES[number % len(TYPES)]
    payload: dict[str, Any] = {}
    if kind == "llm_response":
        payload = {
            "model": MODELS[number // 5 % len(MODELS)], "cost_usd": 0.002,
            "usage": {"input_tokens": 900, "output_tokens": 90},
        }  # fmt: skip
    name = TOOLS[number // 5 % len(TOOLS)] if kind == "tool_result" else payload.get("model")
    return Event(
        event_id=f"hot-{number}", type=kind, created_at=END - DAY // 4 + number * (DAY // 4 // hot), run_id=f"hot-{number // 40}",
        project="default", name=name, status="ok", duration_ns=(number * 7919 % 10_000 + 1) * 10**5,
        correlation_id=f"c{number}", payload=msgspec.Raw(msgspec.json.encode(payload)),
    )  # fmt: skip


def into_peer(peer: sqlite3.Connection, table: pa.Table) -> None:
    columns = [table[name].to_pylist() for name in NARROW]
    peer.executemany(f"INSERT INTO e VALUES ({', '.join('?' * len(NARROW))})", zip(*columns, strict=True))
    peer.commit()


def timed(ask: Callable[[], Any], rounds: int) -> float:
    """The median, in seconds."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        ask()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def asking(keeper: Keeper, kept: Kept, words: dict[str, Any]) -> Callable[[], Answer]:
    def ask() -> Answer:
        kept.forget()
        return answer(keeper.store, make_question(until=END, now_ns=END, **words), kept)

    return ask


def rss_mb(pid: int) -> float:
    """The most memory that a process ever had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in (("archived", 500_000), ("hot", 20_000), ("days", 30), ("rounds", 5), ("file-events", 250_000)):
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
    began = time.perf_counter()
    big = make(temp / "big", given.archived, given.hot, given.days, given.file_events, peer)
    made = time.perf_counter() - began
    # A tenth of the history is a tenth of the days: as much a day, as long as it was kept.
    tenth = make(temp / "tenth", given.archived // 10, given.hot, max(1, given.days // 10), given.file_events, None)
    child = Child()
    kept, less = open_kept(big.store, child), open_kept(tenth.store, child)
    rows = []
    for one in questions(given.days):
        ours = timed(asking(big, kept, one.words), given.rounds)
        found = answer(big.store, make_question(until=END, now_ns=END, **one.words), kept)
        again = timed(
            lambda one=one: answer(big.store, make_question(until=END, now_ns=END, **one.words), kept), given.rounds
        )  # type: ignore[misc]
        theirs = timed(lambda one=one: peer.execute(one.sql).fetchall(), max(1, given.rounds // 2))  # type: ignore[misc]
        rows.append(
            [
                one.name,
                f"{ours * 1e3:.0f}",
                f"{again * 1e3:.0f}",
                f"{theirs * 1e3:.0f}",
                f"{theirs / ours:.1f}x",
                found.files,
            ]
        )
    day = questions(given.days)[3].words
    # In turn, so that whatever else the machine does meets both.
    rounds = [(timed(asking(big, kept, day), 1), timed(asking(tenth, less, day), 1)) for _ in range(given.rounds * 5)]
    late, early = (statistics.median(each) for each in zip(*rounds, strict=True))
    server, reader = rss_mb(os.getpid()), rss_mb(child.pid or os.getpid())
    kept.close()
    sizes = sum(file.stat().st_size for file in (temp / "big" / ARCHIVE_FOLDER).rglob("*.parquet"))
    print_table(
        f"{given.archived:,} archived and {given.hot:,} hot events over {given.days} days (made in {made:.0f} s)",
        ["question", "ms", "ms, known", "SQLite, ms", "ratio", "files"],
        rows,
        [
            f"bar: {ASK_SECONDS_MAX * 1e3:.0f} ms for the first two at 10,000,000 archived and 100,000 hot",
            f"the last day with 10x the history: {late / early:.2f}x ({early * 1e3:.0f} -> {late * 1e3:.0f} ms; bar {GROWTH_MAX}x)",
            f"most memory: {reader:.0f} MB where files are read (bar {RSS_MB_MAX}); {server:.0f} MB here, bench and all",
            f"archive {sizes / 1e6:,.0f} MB; the plain table {(temp / 'peer.db').stat().st_size / 1e6:,.0f} MB",
        ],
    )
    big.close()
    tenth.close()


if __name__ == "__main__":
    main()
