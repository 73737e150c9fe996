"""A real `flightlog up` on a folder, for tests that walk the whole way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
ENVIRON = {**os.environ, "PYTHONPATH": str(ROOT / "src")}


class Served(NamedTuple):
    """A running server."""

    url: str
    process: subprocess.Popen[str]


def cli(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    command = [sys.executable, "-m", "flightlog.cli.main", *arguments]
    return subprocess.run(command, env={**ENVIRON, **more}, capture_output=True, text=True, timeout=60)


@contextmanager
def serve(folder: Path, port: int = 0) -> Iterator[Served]:
    """`flightlog up`, ready to answer; killed at the end if it still runs."""
    command = [sys.executable, "-m", "flightlog.cli.main", "up", "--dir", str(folder), "--port", str(port), "--json"]
    with subprocess.Popen(command, env=ENVIRON, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, "the server ended before it was ready"
            yield Served(json.loads(line)["url"], process)
        finally:
            process.kill()
