"""One library of tasks on PostgreSQL, measured by its own Python: `task_peer.py NAME URL TASKS STARTS THREADS CONCURRENCY`.

Prints one line of JSON. The worker is one process, started by the library's own command; a job does nothing, or appends the time
to a file.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
HERE = Path(__file__).parent
WAIT_SECONDS = 600.0


def main() -> None:
    name, url, tasks, starts, threads, concurrency = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:7])
    os.environ["PEER_URL"] = url
    sys.path.insert(0, str(HERE))
    peer = {"procrastinate": procrastinate, "dramatiq": dramatiq}[name]
    submit, worker, environ = peer(url, concurrency)
    with tempfile.TemporaryDirectory() as temp, (Path(temp) / "log").open("wb") as log:
        process = subprocess.Popen(
            worker, env={**os.environ, **environ, "PYTHONPATH": str(HERE)}, stdout=log, stderr=log
        )
        try:
            print(json.dumps(measure(submit, Path(temp), tasks, starts, threads)))
        finally:
            process.terminate()
            process.wait(30)


def measure(submit: Callable[[str], object], folder: Path, tasks: int, starts: int, threads: int) -> dict[str, float]:
    """Seconds that a submit takes (median), from before a submit to the job's first line (median), and for all jobs together."""
    first = folder / "first"
    submit(str(first))
    wait(first, 1)  # the worker is there
    submits, waits = [], []
    for number in range(starts):
        file = folder / f"start-{number}"
        began = time.time_ns()
        submit(str(file))
        submits.append((time.time_ns() - began) / 1e9)
        wait(file, 1)
        waits.append((int(file.read_text().split()[0]) - began) / 1e9)
    every = folder / "every"
    began = time.time_ns()
    shares = [tasks // threads + (number < tasks % threads) for number in range(threads)]
    senders = [threading.Thread(target=lambda n=n: [submit(str(every)) for _ in range(n)]) for n in shares]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    wait(every, tasks)
    return {
        "submit": statistics.median(submits),
        "start": statistics.median(waits),
        "seconds": (time.time_ns() - began) / 1e9,
    }


def wait(file: Path, lines: int) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while not file.exists() or file.read_bytes().count(b"\n") < lines:
        if time.monotonic() > until:
            raise TimeoutError(f"{file}: not {lines} jobs in {WAIT_SECONDS} s")
        time.sleep(0.005)


def procrastinate(url: str, concurrency: int) -> tuple[Callable[[str], Any], list[str], dict[str, str]]:
    import peer_procrastinate as made

    made.app.open()
    made.app.schema_manager.apply_schema()
    command = [
        str(BIN / "procrastinate"),
        "--app",
        "peer_procrastinate.app",
        "worker",
        "--concurrency",
        str(concurrency),
    ]
    return lambda file: made.noop.defer(file=file), command, {}


def dramatiq(url: str, concurrency: int) -> tuple[Callable[[str], Any], list[str], dict[str, str]]:
    subprocess.run([str(BIN / "dramatiq-pg"), "--dsn", url, "init"], check=True, capture_output=True)
    import peer_dramatiq as made

    command = [str(BIN / "dramatiq"), "peer_dramatiq", "--processes", "1", "--threads", str(concurrency)]
    return made.noop.send, command, {}


if __name__ == "__main__":
    main()
