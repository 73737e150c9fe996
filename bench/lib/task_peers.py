"""Other libraries of tasks, installed into an environment of their own, on the same PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from lib.postgres import database

PACKAGES = {
    "procrastinate": ("Procrastinate", ("procrastinate", "psycopg[binary]")),
    "dramatiq": ("Dramatiq, dramatiq-pg", ("dramatiq<2", "dramatiq-pg", "psycopg2-binary")),
}


class Peer(NamedTuple):
    """What one of them took: seconds a submit and until its start (medians), jobs a second; or why it could not be measured."""

    name: str
    submit: float = 0.0
    start: float = 0.0
    rate: float = 0.0
    fault: str | None = None


def measure(tasks: int, starts: int, threads: int, concurrency: int) -> list[Peer]:
    """Each with a database of its own."""
    found = []
    with tempfile.TemporaryDirectory() as temp:
        for name, (title, packages) in PACKAGES.items():
            try:
                python = _install(Path(temp, name), packages)
                found.append(_measure(title, name, python, tasks, starts, threads, concurrency))
            except (OSError, subprocess.SubprocessError, ValueError) as error:
                said = getattr(error, "stderr", None) or str(error)
                found.append(Peer(title, fault=f"{type(error).__name__}: {str(said).strip()[-120:]}"))
    return found


def _install(venv: Path, packages: tuple[str, ...]) -> str:
    """The Python that has them: of the folder that BENCH_PEERS_VENV names, else of a new environment."""
    given = os.environ.get("BENCH_PEERS_VENV")
    if given:
        return str(Path(given, "bin/python"))
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    pip = [str(venv / "bin/python"), "-m", "pip", "install", "-q", *packages]
    subprocess.run(pip, check=True, capture_output=True, text=True)
    return str(venv / "bin/python")


def _measure(title: str, name: str, python: str, tasks: int, starts: int, threads: int, concurrency: int) -> Peer:
    with database() as url:
        command = [python, str(Path(__file__).with_name("task_peer.py")), name, url]
        numbers = [str(number) for number in (tasks, starts, threads, concurrency)]
        environ = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        done = subprocess.run([*command, *numbers], env=environ, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout.strip().splitlines()[-1])
    return Peer(title, said["submit"], said["start"], tasks / said["seconds"])
