"""Whoever reads archive files for us: a child process that is started when it is needed, or DuckDB in this one."""

from __future__ import annotations

import importlib.util
import json
import os
import select
import subprocess
import sys
import threading
import time
from typing import Any, Protocol

from flightlog.analytics.sql import Asked
from flightlog.errors import (
    ArchiveExtraMissing,
    ArchiveFileBroken,
    ArchiveFileMissing,
    ArchiveUnavailable,
    StatsTooMuch,
)

SECONDS_MAX = 20.0
MIB = 1024 * 1024


class Engine(Protocol):
    """Runs SQL over files."""

    def ask(self, asked: Asked) -> list[list[Any]]:
        """The rows. Raises ArchiveFileMissing, ArchiveFileBroken, StatsTooMuch, ArchiveExtraMissing."""

    def close(self) -> None:
        """Let go of everything. Safe to call twice, and before another question."""


class Here:
    """DuckDB in this process: for a verb, which ends afterwards anyway."""

    def __init__(self) -> None:
        self._connection: Any = None

    def ask(self, asked: Asked) -> list[list[Any]]:
        from flightlog.analytics.worker import answer, open_database

        check_extra()
        if self._connection is None:
            self._connection = open_database()
        return _rows(answer(self._connection, {"sql": asked.sql, "parameters": asked.parameters}))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Child:
    """DuckDB in a process of its own: a server stays as small as it was, and an answer that takes too long is stopped."""

    def __init__(self, *, seconds_max: float = SECONDS_MAX) -> None:
        self._seconds_max = seconds_max
        self._lock = threading.Lock()  # one question at a time; it uses all cores for it
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, asked: Asked) -> list[list[Any]]:
        check_extra()
        line = json.dumps({"sql": asked.sql, "parameters": asked.parameters}).encode() + b"\n"
        if not self._lock.acquire(timeout=self._seconds_max):
            raise ArchiveUnavailable(place="this store", reason="others are asking")
        try:
            for attempt in range(2):
                process = self._running()
                try:
                    return _rows(json.loads(self._converse(process, line)))
                except (BrokenPipeError, EOFError):
                    # It ends by itself when nobody asks for a while, which may be just now.
                    self._stop()
                    if attempt:
                        raise StatsTooMuch(limit="the process that reads the archive has memory for") from None
        finally:
            self._lock.release()
        raise AssertionError("unreachable")

    def close(self) -> None:
        with self._lock:
            self._stop()

    @property
    def pid(self) -> int | None:
        """The process, if there is one just now."""
        return None if self._process is None else self._process.pid

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._stop()
            # -P: a folder called flightlog where we happen to stand is not ours.
            command = [sys.executable, "-P", "-m", "flightlog.analytics.worker"]
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment(), close_fds=True
            )
        return self._process

    def _converse(self, process: subprocess.Popen[bytes], line: bytes) -> bytes:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line)
        process.stdin.flush()
        until = time.monotonic() + self._seconds_max
        parts: list[bytes] = []
        handle = process.stdout.fileno()
        while not (parts and parts[-1].endswith(b"\n")):
            left = until - time.monotonic()
            if left <= 0 or not select.select([handle], [], [], left)[0]:
                self._stop()
                raise StatsTooMuch(limit=f"{self._seconds_max:g} seconds are enough for")
            part = os.read(handle, MIB)
            if not part:
                raise EOFError
            parts.append(part)
        return b"".join(parts)

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except OSError:
                pass  # it is gone already
        process.kill()
        process.wait()


def check_extra() -> None:
    """Raise ArchiveExtraMissing where there is no DuckDB."""
    if importlib.util.find_spec("duckdb") is None:
        raise ArchiveExtraMissing(what="Counting what is archived")


def _environment() -> dict[str, str]:
    """Ours, with the folders that we import from."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _rows(said: dict[str, Any]) -> list[list[Any]]:
    if "rows" in said:
        rows: list[list[Any]] = said["rows"]
        return rows
    if said["kind"] == "missing":
        raise ArchiveFileMissing(path=said["error"])
    if said["kind"] == "much":
        raise StatsTooMuch(limit="memory is set aside for")
    raise ArchiveFileBroken(path="of this answer", reason=said["error"])
