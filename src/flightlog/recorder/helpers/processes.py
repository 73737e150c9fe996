"""Talking to a child process: feed it, read both its pipes at once, end it and its whole group when time is up."""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import IO, Any

READ_BYTES = 1 << 16
POLL_SECONDS = 0.05  # how often it is looked whether the process is gone while its pipes are still open
LINGER_SECONDS = 1.0  # how long a background process may hold the pipes open after the process itself is gone
GRACE_SECONDS = 1.0  # between asking the group to end (SIGTERM) and ending it (SIGKILL)
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

Sink = Callable[[bytes], bool]
"""Takes bytes that the process wrote; False when no more are wanted."""


def converse(
    process: subprocess.Popen[bytes], sinks: Mapping[IO[bytes], Sink], data: bytes | None, timeout: float | None
) -> bool:
    """Serve the process's pipes until it is gone, and reap it. True when it had to be ended because time was up.

    The process leads its own group; when time is up, all of the group is ended. When it is gone but something that it
    left running holds its pipes, they are read for LINGER_SECONDS more and then let go.
    """
    with selectors.DefaultSelector() as selector:
        for pipe, sink in sinks.items():
            selector.register(pipe, selectors.EVENT_READ, _reader(pipe, sink))
        if process.stdin is not None:
            selector.register(process.stdin, selectors.EVENT_WRITE, _writer(process.stdin, data or b""))
        return _serve(process, selector, _Deadline(process, timeout))


class _Deadline:
    """When time is up: ask the group to end, and a little later end it."""

    def __init__(self, process: subprocess.Popen[bytes], timeout: float | None) -> None:
        self.passed = False
        self._process = process
        self._signals = [signal.SIGTERM, signal.SIGKILL]
        self._due = None if timeout is None else time.monotonic() + timeout

    def left(self) -> float | None:
        """Seconds until the next thing to do; None when there is none."""
        return None if self._due is None else max(self._due - time.monotonic(), 0.0)

    def check(self) -> None:
        if self._due is not None and time.monotonic() >= self._due:
            self.passed = True
            signal_group(self._process, self._signals.pop(0))
            self._due = time.monotonic() + GRACE_SECONDS if self._signals else None


def _serve(process: subprocess.Popen[bytes], selector: selectors.BaseSelector, deadline: _Deadline) -> bool:
    gone_at: float | None = None
    while True:
        if process.poll() is None:
            deadline.check()
            left = deadline.left()
        else:
            gone_at = gone_at or time.monotonic()
            left = gone_at + LINGER_SECONDS - time.monotonic()
            if left <= 0 or not selector.get_map():
                break
        if not selector.get_map():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(left)
            continue
        for key, _ in selector.select(POLL_SECONDS if left is None else min(left, POLL_SECONDS)):
            if not key.data():
                selector.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]
    if deadline.passed:
        signal_group(process, signal.SIGKILL)  # those of the group that took no notice of the first signal
    return deadline.passed


def _reader(pipe: IO[bytes], sink: Sink) -> Callable[[], bool]:
    def read() -> bool:
        data = os.read(pipe.fileno(), READ_BYTES)
        return bool(data) and sink(data)

    return read


def _writer(pipe: IO[bytes], data: bytes) -> Callable[[], bool]:
    left = memoryview(data)

    def write() -> bool:
        nonlocal left
        try:
            # A pipe that is ready takes PIPE_BUF bytes without making us wait.
            left = left[os.write(pipe.fileno(), left[: select.PIPE_BUF]) :]
        except BrokenPipeError:
            return False
        return bool(left)

    return write


def signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to the process and all that it started in its group; nothing happens when they are gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def put_down(process: subprocess.Popen[bytes]) -> None:
    """End the process and its group, now: the caller was interrupted."""
    signal_group(process, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    signal_group(process, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def forwarded_signals(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Hand the signals that are meant to stop us to the process's group instead. Only the main thread can do that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def forward(number: int, frame: FrameType | None) -> None:
        signal_group(process, number)

    before: dict[signal.Signals, Any] = {}
    try:
        for which in FORWARDED:
            # One that is ignored (nohup) stays ignored; the process has inherited that.
            if signal.getsignal(which) not in (signal.SIG_IGN, None):
                before[which] = signal.signal(which, forward)
        yield
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
