"""What a task costs: to submit, until a worker starts, and how many of them one worker process gets through in a second.

    python bench/tasks.py [--tasks 2000] [--starts 100] [--flood 10000] [--only sqlite|postgresql]
    BENCH_PEERS=1 python bench/tasks.py        # Procrastinate and Dramatiq on the same PostgreSQL, installed for the occasion

A task does nothing. With Flightlog it is submitted over HTTP and stored with its ledger, its outbox message and its events, moved
through its states by version, and its whole story is in the journal; the others put a row into a queue from inside the process,
and run it. Both ends are on this machine. Fairness: one user's flood waits, all of it, when a worker begins; then somebody else
submits one task: how long until that one's step begins.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from lib import task_peers
from lib.postgres import database
from lib.table import print_table, quantile
from lib.task_server import TaskServer, serving

SUBMIT_MS_MAX, START_MS_MAX = 5.0, 50.0
RATE_MIN = {"SQLite": 200.0, "PostgreSQL": 300.0}
FAIR_SECONDS_MAX = 2.0
HEADER = [
    "what",
    "submit ms",
    "95 %",
    "→ starts ms",
    "95 %",
    "tasks/s",
    "ms CPU/task",
    "flood",
    "other starts s",
    "of the flood/s",
]


class Sizes(NamedTuple):
    """How much of each."""

    tasks: int
    starts: int
    flood: int
    connections: int
    concurrency: int


class Figures(NamedTuple):
    """What was measured; seconds, tasks a second; `cpu` of server and worker for each of these tasks."""

    submits: list[float]
    starts: list[float]
    rate: float
    cpu: float
    other: float | None
    drained: float | None


def measure(server: TaskServer, sizes: Sizes) -> Figures:
    connection = server.connect()
    server.wait_began(server.submit(connection, "first"))  # everything is loaded
    submits, starts = [], []
    for _ in range(sizes.starts):
        wall, began = time.time_ns(), time.perf_counter()
        task_id = server.submit(connection, "starts")
        submits.append(time.perf_counter() - began)
        starts.append((server.wait_began(task_id) - wall) / 1e9)
    began, before = time.perf_counter(), server.cpu_seconds()
    server.submit_all(sizes.tasks, sizes.connections)
    server.wait_finished(sizes.tasks)
    rate = sizes.tasks / (time.perf_counter() - began)
    cpu = (server.cpu_seconds() - before) / sizes.tasks
    connection.close()
    return Figures(sorted(submits), sorted(starts), rate, cpu, None, None)


def fairness(folder: Path, store: str | None, sizes: Sizes) -> tuple[float, float]:
    """Seconds until somebody else's task starts that is submitted while a flood of one user waits, all of it; and how many tasks
    of the flood a second the worker is through, while nobody submits.
    """
    with serving(folder, store, sizes.concurrency, worker=False) as server:
        server.submit_all(sizes.flood, sizes.connections, "flood")
    with serving(folder, store, sizes.concurrency) as server:
        connection = server.connect()
        wall = time.time_ns()
        task_id = server.submit(connection, "other")
        began = server.wait_began(task_id)
        before, at = server.finished("flood"), time.perf_counter()
        assert before < sizes.flood, "the flood was over before: make it larger"
        server.wait_finished(sizes.flood, "flood")
        rate = (sizes.flood - before) / (time.perf_counter() - at)
        connection.close()
    return (began - wall) / 1e9, rate


def row(name: str, figures: Figures, flood: int) -> list[str]:
    return [
        name,
        f"{statistics.median(figures.submits) * 1e3:.2f}",
        f"{quantile(figures.submits, 0.95) * 1e3:.2f}",
        f"{statistics.median(figures.starts) * 1e3:.1f}",
        f"{quantile(figures.starts, 0.95) * 1e3:.1f}",
        f"{figures.rate:,.0f}",
        f"{figures.cpu * 1e3:.1f}",
        f"{flood:,}" if figures.other is not None else "",
        f"{figures.other:.2f}" if figures.other is not None else "",
        f"{figures.drained:,.0f}" if figures.drained is not None else "",
    ]


def against(found: dict[str, Figures], peers: list[task_peers.Peer]) -> list[list[str]]:
    """Each peer, and what Flightlog on PostgreSQL is to it: less than 1 is better in the first two, more than 1 in the last."""
    ours = found.get("PostgreSQL")
    rows = []
    for peer in peers:
        if peer.fault is not None:
            rows.append([f"{peer.name}: {peer.fault}", *[""] * 6])
            continue
        made = [peer.name, f"{peer.submit * 1e3:.2f}", f"{peer.start * 1e3:.1f}", f"{peer.rate:,.0f}"]
        if ours is not None:
            made += [
                f"{statistics.median(ours.submits) / peer.submit:.2f}",
                f"{statistics.median(ours.starts) / peer.start:.2f}",
                f"{ours.rate / peer.rate:.2f}",
            ]
        rows.append([*made, *[""] * (7 - len(made))])
    return rows


def missed(found: dict[str, Figures]) -> list[str]:
    """The bars that were missed, in words."""
    made = []
    for name, figures in found.items():
        submit, start = statistics.median(figures.submits) * 1e3, statistics.median(figures.starts) * 1e3
        if submit > SUBMIT_MS_MAX:
            made.append(f"{name}: a submit takes {submit:.2f} ms, and may take {SUBMIT_MS_MAX:g}")
        if start > START_MS_MAX:
            made.append(f"{name}: a start takes {start:.1f} ms, and may take {START_MS_MAX:g}")
        if figures.rate < RATE_MIN[name]:
            made.append(f"{name}: {figures.rate:.0f} tasks/s, and {RATE_MIN[name]:.0f} are wanted")
        if figures.other is not None and figures.other > FAIR_SECONDS_MAX:
            made.append(f"{name}: the other's task waited {figures.other:.1f} s, and may wait {FAIR_SECONDS_MAX:g}")
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=2_000)
    parser.add_argument("--starts", type=int, default=100)
    parser.add_argument("--flood", type=int, default=10_000, help="0 leaves fairness out")
    parser.add_argument("--connections", type=int, default=8, help="over which tasks are submitted at once")
    parser.add_argument("--concurrency", type=int, default=32, help="tasks that the worker does at once")
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    given = parser.parse_args()
    sizes = Sizes(given.tasks, given.starts, given.flood, given.connections, given.concurrency)
    found: dict[str, Figures] = {}
    for name in ("SQLite", "PostgreSQL"):
        if given.only not in (None, name.lower()):
            continue
        with ExitStack() as stack:
            url = stack.enter_context(database()) if name == "PostgreSQL" else None
            temp = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            with serving(temp / "flight", url, sizes.concurrency) as server:
                found[name] = measure(server, sizes)
            if sizes.flood:
                other, drained = fairness(temp / "flooded", url, sizes)
                found[name] = found[name]._replace(other=other, drained=drained)
    bars = f"submit ≤ {SUBMIT_MS_MAX:g} ms, start ≤ {START_MS_MAX:g} ms, ≥ 200/s and 300/s, other starts ≤ {FAIR_SECONDS_MAX:g} s"
    notes = [
        f"{sizes.tasks:,} tasks over {sizes.connections} connections, {sizes.concurrency} at once in one worker process",
        f"bars: {bars}; missed: {'; '.join(missed(found)) or 'none'}",
    ]
    print_table("Tasks end to end", HEADER, [row(name, one, sizes.flood) for name, one in found.items()], notes)
    if os.environ.get("BENCH_PEERS") == "1":
        peers = task_peers.measure(sizes.tasks, sizes.starts, sizes.connections, sizes.concurrency)
        columns = [
            "peer, on PostgreSQL",
            "submit ms",
            "→ starts ms",
            "tasks/s",
            "our submit ×",
            "our start ×",
            "our tasks/s ×",
        ]
        print()
        print_table("Beside others", columns, against(found, peers), ["they submit without HTTP, and keep no story"])


if __name__ == "__main__":
    main()
