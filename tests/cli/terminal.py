"""Verbs as users run them: in this process for speed, or as real processes whose lines are waited for."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from typer.testing import CliRunner

from flightlog.cli.app import app

SECONDS_MAX = 40.0
COMMAND = [sys.executable, "-m", "flightlog.cli.main"]


class Said(NamedTuple):
    """How a verb ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)

    @property
    def problem(self) -> Any:
        """The problem on standard error, after what was said before it."""
        return json.loads(self.err.strip().splitlines()[-1])


def flightlog(*args: str | Path, env: dict[str, str | None] | None = None) -> Said:
    """Run a verb in this process. What it raises but should have explained is raised here."""
    result = CliRunner().invoke(app, [str(arg) for arg in args], env=env, catch_exceptions=False)
    return Said(result.exit_code, result.stdout, result.stderr)


def environment(**more: str) -> dict[str, str]:
    """This process's environment without settings of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FLIGHTLOG_")}
    # A machine that is busy with other tests may take its time.
    return {**kept, "FLIGHTLOG_FLUSH_TIMEOUT_SECONDS": str(SECONDS_MAX), **more}


def flightlog_process(*args: str | Path, cwd: Path | None = None, **env: str) -> Said:
    """Run a verb as a process of its own, to its end."""
    command = [*COMMAND, *map(str, args)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(**env), cwd=cwd, timeout=SECONDS_MAX, check=False
    )
    return Said(done.returncode, done.stdout, done.stderr)


class Process:
    """A verb that goes on until it is told to stop. Use it in a `with` block."""

    def __init__(self, args: Sequence[str | Path], **env: str) -> None:
        self._popen = subprocess.Popen(
            [*COMMAND, *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**env),
        )
        self.seen: list[str] = []
        self.errors: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read, args=(self._popen.stdout, self._lines.put), daemon=True),
            threading.Thread(target=self._read, args=(self._popen.stderr, self.errors.append), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any, take: Callable[[str], object]) -> None:
        for line in stream:
            take(line.rstrip("\n"))
        if stream is self._popen.stdout:
            self._lines.put(None)

    @property
    def pid(self) -> int:
        return self._popen.pid

    def line(self, wanted: Callable[[str], bool] = lambda line: True) -> str:
        """The next line of standard output that is wanted; fails when there is none in time."""
        deadline = time.monotonic() + SECONDS_MAX
        while True:
            try:
                line = self._lines.get(timeout=max(deadline - time.monotonic(), 0))
            except queue.Empty:
                raise AssertionError(f"no such line in time; there were {self.seen} and {self.errors}") from None
            if line is None:
                raise AssertionError(f"it ended; there were {self.seen} and {self.errors}")
            self.seen.append(line)
            if wanted(line):
                return line

    def has_line(self) -> bool:
        """Whether there is a line that nobody has asked for."""
        return not self._lines.empty()

    def rest(self) -> list[str]:
        """Every line until it ends its standard output."""
        return list(iter(lambda: self._lines.get(timeout=SECONDS_MAX), None))

    def send(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def wait(self) -> int:
        """The exit code, once it has ended and everything it said was read."""
        code = self._popen.wait(SECONDS_MAX)
        for reader in self._readers:
            reader.join(SECONDS_MAX)
        return code

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        if self._popen.poll() is None:
            self._popen.kill()
        self.wait()
        for stream in (self._popen.stdout, self._popen.stderr):
            assert stream is not None
            stream.close()


class Server(Process):
    """`flightlog up` on a free port."""

    def __init__(self, folder: Path, *args: str, **env: str) -> None:
        super().__init__(["up", "--dir", folder, "--port", "0", "--json", *args], **env)
        self.ready: dict[str, Any] = json.loads(self.line())
        self.url: str = self.ready["url"]


def on_terminal(*args: str | Path, columns: int = 100, **env: str) -> tuple[int, str]:
    """Run a verb on a terminal of its own: its exit code and all that appeared there."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    shown = environment(TERM="xterm-256color", **env)
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        if name not in env:
            shown.pop(name, None)
    popen = subprocess.Popen([*COMMAND, *map(str, args)], stdin=theirs, stdout=theirs, stderr=theirs, env=shown)
    os.close(theirs)
    data = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break  # the other end is closed
        if not piece:
            break
        data += piece
    os.close(ours)
    return popen.wait(SECONDS_MAX), data.decode()
