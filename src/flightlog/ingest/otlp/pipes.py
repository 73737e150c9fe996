"""Messages between two processes: each with its length in four bytes before it."""

from __future__ import annotations

import fcntl
import os
import select

PIPE_BYTES = 1024 * 1024  # held by a pipe, so that the two take fewer turns


def widen(pipe: int) -> None:
    """Let a pipe hold more, where the system allows it."""
    try:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except (AttributeError, OSError):
        pass  # it is slower


def write_message(pipe: int, message: bytes) -> None:
    """Write all of a message. Raises OSError where nobody reads any more."""
    for part in (len(message).to_bytes(4), message):
        view = memoryview(part)
        while view:
            view = view[os.write(pipe, view) :]


def read_message(pipe: int, seconds_max: float | None = None) -> bytearray | None:
    """The next message; None where there is none any more. Raises TimeoutError after so many seconds without a byte."""
    size = _exactly(pipe, 4, seconds_max)
    return None if size is None else _exactly(pipe, int.from_bytes(size), seconds_max)


def _exactly(pipe: int, size: int, seconds_max: float | None) -> bytearray | None:
    data = bytearray(size)
    view, at = memoryview(data), 0
    while at < size:
        if seconds_max is not None and not select.select([pipe], [], [], seconds_max)[0]:
            raise TimeoutError(f"it said nothing for {seconds_max:g} seconds")
        got = os.readv(pipe, [view[at:]])
        if not got:
            return None
        at += got
    return data
