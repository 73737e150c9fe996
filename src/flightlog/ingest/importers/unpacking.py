"""Opening a file that may be compressed, and reading it by lines, whatever is wrong with it."""

from __future__ import annotations

import gzip
import io
import zlib
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from flightlog.config import KIB, MIB
from flightlog.errors import ArchiveExtraMissing
from flightlog.ingest.importers.base import Problem

LINE_BYTES_MAX = 64 * MIB
GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
# What reading a compressed file raises when it is cut off or damaged; gzip.BadGzipFile is an OSError.
DAMAGED = (EOFError, zlib.error, OSError)

OnBytes = Callable[[int], None]


@contextmanager
def unpacked(path: Path, on_bytes: OnBytes | None = None) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked where it is gzip or Zstandard by its first bytes. `on_bytes` is told of bytes as they
    lie on the disk.

    Raises OSError, ArchiveExtraMissing for Zstandard without pyarrow; while reading any of DAMAGED.
    """
    with path.open("rb", buffering=0) as raw:
        magic = raw.read(4)
        raw.seek(0)
        counted: Any = _Counted(raw, on_bytes)
        if magic.startswith(GZIP_MAGIC):
            with gzip.GzipFile(fileobj=io.BufferedReader(counted, MIB)) as file:
                # No buffer around it: one would lose what it has when the file turns out to be cut off.
                yield cast("BinaryIO", file)
        elif magic == ZSTD_MAGIC:
            yield io.BufferedReader(_Zstandard(counted), 64 * KIB)
        else:
            yield io.BufferedReader(counted, MIB)


def numbered_lines(file: BinaryIO, bytes_max: int = LINE_BYTES_MAX) -> Iterator[tuple[int, bytes] | Problem]:
    """The lines that are not blank, with their numbers; a Problem for one that is too long, and where the file ends in damage."""
    number = 0
    while True:
        try:
            raw, too_long = file.readline(bytes_max), False
            while not raw.endswith(b"\n") and len(raw) == bytes_max:
                raw, too_long = file.readline(bytes_max), True
        except DAMAGED as error:
            yield Problem(
                f"after line {number}", f"the file is cut off or damaged there ({error or type(error).__name__})"
            )
            return
        if not raw and not too_long:
            return
        number += 1
        if too_long:
            yield Problem(f"line {number}", f"the line is longer than {bytes_max} bytes")
            continue
        line = (raw.removeprefix(BOM_UTF8) if number == 1 else raw).strip()
        if line:
            yield number, line


class _Counted(io.RawIOBase):
    """A file that says how much of it was read."""

    def __init__(self, raw: Any, on_bytes: OnBytes | None) -> None:
        self._raw, self._on_bytes = raw, on_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count: int = self._raw.readinto(buffer) or 0
        if self._on_bytes is not None and count:
            self._on_bytes(count)
        return count


class _Zstandard(io.RawIOBase):
    """The bytes that a Zstandard file holds."""

    def __init__(self, packed: Any) -> None:
        try:
            import pyarrow
        except ImportError:
            raise ArchiveExtraMissing(what="Reading Zstandard (unpack the file first, or use gzip)") from None
        self._stream: Any = pyarrow.CompressedInputStream(pyarrow.PythonFile(packed, mode="r"), "zstd")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
