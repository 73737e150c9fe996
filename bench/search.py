"""What does the text index cost, and what does it buy? The same events with and without it, in one run.

python bench/search.py [--events 10000 100000]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from flightlog.config import Settings
from flightlog.journal import index
from flightlog.journal.append import Journal
from flightlog.journal.filter import EventFilter
from flightlog.journal.read import read_events
from flightlog.runs.project import RunProjector
from flightlog.store.contract import Store
from flightlog.store.engine import open_store
from flightlog.store.sqlite import DATABASE_FILE
from lib.flights import Flights
from lib.table import print_table

BATCH = 2_000
NEEDLE = "heronstone"
TIMES = 7


def fill(folder: Path, count: int, indexed: bool) -> tuple[Store, float]:
    """A store with these events, the last but 10 of which holds the needle, and how long the appends took."""
    store = open_store(folder, writable=True)
    if indexed:
        index.build(store)
    journal = Journal(store, [RunProjector(), index.IndexProjector()])
    spent = 0.0
    for number, events in enumerate(Flights().batches(count, BATCH)):
        if number == 0:
            payload = msgspec.Raw(msgspec.json.encode({"text": f"the {NEEDLE} lies here"}))
            events[10] = msgspec.structs.replace(events[10], payload=payload)
        started = time.perf_counter()
        journal.append(events)
        spent += time.perf_counter() - started
    return store, spent


def median_ms(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(TIMES):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1_000


def searches(store: Store, count: int) -> list[float]:
    """Milliseconds: a rare word in all events, the same in one page, a common word in one page."""

    def page(word: str, settings: Settings) -> float:
        return median_ms(lambda: read_events(store, EventFilter(text=word), backwards=True, settings=settings))

    return [page(NEEDLE, Settings(search_events_max=count + 1)), page(NEEDLE, Settings()), page("the", Settings())]


def size(store: Store, folder: Path) -> int:
    store.close()
    return (folder / DATABASE_FILE).stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[10_000, 100_000])
    rows = []
    for count in parser.parse_args().events:
        found: dict[bool, list[float]] = {}
        for indexed in (False, True):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                store, spent = fill(folder, count, indexed)
                found[indexed] = [count / spent, *searches(store, count), size(store, folder) / count]
        for label, place in (
            ("appended events/s", 0),
            ("a rare word, all looked at, ms", 1),
            ("a rare word, one page, ms", 2),
            ("a common word, one page, ms", 3),
            ("bytes an event", 4),
        ):
            without, with_index = found[False][place], found[True][place]
            rows.append([f"{count:,}", label, f"{without:,.1f}", f"{with_index:,.1f}", f"{with_index / without:.2f}"])
    columns = ["events", "what", "without", "with index", "ratio"]
    print_table("Searching for text", columns, rows, [f"payloads of about 1 KB; median of {TIMES}"])


if __name__ == "__main__":
    main()
