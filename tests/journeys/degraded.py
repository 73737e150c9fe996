"""One process that calls a model while nothing can be stored, and prints what its own code saw as JSON:
`python -m tests.journeys.degraded CONDITION FOLDER`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flightlog
from flightlog.config import Settings
from flightlog.recorder.client import Recorder
from flightlog.recorder.run import Run

SECONDS_MAX = 60.0
# Another process that holds the database's own write lock until its standard input is closed.
HOLDER = """
import sqlite3, sys
lock = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
lock.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
lock.execute("ROLLBACK")
"""


class Lines(logging.Handler):
    """Log records as a collector of structured logs would keep them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        names = ("code", "reason", "since", "lost")
        told = {name: getattr(record, name) for name in names if hasattr(record, name)}
        self.seen.append({"message": record.getMessage(), **told})


def until(predicate: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    pause = threading.Event()
    while not predicate():
        assert time.monotonic() < deadline, "it did not happen"
        pause.wait(0.02)


def generate(run: Run, prompt: str) -> dict[str, Any]:
    """What an application does: it calls a model and hands on the answer with what the recorder says of it."""
    with run.llm("small", provider="fake", messages=prompt) as call:
        answer = call.record("blue, because of " + prompt)
    return {"answer": answer, "persistence": call.result()["persistence"]}


def disk_full(folder: Path) -> dict[str, Any]:
    """The disk (a small one of its own) fills up, then somebody makes room."""
    ballast = folder.parent / "ballast"
    recorder = flightlog.open(folder, drain=False, settings=Settings(spool_reserve_bytes=0))

    def fill(run: Run) -> None:
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 65_536)
        while (signal := recorder.degradation()) is None or signal.reason != "disk_full":
            run.note("x" * 1_000, level="error")  # the last page of the spool's file is there already

    def make_room() -> None:
        ballast.unlink()

    return fly(recorder, fill, make_room)


def locked_store(folder: Path) -> dict[str, Any]:
    """Another process holds the write lock of the store, then lets go."""
    recorder = flightlog.open(folder, settings=Settings(write_timeout_seconds=0.3))
    with recorder.run("before"):
        pass
    assert recorder.flush(SECONDS_MAX)
    command = [sys.executable, "-c", HOLDER, str(folder / "flightlog.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        told, let_go = holder.stdout, holder.stdin
        assert told is not None
        assert let_go is not None

        def wait_for_it(run: Run) -> None:
            run.note("on its way")
            until(recorder.degradation)

        return fly(recorder, wait_for_it, let_go.close, lambda: told.readline() == "held\n")


def fly(
    recorder: Recorder,
    degrade: Callable[[Run], None],
    mend: Callable[[], None],
    ready: Callable[[], object] = lambda: True,
) -> dict[str, Any]:
    """A run with a call before, while, and after it can't be stored."""
    lines = Lines()
    logging.getLogger("flightlog").addHandler(lines)

    def said(message: str) -> bool:
        return any(line["message"] == message for line in lines.seen)

    with recorder.run("answer", run_id="degraded") as run:
        before = generate(run, "one")
        assert ready()
        degrade(run)
        until(lambda: said("ai_trace_persistence_degraded"))
        started = time.perf_counter()
        during = generate(run, "two")
        took = time.perf_counter() - started
        mend()
        until(lambda: said("ai_trace_persistence_recovered"))
        after = generate(run, "three")
    delivered = recorder.flush(SECONDS_MAX) if recorder.health().draining == "here" else None
    recorder.close()
    report = {"before": before, "during": during, "after": after, "seconds": took, "delivered": delivered}
    return {**report, "log": [line for line in lines.seen if line["message"].startswith("ai_trace")]}


CONDITIONS = {"disk_full": disk_full, "locked_store": locked_store}

if __name__ == "__main__":
    print(json.dumps(CONDITIONS[sys.argv[1]](Path(sys.argv[2]))))
