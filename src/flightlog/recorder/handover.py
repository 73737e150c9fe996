"""How a host's process hands the writer's lock to one whose job it is.

A recorder that drains inside its host gives way: `flightlog up` started later asks for the lock with a file beside it, the
recorder lets go at its next look, and takes its turn again when that process is gone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from flightlog.errors import WriterLocked

T = TypeVar("T")

WANTED_FILE = "writer.wanted"
# A request older than this was left behind by a process that died while it asked.
REQUEST_SECONDS_MAX = 10.0
ASK_SECONDS = 5.0


def is_wanted(folder: Path) -> bool:
    """Whether another process asks for the lock of this data folder."""
    try:
        asked = os.stat(folder / WANTED_FILE).st_mtime
    except OSError:
        return False
    return abs(time.time() - asked) < REQUEST_SECONDS_MAX


@contextmanager
def _asking(folder: Path) -> Iterator[None]:
    path = folder / WANTED_FILE
    path.touch(mode=0o600)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def take_over(folder: Path, take: Callable[[], T], seconds: float = ASK_SECONDS) -> T:
    """What `take` gives, asking whoever drains inside a host to let go. Raises WriterLocked when the holder keeps the lock."""
    try:
        return take()
    except WriterLocked:
        deadline = time.monotonic() + seconds
    with _asking(folder):
        while True:
            time.sleep(0.02)
            try:
                return take()
            except WriterLocked:
                if time.monotonic() >= deadline:
                    raise
