"""How long does the list of runs take, whatever is asked of it?

Pages of 100 runs: the first, one far down by its cursor, behind filters that many, few and no runs pass, in every order;
and the facets beside them. In this process: what the server does before it writes JSON. The rows are written directly, so that
a hundred thousand runs are there in seconds; with --events the journal is as long as it would be.

    python bench/runs_list.py [--runs 10000 100000] [--events N] [--dir FOLDER] [--rounds 15] [--only WORD] [--cpu]
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from flightlog.clock import NS_PER_SECOND, FakeClock
from flightlog.filters.compile import run_filter
from flightlog.journal.append import Journal
from flightlog.journal.read import head_id
from flightlog.runs.facets import count_facets
from flightlog.runs.listing import SORTS, list_runs
from flightlog.runs.table import runs
from flightlog.store.contract import Store, Tx
from flightlog.store.engine import open_store
from lib.flights import START, Flights
from lib.table import print_table, quantile

LIMIT = 100
BAR_MS = 150
STEP_NS = 60 * NS_PER_SECOND  # a run a minute: seventy days for a hundred thousand
CHUNK = 5_000
DEEP = 0.9  # of the way to the last page

MODELS = ("gpt-large", "gpt-small", "claude-opus", "claude-haiku", "llama-local", "embed-3")
TASKS = ("fix the build", "review the change", "log in again", "write release notes", "triage the queue")
TYPES = ("run_started", "run_finished", "llm_request", "llm_response", "tool_call", "tool_result", "note")

FILTERS = {
    "most (status)": "status:succeeded",
    "some (status)": "status:failed",
    "few (status)": "status:hung",
    "two statuses": "status:failed,canceled",
    "not a status": "-status:succeeded",
    "an actor": "actor:agent-7",
    "actors like": "actor:agent-1*",
    "not an actor": "-actor:agent-7",
    "a rare actor": "actor:once",
    "no such actor": "actor:nobody",
    "a project": "project:shop",
    "a project, failed": "project:shop status:failed",
    "a project, a rare actor": "project:shop actor:once",
    "a model": "model:claude-opus",
    "models like": "model:gpt*",
    "a rare model": "model:rare-*",
    "no such model": "model:nothing*",
    "a type": "type:tool_call",
    "a rare type": "type:degraded",
    "types like": "type:approval_*",
    "cost": "cost:>1",
    "no such cost": "cost:>1000",
    "tokens": "tokens:10k..20k",
    "errors": "errors:>0",
    "duration": "duration:>10m",
    "no such duration": "duration:>10d",
    "text": "log",
    "text of one": "run-000500",
    "text of none": "nowhere",
    "a name": 'name:"fix the build 77"',
    "a week": "since:7d",
    "a week, rare": "since:7d errors:>3 model:claude-opus",
    "all at once": "status:failed actor:agent-1* model:gpt* cost:>0.1 duration:>2s fix -project:lab",
}

Question = Callable[[], object]


def rows_of_runs(first: int, until: int, chance: random.Random) -> Iterator[tuple[Any, ...]]:
    """Runs as a busy site has them; one in a thousand goes on, or is of a rare actor, model or kind."""
    for number in range(first, until):
        at = START + number * STEP_NS
        rare = number % 1_000 == 500
        calls, errors = chance.randrange(1, 60), max(0, int(chance.gauss(-1, 2)))
        status = "running" if rare else chance.choices(("succeeded", "failed", "canceled"), (88, 10, 2))[0]
        took = int(chance.lognormvariate(4, 1.5) * NS_PER_SECOND)
        counts = {kind: calls for kind in TYPES if kind != "tool_call" or number % 2}
        if rare:
            counts["degraded"] = 1
        models = sorted(chance.sample(MODELS, chance.randrange(1, 4))) + (["rare-one"] if rare else [])
        row = {
            "run_id": f"run-{number:07d}-{chance.getrandbits(64):016x}",
            "project": ("shop", "lab", "docs", "till")[min(3, int(chance.expovariate(1)))],
            "name": f"{chance.choice(TASKS)} {number % 1_000}",
            "status": status,
            "actor": "once" if number == 500 else f"agent-{int(chance.paretovariate(0.8)) % 300}",
            "source": chance.choice(("ci", "cron", "desk")),
            "task_id": f"T-{number // 3}",
            "trace_id": f"{chance.getrandbits(128):032x}",
            "started_at": at,
            "origin_rank": 0,
            "origin_event_id": f"e{number}",
            "finished_at": None if status == "running" else at + took,
            "duration_ns": None,
            "finish_event_id": None if status == "running" else f"f{number}",
            "last_event_at": at + took,
            "last_event_id": number + 1,
            "event_count": calls * 6 + 2,
            "error_count": errors,
            "lost_count": 1 if rare else 0,
            "tokens_input": calls * chance.randrange(200, 4_000),
            "tokens_output": calls * chance.randrange(20, 400),
            "tokens_cached_input": calls * 100,
            "tokens_reasoning": 0,
            "cost_nano_usd": int(chance.lognormvariate(-2, 1) * 10**9),
            "counts": json.dumps(counts, separators=(",", ":")),
            "models": json.dumps(models, separators=(",", ":")),
        }
        yield tuple(row[column.name] for column in runs.columns)


def fill(store: Store, total: int, events: int) -> None:
    """Bring the store to so many runs and events; what is there stays."""
    with store.read() as connection:
        present = connection.execute(select(func.count()).select_from(runs)).scalar_one()
    chance = random.Random(present)
    for first in range(present, total, CHUNK):
        made = list(rows_of_runs(first, min(first + CHUNK, total), chance))

        def insert(tx: Tx, made: list[tuple[Any, ...]] = made) -> None:
            tx.insert_many((runs, made))

        store.write(insert, timeout=60)
    with store.read() as connection:
        there = head_id(connection)
    journal = Journal(store)
    for batch in Flights(seed=there + 1).batches(max(0, events - there), CHUNK):
        journal.append(batch, timeout=60)


def questions(store: Store, total: int, clock: FakeClock) -> dict[str, Question]:
    """What is asked, by what it is called."""

    def page(query: str = "", sort: str = "-started", cursor: str | None = None) -> Question:
        wanted = run_filter(query, clock.now_ns())
        return lambda: list_runs(store, wanted, sort=sort, limit=LIMIT, cursor=cursor, clock=clock)

    def facets(query: str = "") -> Question:
        wanted = run_filter(query, clock.now_ns())
        return lambda: count_facets(store, wanted, clock=clock)

    asked: dict[str, Question] = {"first page": page(), "far down": page(cursor=far_down(store, "", "-started", total))}
    for name, query in FILTERS.items():
        asked[f"filter: {name}"] = page(query)
    asked["filter: some (status), far down"] = page(
        "status:failed", cursor=far_down(store, "status:failed", "-started", total // 10)
    )
    for sort in SORTS:
        for order in (f"-{sort}", sort):
            asked[f"sort: {order}"] = page(sort=order)
        asked[f"sort: -{sort}, far down"] = page(sort=f"-{sort}", cursor=far_down(store, "", f"-{sort}", total))
        asked[f"sort: -{sort}, failed"] = page("status:failed", f"-{sort}")
    for name in ("", *("some (status)", "an actor", "models like", "text", "a week", "no such cost", "all at once")):
        asked[f"facets: {name or 'everything'}"] = facets(FILTERS.get(name, ""))
    return asked


def far_down(store: Store, query: str, sort: str, total: int) -> str | None:
    """The cursor of a page near the end."""
    cursor = None
    for _ in range(int(total * DEEP) // 500):
        cursor = list_runs(store, run_filter(query, 0), sort=sort, limit=500, cursor=cursor).next_cursor or cursor
    return cursor


def timed(ask: Question, rounds: int, clock: Callable[[], float]) -> list[float]:
    """Milliseconds, sorted. The first answer is not counted."""
    taken = []
    for _ in range(rounds + 1):
        started = clock()
        ask()
        taken.append((clock() - started) * 1_000)
    return sorted(taken[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--events", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--dir", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--cpu", action="store_true", help="time on the processor, where others use the machine too")
    given = parser.parse_args()
    measured = time.process_time if given.cpu else time.perf_counter
    found: dict[str, list[list[float]]] = {}
    with tempfile.TemporaryDirectory() as temp:
        store = open_store(given.dir or Path(temp) / "flight", writable=True)
        for total in given.runs:
            fill(store, total, given.events)
            clock = FakeClock(START + total * STEP_NS)
            for name, ask in questions(store, total, clock).items():
                if given.only in name:
                    found.setdefault(name, []).append(timed(ask, given.rounds, measured))
        store.close()
    rows, slow = [], 0
    for name, stages in found.items():
        cells: list[object] = [name]
        for taken in stages:
            cells += [f"{quantile(taken, 0.5):.1f}", f"{quantile(taken, 0.95):.1f}"]
        median = quantile(stages[-1], 0.5)
        slow += median > BAR_MS
        cells += [f"{median / quantile(stages[0], 0.5):.1f}", "over the bar" if median > BAR_MS else ""]
        rows.append(cells)
    columns = ["ms", *(part for total in given.runs for part in (f"{total:,} runs p50", "p95")), "growth", ""]
    notes = [f"{len(rows) - slow} of {len(rows)} within {BAR_MS} ms"]
    print_table(f"The list of runs, pages of {LIMIT}", columns, rows, notes)


if __name__ == "__main__":
    main()
