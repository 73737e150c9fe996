"""How long does a page of 100 events of one run take over HTTP, and how much longer when the journal is five times as large?

The journal is filled through Journal.append and then served by a process of its own; this process asks, over one kept
connection, and measures from the request's first byte to the answer's last. The bar: a median of at most 5 ms at 1 M
events, and at most twice that at 5 M.

    python bench/http_page.py [--events 200000 1000000] [--dir FOLDER] [--pages 300]

`--events 1000000 5000000` asks the same of larger journals; it writes 9 GB.
"""

from __future__ import annotations

import argparse
import http.client
import multiprocessing
import random
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import uvicorn

from flightlog.api.app import Services, create_app
from flightlog.config import Settings
from flightlog.events.envelope import Event
from flightlog.journal.append import Journal
from flightlog.journal.tail import TailHub
from flightlog.runs.project import RunProjector
from flightlog.store.engine import open_store
from lib.flights import Flights
from lib.table import print_table, quantile

LIMIT = 100
BATCH = 2_000
RUNS_KEPT = 2_000  # run ids that are asked for


class NoCare:
    """Nothing is appended over HTTP here."""

    def prepare(self, event: Event) -> Event:
        return event


def fill(folder: Path, flights: Flights, events: int) -> list[str]:
    """Append so many more events; some of their run ids."""
    store = open_store(folder, settings=Settings(), writable=True)
    journal = Journal(store, [RunProjector()])
    runs: dict[str, None] = {}
    for batch in flights.batches(events, BATCH):
        journal.append(batch, timeout=60)
        runs.update(dict.fromkeys(event.run_id for event in batch if event.run_id))
    store.close()
    found = list(runs)
    return random.Random(5).sample(found, min(RUNS_KEPT, len(found)))


def serve(folder: Path, listener: socket.socket) -> None:
    """A process of its own, as `flightlog up` is."""
    store = open_store(folder, settings=Settings(), writable=True)
    services = Services(store=store, journal=Journal(store, [RunProjector()]), hub=TailHub(store), intake=NoCare())
    config = uvicorn.Config(create_app(services), log_level="error", access_log=False, ws="none", lifespan="off")
    uvicorn.Server(config).run(sockets=[listener])
    store.close()


def questions(runs: list[str], chance: random.Random) -> dict[str, Callable[[], str]]:
    """What is asked, as paths."""

    def run() -> str:
        return quote(runs[chance.randrange(len(runs))], safe="")

    return {
        "one run, 1 KB payloads": lambda: f"/api/runs/{run()}/events?limit={LIMIT}",
        "one run, its second page": lambda: f"/api/runs/{run()}/events?limit={LIMIT}&latest=true",
        "one run, envelopes only": lambda: f"/api/runs/{run()}/events?limit={LIMIT}&payloads=false",
        "one run, two types": lambda: f"/api/runs/{run()}/events?limit={LIMIT}&types=llm_request,tool_call",
        "the journal, newest": lambda: f"/api/events?limit={LIMIT}&latest=true",
        "one run's summary": lambda: f"/api/runs/{run()}",
        "list of runs": lambda: f"/api/runs?limit={LIMIT}",
        "console: list of runs": lambda: "/",
        "console: one run": lambda: f"/runs/{run()}",
    }


def ask(port: int, path_of: Callable[[], str], pages: int) -> tuple[list[float], int]:
    """Milliseconds, sorted, and the size of the last answer. The first answer is not counted."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    taken: list[float] = []
    size = 0
    for _ in range(pages + 1):
        path = path_of()
        started = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        size = len(answer.read())
        taken.append((time.perf_counter() - started) * 1_000)
        assert answer.status == 200, (path, answer.status)
    connection.close()
    return sorted(taken[1:]), size


def measure(folder: Path, runs: list[str], pages: int) -> dict[str, tuple[list[float], int]]:
    """Every question, put to a fresh server."""
    listener = socket.create_server(("127.0.0.1", 0))
    # asyncio does it only for sockets that name their protocol; without it each small answer waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = multiprocessing.get_context("fork").Process(target=serve, args=(folder, listener), daemon=True)
    server.start()
    try:
        return {
            name: ask(listener.getsockname()[1], path_of, pages)
            for name, path_of in questions(runs, random.Random(3)).items()
        }
    finally:
        server.terminate()
        server.join()
        listener.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[200_000, 1_000_000])
    parser.add_argument("--pages", type=int, default=300)
    parser.add_argument("--dir", type=Path)
    given = parser.parse_args()
    found: dict[str, list[tuple[list[float], int]]] = {}
    with tempfile.TemporaryDirectory() as temp:
        folder = given.dir or Path(temp) / "flight"
        flights, total = Flights(), 0
        runs: list[str] = []
        for events in given.events:
            runs += fill(folder, flights, events - total)
            total = events
            for name, answer in measure(folder, runs, given.pages).items():
                found.setdefault(name, []).append(answer)
    rows: list[list[object]] = []
    for name, stages in found.items():
        medians = [quantile(taken, 0.5) for taken, _ in stages]
        cells: list[object] = [name, f"{stages[-1][1] / 1024:.0f}"]
        for (taken, _), median in zip(stages, medians, strict=True):
            cells += [f"{median:.2f}", f"{quantile(taken, 0.95):.2f}"]
        rows.append([*cells, f"{medians[-1] / medians[0]:.2f}"])
    sizes = [part for events in given.events for part in (f"{events:,} p50", "p95")]
    print_table(f"A page of {LIMIT} over HTTP, in ms", ["page", "KiB", *sizes, "growth of p50"], rows)


if __name__ == "__main__":
    main()
