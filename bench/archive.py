"""What does an event take in the archive, how fast is it put there, and what do those who record notice of it?

Bytes stand beside those of the same events in the database and as gzipped JSON Lines. The rate is that of the process that writes
the files, from rows in the database to files that were read back and compared; below it stands where the time goes, one step after
another (in that process reading and packing overlap). For the appends two stores take the same batches in turn, one of them with
what the keeper of `flightlog up` does beside it, at the share of time that it takes: writing files, deleting rows, vacuuming.

    python bench/archive.py [--events 200000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import gc
import gzip
import hashlib
import os
import resource
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TypeVar

import msgspec
from sqlalchemy import func, select

from flightlog.archive import files, keys, manifest, rows
from flightlog.archive.columns import KEYED
from flightlog.archive.drop import Step, drop_some, space, vacuum_some
from flightlog.archive.table import archive_files, archive_keys
from flightlog.archive.work import ChildWorker
from flightlog.archiving import keeper_archiver
from flightlog.config import Settings
from flightlog.wiring import Keeper, keeper_seal
from lib.conversations import Conversations
from lib.table import print_table

T = TypeVar("T")

BATCH = 2_000
ROUND_EVENTS = 30_000
BYTES_MAX, RATE_MIN, SHARE_MIN = 420, 40_000, 0.70


def filled(folder: Path, events: int) -> tuple[Keeper, int, int]:
    """A sealed store with so many events; the bytes of their payloads, and of all as gzipped JSON Lines."""
    keeper = Keeper(folder, Settings(archive_after_seconds=0, seal_share_max=1.0), writable=True)
    payloads, packed, size = 0, [], 0
    for batch in Conversations().batches(events, BATCH):
        keeper.journal.append(batch)
        payloads += sum(len(event.payload) for event in batch)
        packed += [msgspec.json.encode(event) for event in batch]
        if len(packed) >= 20_000 or not events:
            size += len(gzip.compress(b"\n".join(packed), 6))
            packed = []
    size += len(gzip.compress(b"\n".join(packed), 6)) if packed else 0
    seal = keeper_seal(keeper)
    seal.start()
    seal.stop(timeout=3_600)
    keeper.store.scrub()
    return keeper, payloads, size


def bytes_and_rate(temp: Path, events: int) -> list[list[str]]:
    keeper, payloads, gzipped = filled(temp / "flight", events)
    database = keeper.folder / "flightlog.db"
    before = database.stat().st_size
    steps = where_time_goes(database, min(events, 100_000))
    archiver = keeper_archiver(keeper, ChildWorker())
    began = time.perf_counter()
    wanted = archiver.due()
    written = 0
    while wanted.until_id > wanted.after_id:
        written += archiver.write(wanted).events
        wanted = archiver.due()
    rate = written / (time.perf_counter() - began)
    assert written == events
    dropping = timed_rate(lambda: drop_some(keeper.store).done)
    vacuuming = timed_rate(lambda: vacuum_some(keeper.store).done)
    keeper.store.scrub()
    with keeper.store.read() as connection:
        size = connection.execute(select(func.sum(archive_files.c.bytes))).scalar_one()
        filters = connection.execute(select(func.sum(func.length(archive_keys.c.bits)))).scalar_one()
        count = len(manifest.files(connection))
        assert space(keeper.store).free == 0
    after = database.stat().st_size
    keeper.close()
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    each = size / events
    return [
        ["payload, bytes an event", f"{payloads / events:,.0f}", ""],
        ["in the database", f"{before / events:,.0f}", ""],
        ["as gzipped JSON Lines", f"{gzipped / events:,.0f}", ""],
        ["in the archive", f"{each:,.0f}", f"≤ {BYTES_MAX} {held(each <= BYTES_MAX)}"],
        ["its key filters, in the database", f"{filters / events:,.1f}", ""],
        ["what stays in the database (runs, generations)", f"{after / events:,.0f}", ""],
        ["archive / gzipped JSON Lines", f"{size / gzipped:.2f}", ""],
        ["archive / database", f"{size / before:.2f}", ""],
        [f"writing {count} files, events/s", f"{rate:,.0f}", f"≥ {RATE_MIN:,} {held(rate >= RATE_MIN)}"],
        ["memory of the process that writes, MiB", f"{child}", ""],
        *steps,
        ["deleting the rows, events/s", f"{dropping:,.0f}", ""],
        ["vacuuming, pages/s", f"{vacuuming:,.0f}", ""],
    ]


def where_time_goes(database: Path, events: int) -> list[list[str]]:
    """The steps of writing one range, in µs of this process's time for each event."""
    took: dict[str, float] = {}

    def step(name: str, work: Callable[[], T]) -> T:
        gc.collect()
        began = time.process_time()
        done = work()
        took[name] = (time.process_time() - began) * 1e6 / events
        return done

    with rows.open_rows(database) as connection:
        rows.read_range(connection, 0, 1_000, 1_000, 1 << 40)  # what is imported and opened once
        table, _ = step("reading rows", lambda: rows.read_range(connection, 0, events, events, 1 << 40))
    parts = step("sorting", lambda: list(files.split(table)))
    data = step("packing", lambda: [files.encode(part) for _, _, part in parts])
    step("reading back and comparing", lambda: _check(parts, data))
    step("key filters", lambda: [keys.build(_distinct(part[name])) for _, _, part in parts for name in KEYED])
    return [[f"  {name}, µs of CPU an event", f"{value:.1f}", ""] for name, value in took.items()]


def _check(parts: list[tuple[str, str, object]], data: list[bytes]) -> None:
    for (_, _, part), packed in zip(parts, data, strict=True):
        files.check("bench", packed, hashlib.sha256(packed).digest(), part)


def _distinct(column: object) -> list[bytes]:
    import pyarrow
    import pyarrow.compute as compute

    return compute.unique(compute.drop_null(column)).cast(pyarrow.binary()).to_pylist()


def timed_rate(step: Callable[[], int]) -> float:
    """What the steps come to a second, one after the other until there is no more."""
    began, total = time.perf_counter(), 0
    while done := step():
        total += done
    return total / (time.perf_counter() - began)


def append_share(temp: Path, rounds: int) -> list[list[str]]:
    """The append's rate beside each thing that the keeper does, at its share of time, against the rate alone; medians of rounds."""
    settings = Settings(archive_after_seconds=0, seal=False, reserve_bytes=0)
    share_max = settings.archive_share_max
    alone = Keeper(temp / "alone", settings, writable=True)
    archived = Keeper(temp / "archived", settings, writable=True)
    archiver = keeper_archiver(archived, ChildWorker())
    feeds = {keeper: Conversations() for keeper in (alone, archived)}
    for keeper in (alone, archived):
        for batch in feeds[keeper].batches(ROUND_EVENTS * 4, BATCH):
            keeper.journal.append(batch)
    beside: dict[str, Callable[[], Step]] = {
        "writing files": lambda: Step(archiver.write(archiver.due(), lambda passed: False).events, 0.0),
        "deleting rows": lambda: drop_some(archived.store),
        "vacuuming": lambda: vacuum_some(archived.store),
    }
    found: list[list[str]] = []
    for name, step in beside.items():
        ratios, rates, did, longest = [], [0.0, 0.0], 0, [0.0, 0.0]
        for _ in range(rounds):
            for number, keeper in enumerate((alone, archived)):
                batches = list(feeds[keeper].batches(ROUND_EVENTS, BATCH))
                with Beside(step, share_max) if number else nullcontext() as work:
                    began = time.perf_counter()
                    for batch in batches:
                        one = time.perf_counter()
                        keeper.journal.append(batch)
                        longest[number] = max(longest[number], time.perf_counter() - one)
                    rates[number] = ROUND_EVENTS / (time.perf_counter() - began)
                did += work.did if work is not None else 0
            ratios.append(rates[1] / rates[0])
        share = statistics.median(ratios)
        found += [
            [f"append while {name}, share of alone", f"{share:.2f}", f"≥ {SHARE_MIN} {held(share >= SHARE_MIN)}"],
            ["  last round, events/s; done beside, in all", f"{rates[1]:,.0f} of {rates[0]:,.0f}; {did:,}", ""],
            ["  slowest batch alone / beside, ms", f"{longest[0] * 1e3:.0f} / {longest[1] * 1e3:.0f}", ""],
        ]
        if name == "writing files":  # the rows to delete in the next rounds
            while archiver.write(archiver.due()).events:
                pass
        elif name == "deleting rows":
            while drop_some(archived.store):
                pass
    alone.close()
    archived.close()
    return found


class Beside:
    """Does steps in a thread, at most a share of the time, from entering to leaving."""

    def __init__(self, step: Callable[[], Step], share: float) -> None:
        self.did = 0
        self._step, self._share = step, share
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Beside:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.is_set():
            step = self._step()
            self.did += step.done
            self._end.wait(step.seconds * (1 / self._share - 1) if step else 0.1)


def held(holds: bool) -> str:
    return "holds" if holds else "MISSED"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    found: list[list[str]] = []
    for part in (
        lambda temp: bytes_and_rate(temp, given.events),
        lambda temp: append_share(temp, given.rounds),
    ):
        with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as temp:
            found += part(Path(temp))
    print_table("The archive", ["", "measured", "bar"], found, ["agents' calls of models and tools, about 1 KB each"])


if __name__ == "__main__":
    main()
