"""What a running server weighs: how soon it is ready, and its memory idle and after work."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from lib.genai import requests

ROOT = Path(__file__).parents[2]
IDLE_SECONDS = 3.0  # after which what is only needed at the start is given back


class Memory(NamedTuple):
    """Resident MiB of a process: now, and at most since it began."""

    now: float
    most: float


@contextmanager
def running(folder: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], int, float]]:
    """`flightlog up`, its port, and the seconds from its start until it answered."""
    command = [sys.executable, "-m", "flightlog.cli.main", "up", "--dir", str(folder), "--port", "0", "--json", *more]
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    begin = time.perf_counter()
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(json.loads(process.stdout.readline())["url"].rsplit(":", 1)[1])
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", "/healthz")
            assert connection.getresponse().status == 200
            yield process, port, time.perf_counter() - begin
        finally:
            process.terminate()
            process.wait()


def memory_of(pid: int) -> Memory:
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    now, most = (int(lines[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return Memory(now, most)


def ready_and_idle(more: Sequence[str] = ()) -> tuple[float, Memory]:
    """Seconds until it answered, and its memory when nothing has happened."""
    with tempfile.TemporaryDirectory() as temp, running(Path(temp), *more) as (process, _, seconds):
        time.sleep(IDLE_SECONDS)
        return seconds, memory_of(process.pid)


def after_spans(spans: int) -> Memory:
    """Its memory after it took so many spans."""
    with tempfile.TemporaryDirectory() as temp, running(Path(temp)) as (process, port, _):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for _, body in requests(spans):
            connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"")
        connection.close()
        return memory_of(process.pid)
