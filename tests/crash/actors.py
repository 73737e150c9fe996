"""The processes that the crash campaigns start, kill and start again: `python -m tests.crash.actors ROLE FOLDER ...`."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import flightlog
from flightlog.config import Settings
from flightlog.wiring import Keeper, keeper_drain

ROOT = Path(__file__).parents[2]


class Counter:
    """A number in a file that another process can read while it grows; written without a system call."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(8))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8)

    @property
    def value(self) -> int:
        return int.from_bytes(self._map[:8], "little")

    @value.setter
    def value(self, value: int) -> None:
        self._map[:8] = value.to_bytes(8, "little")


def record(folder: Path, counter: Counter, name: str, drain: bool) -> None:
    """Record numbered notes for ever, in bursts; the counter says how many emits have returned."""
    recorder = flightlog.open(folder, drain=drain, settings=Settings(spool_segment_bytes_max=200_000))
    with recorder.run(name, run_id=name) as run:
        number, breath = 0, threading.Event()
        while True:
            run.emit("note", {"text": "x" * 300, "number": number})
            number += 1
            counter.value = number
            if number % 100 == 0:
                breath.wait(0.005)  # else a campaign of minutes fills the spool to its cap


def keep(folder: Path, counter: Counter) -> None:
    """Drain the folder for ever; the counter says how many events were drained."""
    keeper = Keeper(folder, Settings(drain_batch_events_max=200, drain_poll_seconds=0.005), writable=True)
    carrier = keeper_drain(keeper)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    counter.value = 1
    while not stop.is_set():
        counter.value = 1 + carrier.drained
        if not carrier.drain_once():
            stop.wait(0.005)
    carrier.stop()
    keeper.close()


@contextmanager
def actor(role: str, folder: Path, counter: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start one; kill it at the end if it still lives."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    command = [sys.executable, "-m", "tests.crash.actors", role, str(folder), str(counter), *more]
    process = subprocess.Popen(command, cwd=ROOT, env=environ)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def wait_until(counter: Path, value: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the counter has reached `value`; the process dying first is an error."""
    shared = Counter(counter)
    pause = threading.Event()
    while shared.value < value:
        assert process.poll() is None, f"the process ended with {process.returncode}"
        pause.wait(0.001)


if __name__ == "__main__":
    role, where, count, *rest = sys.argv[1:]
    if role == "record":
        record(Path(where), Counter(Path(count)), rest[0], drain="drain" in rest)
    else:
        keep(Path(where), Counter(Path(count)))
