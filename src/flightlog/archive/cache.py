"""What was fetched of an archive in S3, kept in a folder: whole objects for who reads files, and the footers of objects.

Everything is kept under the digest of the object, so nothing in here is ever out of date. It may be removed at any time; what is
erased has to be (`forget`).
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from flightlog.archive.manifest import ArchivedFile
from flightlog.archive.objects import Objects
from flightlog.errors import ArchiveFileBroken, ArchiveUnavailable

FETCHES_AT_ONCE = 4
OBJECT, FOOTER = ".parquet", ".footer"
UNBORN_SECONDS_MAX = 3600.0  # what was begun longer ago than this, nobody is at any more


class ArchiveCache:
    """A folder of at most `bytes_max`, and of what is in use; what was not used the longest goes first.

    Processes may share a folder. Any thread may use it.
    """

    def __init__(self, folder: Path, objects: Objects, bytes_max: int) -> None:
        self.folder = folder
        self.objects = objects
        self._bytes_max = bytes_max
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()

    def footer(self, digest: bytes) -> bytes | None:
        """The footer of the object with this digest, if it is kept."""
        return self._read(digest.hex() + FOOTER)

    def put_footer(self, digest: bytes, data: bytes) -> None:
        """Keep a footer. That it can't be kept is no error."""
        try:
            self._write(digest.hex() + FOOTER, data)
        except OSError:
            pass

    @contextmanager
    def hold(self, files: Sequence[ArchivedFile]) -> Iterator[list[Path]]:
        """The objects as files on this machine, fetched first where they are not; they stay until the block ends.

        Where the archive is a folder these are its own files, which may be removed meanwhile. Raises ArchiveFileMissing,
        ArchiveFileBroken, ArchiveUnavailable.
        """
        own = self.objects.folder
        if own is not None:
            yield [own / file.path for file in files]
            return
        names = [file.digest.hex() + OBJECT for file in files]
        with self._lock:
            self._held.update(names)
        try:
            lacking = [file for file, name in zip(files, names, strict=True) if not self._touch(name)]
            if lacking:
                with ThreadPoolExecutor(FETCHES_AT_ONCE) as pool:
                    list(pool.map(self._fetch, lacking))
                self.tidy()
            yield [self.folder / name for name in names]
        finally:
            with self._lock:
                self._held.subtract(names)
                self._held += Counter()  # without those that nobody holds

    def forget(self, digest: bytes) -> None:
        """Remove what is kept of this object."""
        for ending in (OBJECT, FOOTER):
            (self.folder / (digest.hex() + ending)).unlink(missing_ok=True)

    def files(self) -> list[Path]:
        """Every file in here."""
        return sorted(path for path in self.folder.glob("*") if path.is_file()) if self.folder.is_dir() else []

    def tidy(self) -> None:
        """Remove what is too much."""
        with self._lock:
            held = set(self._held)
        found: list[tuple[float, int, Path]] = []
        newest = 0.0
        for path in self.files():
            try:
                seen = path.stat()
            except FileNotFoundError:
                continue
            newest = max(newest, seen.st_mtime)
            found.append((seen.st_mtime, seen.st_size, path))
        left = sum(size for _, size, _ in found)
        for used_at, size, path in sorted(found):
            unborn = path.suffix not in (OBJECT, FOOTER)
            if path.name in held or (unborn and newest - used_at < UNBORN_SECONDS_MAX):
                continue
            if unborn or left > self._bytes_max:
                path.unlink(missing_ok=True)
                left -= size

    def _fetch(self, file: ArchivedFile) -> None:
        data = self.objects.read(file.path)
        if hashlib.sha256(data).digest() != file.digest:
            reason = "its bytes are not those that were written"
            raise ArchiveFileBroken(path=f"{self.objects.place}/{file.path}", reason=reason)
        try:
            self._write(file.digest.hex() + OBJECT, data)
        except OSError as error:
            raise ArchiveUnavailable(place=str(self.folder), reason=error.strerror or str(error)) from error

    def _touch(self, name: str) -> bool:
        """Whether it is there; if so, it was used now."""
        try:
            os.utime(self.folder / name)
        except OSError:
            return False
        return True

    def _read(self, name: str) -> bytes | None:
        try:
            data = (self.folder / name).read_bytes()
        except OSError:
            return None
        self._touch(name)
        return data

    def _write(self, name: str, data: bytes) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unborn = self.folder / f"{name}.{secrets.token_hex(4)}"
        try:
            fd = os.open(unborn, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(data)
            os.replace(unborn, self.folder / name)
        finally:
            unborn.unlink(missing_ok=True)
