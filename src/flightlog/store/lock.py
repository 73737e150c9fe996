"""`writer.lock`: one data folder has one writing process, and others can say who it is."""

from __future__ import annotations

import fcntl
import os
import time
import weakref
from pathlib import Path

from flightlog.errors import StoreUnavailable, WriterLocked

LOCK_FILE = "writer.lock"

# Somebody who only asks for the holder has the lock for an instant; that must not look like a writer.
ATTEMPTS_MAX = 5
ATTEMPT_SECONDS = 0.005


class WriterLock:
    """The lock of one folder, held from `acquire` to `release` or to the end of the process, SIGKILL included.

    It is an flock, so the kernel lets go of it. A forked child closes its copy: it would otherwise keep the lock alive
    after the parent's death.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / LOCK_FILE
        self._fd = -1

    def acquire(self) -> None:
        """Take the lock or raise WriterLocked with the holder's pid, StoreUnavailable when the file can't be made."""
        try:
            for attempt in range(ATTEMPTS_MAX):
                if self._try():
                    return
                time.sleep(ATTEMPT_SECONDS if attempt + 1 < ATTEMPTS_MAX else 0)
        except OSError as error:
            raise StoreUnavailable(reason=f"{self.path}: {error.strerror}") from error
        raise WriterLocked(pid=_read_pid(self.path) or "unknown", folder=str(self.folder))

    def _try(self) -> bool:
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        if not _same_file(fd, self.path):  # the folder was removed and made anew between open and lock
            os.close(fd)
            return False
        self._fd = fd
        _held.add(self)
        _write_pid(fd, f"{os.getpid()}\n")
        return True

    def is_held(self) -> bool:
        """Whether we hold the lock that others would meet: ours may belong to a file that was removed."""
        return self._fd >= 0 and _same_file(self._fd, self.path)

    def release(self) -> None:
        """Let go. Safe to call twice."""
        fd, self._fd = self._fd, -1
        _held.discard(self)
        if fd >= 0:
            _write_pid(fd, "")
            # Closing alone would not unlock while a child that was forked this moment still has its copy.
            fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)

    def _abandon_in_child(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)  # closing a copy does not unlock: the parent still holds it


def holder(folder: Path) -> int | None:
    """The pid of the process that is the writer of this folder; None when there is none, 0 when it left no pid."""
    try:
        fd = os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_pid(folder / LOCK_FILE) or 0
    finally:
        os.close(fd)
    return None


def _write_pid(fd: int, text: str) -> None:
    try:
        os.ftruncate(fd, 0)
        os.pwrite(fd, text.encode(), 0)
    except OSError:
        pass  # the pid only helps a message; on a full disk the lock holds without it


def _read_pid(path: Path) -> int | None:
    try:
        return int(path.read_text("ascii").strip())
    except (OSError, ValueError):
        return None


def _same_file(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except OSError:
        return False


_held: weakref.WeakSet[WriterLock] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for lock in list(_held):
        lock._abandon_in_child()
    _held.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
