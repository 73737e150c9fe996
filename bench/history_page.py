"""How long does a page of an archived run take over HTTP, beside the same page hot; and does it grow with the history?

The same journal is served hot, archived in a folder, and archived in an S3 server on this machine (SeaweedFS), each by a process
of its own; they are asked for pages of the same runs by turns, so that whatever else the machine does meets all of them. Each page
is of another run. "Anew" is with nothing kept of what was read before. Then archives of several sizes, written by the archive's own
writer from made up rows, are asked the same questions by turns.

    python bench/history_page.py [--events 100000] [--pages 200] [--growth 100000 300000] [--dir FOLDER]

`--growth 1000000 10000000` writes 5 GB, at some 30,000 events/s.
"""

from __future__ import annotations

import argparse
import http.client
import multiprocessing
import os
import random
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow
import pyarrow.compute as compute
import uvicorn
from sqlalchemy import select, text

from flightlog.api.app import Services, create_app
from flightlog.archive import files, manifest
from flightlog.archive.archiver import Archiver, Due
from flightlog.archive.commit import add_range
from flightlog.archive.drop import drop_some
from flightlog.archive.objects import open_objects
from flightlog.archive.place import Place
from flightlog.archive.reader import ARCHIVE_FOLDER, attach
from flightlog.archive.rows import open_rows, read_range
from flightlog.archive.work import do
from flightlog.clock import SystemClock
from flightlog.config import Settings
from flightlog.events.envelope import Event
from flightlog.journal.append import Journal
from flightlog.journal.changes import changes
from flightlog.journal.tail import TailHub
from flightlog.runs.project import RunProjector
from flightlog.runs.table import runs
from flightlog.store.contract import Store
from flightlog.store.engine import open_store
from lib.flights import STEP_NS, Flights
from lib.table import print_table, quantile

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.archive.seaweed import BUCKET, CREDENTIALS, Seaweed

LIMIT = 100
BATCH = 2_000
RUNS_AT_ONCE = 200  # under way at once, so that a page of a run is spread over many rows in between
LOCAL_MS_MAX, S3_MS_MAX, GROWTH_MAX = 60.0, 250.0, 1.3
TEMPLATE_EVENTS = 100_000
HOT_EVENTS = 20_000
DECODED = ("one run, a page", "console: one run")
SHIFTED = ("event_id", "run_id", "trace_id", "span_id", "parent_span_id", "correlation_id")


class NoCare:
    """Nothing is appended over HTTP here."""

    def prepare(self, event: Event) -> Event:
        return event


def fill(folder: Path, events: int) -> list[str]:
    """A hot journal of so many events; its runs."""
    store = open_store(folder, settings=Settings(), writable=True)
    append(store, Flights(runs_at_once=RUNS_AT_ONCE), events)
    with store.read() as connection:
        found = list(connection.execute(select(runs.c.run_id).where(runs.c.event_count >= LIMIT)).scalars())
    store.close()
    return found


def append(store: Store, flights: Flights, events: int) -> None:
    journal = Journal(store, [RunProjector()])
    for batch in flights.batches(events, 50):
        journal.append(batch, timeout=60)


def archive(folder: Path, settings: Settings) -> None:
    """Move all of a journal into its archive."""
    store = open_store(folder, settings=settings, writable=True)
    objects = open_objects(folder / ARCHIVE_FOLDER, settings.archive_url, settings.archive_s3_endpoint)
    place = Place(store, folder / "flightlog.db", objects, SystemClock(), grace_seconds=60.0)
    with store.read() as connection:
        head = int(connection.execute(text("SELECT last_id FROM journal_head")).scalar_one())
    archiver, after = Archiver(place, settings, do), 0
    while after < head:
        after = archiver.write(Due(after, head, "age")).until_id
    while drop_some(store):
        continue
    store.close()


# ── made up histories ────────────────────────────────────────────────────────────────────────────────────────────────


def grow(folder: Path, events: int, template: pyarrow.Table, of_runs: Sequence[dict[str, Any]]) -> list[str]:
    """Add archived events until there are so many, each file a copy of the template in its own time; the runs of all of them."""
    store = open_store(folder, settings=Settings(), writable=True)
    place = Place(
        store, folder / "flightlog.db", open_objects(folder / ARCHIVE_FOLDER), SystemClock(), grace_seconds=60.0
    )
    made: list[str] = []
    size = len(template)
    with store.read() as connection:
        begun = manifest.archived_until(connection) // size
    with place.changing():
        for number in range(events // size):
            names = [f"{number:08x}{row['run_id'][8:]}" for row in of_runs]
            made += names
            if number < begun:
                continue
            after = number * size
            table = shifted(template, number)
            written = [files.put(place.objects, *part, os.urandom) for part in files.split(table)]

            def keep(
                tx: Any, after: int = after, written: Any = written, names: Any = names, number: int = number
            ) -> None:
                add_range(tx, written, after, after + size, changes(tx.sql), 0)
                tx.sql.execute(text("UPDATE journal_head SET last_id = :last"), {"last": after + size})
                later = number * size * STEP_NS
                tx.sql.execute(
                    runs.insert(),
                    [
                        {
                            **row,
                            "run_id": name,
                            "started_at": row["started_at"] + later,
                            "last_event_at": row["last_event_at"] + later,
                            "last_event_id": row["last_event_id"] + after,
                        }
                        for row, name in zip(of_runs, names, strict=True)
                    ],
                )

            place.commit(written, keep)
    store.close()
    return made


def shifted(template: pyarrow.Table, number: int) -> pyarrow.Table:
    """The same events, later, under other ids."""
    size = len(template)
    table = template
    for name in ("id", "created_at", "received_at", *SHIFTED):
        more = size * number * (1 if name == "id" else STEP_NS)
        column = (
            compute.binary_replace_slice(table[name], 0, 8, f"{number:08x}")
            if name in SHIFTED
            else compute.add(table[name], more)
        )
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), column)
    return table


def template_of(temp: Path) -> tuple[pyarrow.Table, list[dict[str, Any]]]:
    """Some events as the archive has them, and the rows of their runs."""
    fill(temp, TEMPLATE_EVENTS)
    with open_rows(temp / "flightlog.db") as rows:
        table, _ = read_range(rows, 0, TEMPLATE_EVENTS, TEMPLATE_EVENTS, 1 << 40)
    store = open_store(temp)
    with store.read() as connection:
        of_runs = [dict(row) for row in connection.execute(select(runs)).mappings()]
    store.close()
    return table, [row for row in of_runs if row["event_count"] >= LIMIT]


# ── serving and asking ───────────────────────────────────────────────────────────────────────────────────────────────


def serve(folder: Path, settings: Settings, keeps: bool, listener: socket.socket) -> None:
    """A process of its own, as `flightlog up` is; it keeps nothing of what it read where `keeps` is not set."""
    store = open_store(folder, settings=settings, writable=True)
    history = attach(store, folder, settings)
    if not keeps:
        history._column_bytes_max = 0
    services = Services(store=store, journal=Journal(store, [RunProjector()]), hub=TailHub(store), intake=NoCare())
    config = uvicorn.Config(create_app(services), log_level="error", access_log=False, ws="none", lifespan="off")
    uvicorn.Server(config).run(sockets=[listener])
    store.close()


@contextmanager
def served(folder: Path, settings: Settings, keeps: bool = True) -> Iterator[int]:
    """The port of a server over this folder."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Not forked: what this process has loaded would be there already.
    server = multiprocessing.get_context("spawn").Process(
        target=serve, args=(folder, settings, keeps, listener), daemon=True
    )
    server.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.terminate()
        server.join()
        listener.close()


def by_turns(ports: dict[str, int], path_of: Callable[[str], str], turns: int) -> dict[str, list[float]]:
    """Milliseconds of each server for the same number of paths, sorted; what is read first is not counted."""
    connections = {name: http.client.HTTPConnection("127.0.0.1", port, timeout=120) for name, port in ports.items()}
    taken: dict[str, list[float]] = {name: [] for name in ports}
    for turn in range(turns + 3):
        for name, connection in connections.items():
            path = path_of(name)
            began = time.perf_counter()
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            took = (time.perf_counter() - began) * 1_000
            assert answer.status == 200, (path, answer.status)
            if turn >= 3:
                taken[name].append(took)
    return {name: sorted(some) for name, some in taken.items()}


def pages(temp: Path, events: int, turns: int) -> list[list[str]]:
    """The same page hot, archived here, and archived in S3."""
    found = fill(temp / "hot", events)
    here = Settings(archive_file_events_max=250_000)
    for name in ("local", "s3"):
        shutil.copytree(temp / "hot", temp / name)
    os.environ.update(CREDENTIALS)
    seaweed = Seaweed(temp / "seaweed")
    seaweed.start()
    there = Settings(archive_url=f"s3://{BUCKET}/bench", archive_s3_endpoint=seaweed.endpoint)
    try:
        archive(temp / "local", here)
        archive(temp / "s3", there)
        with ExitStack() as stack:
            ports = {
                "hot": stack.enter_context(served(temp / "hot", here)),
                "archived": stack.enter_context(served(temp / "local", here)),
                "archived, decoded anew": stack.enter_context(
                    served(copied(temp / "local", temp / "local-anew"), here, keeps=False)
                ),
                "in S3": stack.enter_context(served(temp / "s3", there)),
                "in S3, fetched anew": stack.enter_context(
                    served(copied(temp / "s3", temp / "s3-anew"), there, keeps=False)
                ),
            }
            chance = random.Random(3)
            runs_asked: dict[str, Iterator[str]] = {
                name: iter([quote(chance.choice(found), safe="") for _ in range(turns + 3)]) for name in ports
            }
            taken = by_turns(ports, lambda name: f"/api/runs/{next(runs_asked[name])}/events?limit={LIMIT}", turns)
    finally:
        seaweed.kill()
    bars = {"hot": None, "archived": LOCAL_MS_MAX, "archived, decoded anew": LOCAL_MS_MAX}
    hot = statistics.median(taken["hot"])
    return [row(f"page of a run, {name}", some, hot, bars.get(name, S3_MS_MAX)) for name, some in taken.items()]


def copied(source: Path, target: Path) -> Path:
    """A copy of a folder: each has its own writer."""
    shutil.copytree(source, target)
    (target / "writer.lock").unlink(missing_ok=True)
    return target


def row(name: str, some: list[float], hot: float, bar: float | None) -> list[str]:
    median = statistics.median(some)
    said = "" if bar is None else f"≤ {bar:g} {'holds' if median <= bar else 'MISSED'}"
    return [name, f"{median:.1f}", f"{quantile(some, 0.95):.1f}", f"{median / hot:.1f}", said]


def growth(temp: Path, sizes: Sequence[int], turns: int) -> list[list[str]]:
    """The same questions of archives of several sizes."""
    template, of_runs = template_of(temp / "template")
    folders: dict[str, Path] = {}
    known: dict[str, list[str]] = {}
    for size in sizes:
        name = f"{size:,}"
        folders[name] = temp / f"grown-{size}"
        known[name] = grow(folders[name], size, template, of_runs)
        store = open_store(folders[name], settings=Settings(), writable=True)
        attach(store, folders[name], Settings())
        append(store, Flights(seed=99, runs_at_once=RUNS_AT_ONCE), HOT_EVENTS)
        store.close()
    chance = random.Random(3)
    questions: dict[str, Callable[[str], str]] = {
        "latest runs": lambda name: f"/api/runs?limit={LIMIT}",
        "one run's summary": lambda name: f"/api/runs/{quote(chance.choice(known[name]), safe='')}",
        "one run, a page": lambda name: f"/api/runs/{quote(chance.choice(known[name]), safe='')}/events?limit={LIMIT}",
        "newest events": lambda name: f"/api/events?limit={LIMIT}&latest=true",
        "console: one run": lambda name: f"/runs/{quote(chance.choice(known[name]), safe='')}",
    }
    # What was decoded lately is kept, up to so many bytes: of a small archive it is much, of a large one little. The price of the
    # history itself is what is paid where nothing is kept.
    return [line for keeps in (True, False) for line in ask_all(folders, questions, turns, keeps)]


def ask_all(
    folders: dict[str, Path], questions: dict[str, Callable[[str], str]], turns: int, keeps: bool
) -> list[list[str]]:
    """A row for each question, and, where nothing is kept, for each that decodes something."""
    found = []
    with ExitStack() as stack:
        ports = {name: stack.enter_context(served(folder, Settings(), keeps)) for name, folder in folders.items()}
        for name, path_of in questions.items():
            if not keeps and name not in DECODED:
                continue
            medians = [statistics.median(some) for some in by_turns(ports, path_of, turns).values()]
            ratio = medians[-1] / medians[0]
            cells = [f"{median:.1f}" for median in medians]
            found.append(
                [
                    name if keeps else f"{name}, decoded anew",
                    *cells,
                    f"{ratio:.2f}",
                    f"≤ {GROWTH_MAX} {'holds' if ratio <= GROWTH_MAX else 'MISSED'}",
                ]
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--growth", type=int, nargs="*", default=[100_000, 300_000])
    parser.add_argument("--dir", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.dir) as temp:
        if given.events:
            made = pages(Path(temp), given.events, given.pages)
            print_table(
                f"A page of {LIMIT} events over HTTP, in ms, of {given.events:,} events",
                ["", "p50", "p95", "of hot", "bar"], made, ["1 KB payloads, 200 runs at once, 500 events each"],
            )  # fmt: skip
        if given.growth:
            made = growth(Path(temp), given.growth, given.pages)
            sizes = [f"{size:,} archived" for size in given.growth]
            print_table("The same of larger archives, p50 in ms", ["", *sizes, "growth", "bar"], made)


if __name__ == "__main__":
    main()
