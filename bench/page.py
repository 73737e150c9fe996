"""How long does a page take, and how much longer when the journal is five times as large?

Pages of 100 events from random places in runs of 500 events, and in one run that holds a tenth of all events; in this
process, payloads included. With --url also over HTTP, from a `flightlog up` that serves the same folder.

    python bench/page.py [--events 200000 1000000] [--dir FOLDER] [--pages 300] [--url http://127.0.0.1:4747]

`--events 1000000 5000000` asks the same of larger journals; it writes 9 GB.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from msgspec.structs import replace

from flightlog.journal.append import Journal
from flightlog.journal.read import EventFilter, get_event, read_events
from flightlog.runs.listing import list_runs
from flightlog.runs.project import RunProjector
from flightlog.runs.summary import get_run
from flightlog.store.contract import Store
from flightlog.store.engine import open_store
from lib.flights import Flights
from lib.table import print_table, quantile

LONG_RUN = "the-long-run"
LIMIT = 100

Question = Callable[[], int]


def fill(journal: Journal, flights: Flights, events: int) -> list[str]:
    """Append so many more; every tenth batch belongs to the long run. Gives the short runs."""
    short: dict[str | None, None] = {}
    for number, batch in enumerate(flights.batches(events, 2_000)):
        if number % 10 == 9:
            batch = [replace(event, run_id=LONG_RUN) for event in batch]
        else:
            short.update(dict.fromkeys(event.run_id for event in batch))
        journal.append(batch, timeout=60)
    return [run_id for run_id in short if run_id is not None]


def questions(store: Store, run_ids: list[str], total: int, chance: random.Random) -> dict[str, Question]:
    """What is asked; each answer is the number of things on the page."""

    def page(
        *, types: tuple[str, ...] = (), run_id: str | None = None, payloads: bool = True, backwards: bool = False
    ) -> int:
        wanted = EventFilter(run_id=run_id, types=types)
        after = None if backwards else chance.randrange(total * 9 // 10)
        return len(
            read_events(store, wanted, after_id=after, limit=LIMIT, payloads=payloads, backwards=backwards).events
        )

    def some_run() -> str:
        return run_ids[chance.randrange(len(run_ids))]

    def by_time() -> int:
        first = read_events(store, after_id=chance.randrange(total - 200), limit=1).events[0].created_at
        return len(read_events(store, EventFilter(since=first, until=first + 60 * 10**9), limit=LIMIT).events)

    def one_run(types: tuple[str, ...] = (), payloads: bool = True) -> int:
        return len(
            read_events(store, EventFilter(run_id=some_run(), types=types), limit=LIMIT, payloads=payloads).events
        )

    def one_event() -> int:
        return (
            get_event(store, read_events(store, after_id=chance.randrange(total - 1), limit=1).events[0].event_id).id
            and 1
        )

    return {
        "one run": one_run,
        "one run, envelopes only": lambda: one_run(payloads=False),
        "one run, two types": lambda: one_run(types=("llm_request", "tool_call")),
        "the long run, anywhere": lambda: page(run_id=LONG_RUN),
        "the long run, two types": lambda: page(run_id=LONG_RUN, types=("llm_request", "tool_call")),
        "the journal, anywhere": page,
        "the journal, newest": lambda: page(backwards=True),
        "one type, anywhere": lambda: page(types=("run_finished",)),
        "a minute, anywhere (and its first event)": by_time,
        "one event by its id (and finding one)": one_event,
        "list of runs": lambda: len(list_runs(store, limit=LIMIT).runs),
        "one run's summary": lambda: get_run(store, some_run()).event_count and 1,
    }


def over_http(url: str, run_ids: list[str], chance: random.Random) -> dict[str, Question]:
    client = httpx.Client(base_url=url)

    def ask(path: str, key: str) -> int:
        answer = client.get(path)
        answer.raise_for_status()
        return len(answer.json()[key])

    def one_run() -> int:
        return ask(f"/api/runs/{run_ids[chance.randrange(len(run_ids))]}/events?limit={LIMIT}", "events")

    return {"HTTP: one run": one_run, "HTTP: list of runs": lambda: ask(f"/api/runs?limit={LIMIT}", "runs")}


def timed(ask: Question, pages: int) -> list[float]:
    """Milliseconds, sorted. The first answer is not counted."""
    taken = []
    for _ in range(pages + 1):
        started = time.perf_counter()
        assert ask() > 0
        taken.append((time.perf_counter() - started) * 1_000)
    return sorted(taken[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[200_000, 1_000_000])
    parser.add_argument("--pages", type=int, default=300)
    parser.add_argument("--dir", type=Path)
    parser.add_argument("--url")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temp:
        folder = given.dir or Path(temp) / "flight"
        found: dict[str, list[list[float]]] = {}
        if given.url:
            measure_http(given.url, folder, given.pages, found)
        else:
            measure(folder, given.events, given.pages, found)
    sizes = ["now"] if given.url else [f"{events:,}" for events in given.events]
    rows = []
    for name, stages in found.items():
        cells: list[object] = [name]
        for taken in stages:
            cells += [f"{quantile(taken, 0.5):.2f}", f"{quantile(taken, 0.95):.2f}"]
        cells.append(f"{quantile(stages[-1], 0.5) / quantile(stages[0], 0.5):.2f}")
        rows.append(cells)
    columns = ["ms", *(part for size in sizes for part in (f"{size} p50", "p95")), "growth of p50"]
    print_table(f"A page of {LIMIT}", columns, rows)


def measure(folder: Path, sizes: list[int], pages: int, found: dict[str, list[list[float]]]) -> None:
    store = open_store(folder, writable=True)
    journal, flights, total = Journal(store, [RunProjector()]), Flights(), 0
    run_ids: list[str] = []
    for size in sizes:
        run_ids += fill(journal, flights, size - total)
        total = size
        for name, ask in questions(store, run_ids, total, random.Random(3)).items():
            found.setdefault(name, []).append(timed(ask, pages))
    store.close()


def measure_http(url: str, folder: Path, pages: int, found: dict[str, list[list[float]]]) -> None:
    store = open_store(folder)
    run_ids = [run.run_id for run in list_runs(store, limit=500).runs]
    store.close()
    for name, ask in over_http(url, run_ids, random.Random(3)).items():
        found[name] = [timed(ask, pages)]


if __name__ == "__main__":
    main()
