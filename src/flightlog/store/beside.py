"""Opening a database's file beside SQLite without costing it its locks.

On POSIX the locks of a process on a file are gone as soon as it closes any descriptor of that file, whichever took them
(https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_). Another program
would then take the database for one that nobody has open, and on its way out fold the log in and remove it. So what is opened
here of a database that this process has open is closed only when it has let go of the database.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PARTS = ("-wal", "-shm", "-journal")

_guard = threading.Lock()
_stores: dict[str, int] = {}  # how many stores of this process have a database open
_kept: dict[str, dict[tuple[int, int], int]] = {}  # descriptors by the database and by device and inode


def enter(database: Path) -> None:
    """From now on this process has the database open, until as many `leave`."""
    name = os.path.abspath(database)
    with _guard:
        _stores[name] = _stores.get(name, 0) + 1


def leave(database: Path) -> None:
    """A store of it was closed, its connections with it; after the last one nothing is kept."""
    name = os.path.abspath(database)
    with _guard:
        _stores[name] -= 1
        if not _stores[name]:
            del _stores[name]
            for descriptor in _kept.pop(name, {}).values():
                os.close(descriptor)


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A descriptor to read the file by (with `os.pread`: others may have the same one) or to sync it.

    Raises OSError, as `os.open` does.
    """
    name = os.path.abspath(path)
    for part in _PARTS:
        name = name.removesuffix(part)
    with _guard:
        kept = _kept.setdefault(name, {}) if name in _stores else None
        if kept is None:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        else:
            found = os.stat(path)
            identity = (found.st_dev, found.st_ino)
            if identity not in kept:
                kept[identity] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            descriptor = kept[identity]
    try:
        yield descriptor
    finally:
        if kept is None:
            with suppress(OSError):
                os.close(descriptor)
