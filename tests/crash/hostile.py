"""One process that records under bad conditions and prints what it saw as JSON: `python -m tests.crash.hostile CONDITION FOLDER`.

Every condition counts its own emits, so that recorded + dropped can be held against what was tried, and measures the longest emit.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import flightlog
from flightlog.clock import SystemClock
from flightlog.config import Settings
from flightlog.recorder.client import Recorder
from flightlog.recorder.run import Run

TEXT = "x" * 1_000
SETTINGS = Settings(spool_segment_bytes_max=1_000_000, spool_reserve_bytes=256 * 1024)


class Emits:
    """Counts emits, the longest of them, and what they raised."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.tried = 0
        self.longest_ns = 0
        self.raised = 0

    def __call__(self, count: int) -> None:
        for _ in range(count):
            start = time.perf_counter_ns()
            try:
                self.run.emit("note", {"text": TEXT, "number": self.tried})
            except Exception:
                self.raised += 1
            self.longest_ns = max(self.longest_ns, time.perf_counter_ns() - start)
            self.tried += 1

    def report(self, recorder: Recorder, **more: Any) -> dict[str, Any]:
        return {
            "tried": self.tried,
            "raised": self.raised,
            "longest_ms": round(self.longest_ns / 1e6, 3),
            "dropped": recorder.health().dropped_total,
            "by_reason": recorder.health().dropped,
            **more,
        }


@contextmanager
def recording(folder: Path, **more: Any) -> Iterator[tuple[Recorder, Emits]]:
    recorder = flightlog.open(folder, drain=False, settings=more.pop("settings", SETTINGS), **more)
    with recorder.run("hostile", run_id="hostile") as run:
        yield recorder, Emits(run)
    recorder.close()


def until(predicate: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not predicate():
        assert time.monotonic() < deadline, "it did not happen"
        pause.wait(0.01)


def disk_full(folder: Path) -> dict[str, Any]:
    """The disk fills up while recording (a small tmpfs), then somebody makes room."""
    ballast = folder.parent / "ballast"
    ballast.write_bytes(b"\0" * 4_000_000)
    with recording(folder, settings=Settings(spool_segment_bytes_max=1_000_000, spool_reserve_bytes=0)) as (
        recorder,
        emit,
    ):
        while recorder.health().dropped_total < 2_000:
            emit(500)
        full = recorder.health()
        ballast.unlink()
        until(lambda: recorder.health().rung != "dropping")
        before = recorder.health().dropped_total
        emit(500)
        return emit.report(
            recorder, rung_when_full=full.rung, dropped_after_recovery=recorder.health().dropped_total - before
        )


def read_only(folder: Path) -> dict[str, Any]:
    """The folder can't be written (a file stands in its way), later it can."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("in the way")
    with recording(folder) as (recorder, emit):
        emit(2_000)
        folder.unlink()
        until(lambda: recorder.health().rung != "dropping")
        emit(500)
        return emit.report(recorder)


def deleted_folder(folder: Path) -> dict[str, Any]:
    """Somebody removes the whole folder while it is recorded into, twice."""
    with recording(folder) as (recorder, emit):
        for _ in range(2):
            emit(2_000)
            shutil.rmtree(folder)
            emit(200)
            until(lambda: any(folder.glob("spool/*.seg")))
        emit(500)
        return emit.report(recorder)


class BackwardsClock(SystemClock):
    """Wall time that runs backwards, an hour a call."""

    def __init__(self) -> None:
        self._now = time.time_ns()

    def now_ns(self) -> int:  # type: ignore[override]
        self._now -= 3_600_000_000
        return self._now


def clock_backwards(folder: Path) -> dict[str, Any]:
    with recording(folder, clock=BackwardsClock()) as (recorder, emit):
        emit(3_000)
        return emit.report(recorder)


def _crowd_member(folder: str, number: int, events: int, results: Any) -> None:
    recorder = flightlog.open(folder, drain=False, settings=SETTINGS)
    emits = []
    with recorder.run("crowd", run_id=f"crowd-{number}") as run:
        threads = []
        for _ in range(8):
            emits.append(Emits(run))
            threads.append(threading.Thread(target=emits[-1], args=(events,)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    recorder.close()
    longest = max(emit.longest_ns for emit in emits) / 1e6
    results.put((sum(emit.tried for emit in emits), recorder.health().dropped_total, longest))


def crowd(folder: Path) -> dict[str, Any]:
    """8 processes with 8 threads each."""
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=_crowd_member, args=(str(folder), number, 250, results)) for number in range(8)]
    for process in processes:
        process.start()
    found = [results.get(timeout=100) for _ in processes]
    for process in processes:
        process.join()
    return {
        "tried": sum(item[0] for item in found),
        "raised": 0,
        "dropped": sum(item[1] for item in found),
        "by_reason": {},
        "longest_ms": round(max(item[2] for item in found), 3),
    }


CONDITIONS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "disk_full": disk_full,
    "read_only": read_only,
    "deleted_folder": deleted_folder,
    "clock_backwards": clock_backwards,
    "crowd": crowd,
}

if __name__ == "__main__":
    os.umask(0o077)
    print(json.dumps(CONDITIONS[sys.argv[1]](Path(sys.argv[2]))))
