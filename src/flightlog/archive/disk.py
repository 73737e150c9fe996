"""Room: how much of the disk a data folder takes, how much is left, and the reserve that is let go of when nothing is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from flightlog.config import MIB, Settings

RESERVE_FILE = "reserve"
LOW_BYTES_MIN = 16 * MIB


class Room(NamedTuple):
    """Bytes of the disk that are free, and that the folder takes; `lack` says what is missing, if anything is."""

    free_bytes: int
    data_bytes: int
    lack: str | None

    @property
    def is_full(self) -> bool:
        """Whether the disk itself is full."""
        return self.lack == "disk"


class Reserve:
    """A file that takes its place on the disk for as long as nobody needs it more."""

    def __init__(self, folder: Path, size: int) -> None:
        self.path = folder / RESERVE_FILE
        self._folder = folder
        self._size = size
        self._released = False

    @property
    def state(self) -> str:
        """held, released, or none where none is wanted or was ever made."""
        if self.path.exists():
            return "held"
        return "released" if self._released else "none"

    def release(self) -> bool:
        """Give its bytes to the disk; False where there was nothing to give."""
        try:
            self.path.unlink()
        except OSError:
            return False
        self._released = True
        return True

    def keep(self) -> bool:
        """Make it, if it is wanted, not there, and leaves as much again; whether it is there now."""
        if not self._size:
            self.release()
            return False
        try:
            if self.path.exists() and self.path.stat().st_size == self._size:
                return True
            if free_bytes(self._folder) < 2 * self._size + _low(self._size):
                return self.path.exists()
            unborn = self.path.with_name(f".{RESERVE_FILE}.unborn")
            fd = os.open(unborn, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, self._size)
            except BaseException:
                unborn.unlink(missing_ok=True)
                raise
            finally:
                os.close(fd)
            unborn.rename(self.path)
        except OSError:
            return False  # a disk without room for it is looked at again later
        return True


def look(folder: Path, settings: Settings, archived_bytes: int = 0) -> Room:
    """What room there is. `archived_bytes` are those of archive files in this folder."""
    free, taken = free_bytes(folder), data_bytes(folder) + archived_bytes
    lack = None
    if free < _low(settings.reserve_bytes):
        lack = "disk"
    elif settings.data_bytes_max is not None and taken > settings.data_bytes_max:
        lack = "quota"
    return Room(free, taken, lack)


def free_bytes(folder: Path) -> int:
    """The bytes of the disk that this user may still take."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def data_bytes(folder: Path) -> int:
    """The bytes of the database, the spool and what else lies in the folder, without archive files."""
    return sum(size_of(folder, depth=1)) + sum(
        size for name in ("spool", "cache") for size in size_of(folder / name, depth=3)
    )


def size_of(folder: Path, depth: int = 3) -> Iterator[int]:
    """The sizes of the files in a folder and in those below it."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    if entry.is_file(follow_symlinks=False):
                        yield entry.stat(follow_symlinks=False).st_size
                    elif depth > 1 and entry.is_dir(follow_symlinks=False):
                        yield from size_of(Path(entry.path), depth - 1)
                except FileNotFoundError:
                    continue
    except (FileNotFoundError, NotADirectoryError):
        return


def _low(reserve_bytes: int) -> int:
    return max(LOW_BYTES_MIN, reserve_bytes // 4)
