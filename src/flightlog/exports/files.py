"""Where an export goes: a file that is there whole or not at all, or an open stream; compressed where its name says so."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from flightlog.errors import ArchiveExtraMissing

GZIP_LEVEL, ZSTD_LEVEL = 6, 3
_GZIP = 16 + zlib.MAX_WBITS


def write_file(pieces: Iterable[bytes], target: Path, *, compress: bool = True) -> int:
    """Write the pieces to a file beside `target`, sync it, and put it in its place; the bytes written.

    Nothing is at `target` but what was there before, until all is written. With `compress`, a name that ends in .gz or .zst makes
    it gzip or Zstandard.
    """
    unborn = target.with_name(f".{target.name}.{os.getpid()}.unborn")
    fd = os.open(unborn, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            for piece in compressed(pieces, target.suffix) if compress else pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
            written = file.tell()
        os.replace(unborn, target)
    except BaseException:
        unborn.unlink(missing_ok=True)
        raise
    return written


def write_stream(pieces: Iterable[bytes], stream: BinaryIO) -> int:
    """Write the pieces as they come; the bytes written. Raises BrokenPipeError when the reader has had enough."""
    written = 0
    for piece in pieces:
        stream.write(piece)
        written += len(piece)
    stream.flush()
    return written


def compressed(pieces: Iterable[bytes], suffix: str) -> Iterator[bytes]:
    """The pieces as this ending of a file name says. Raises ArchiveExtraMissing for .zst without pyarrow."""
    if suffix == ".gz":
        return _gzipped(pieces)
    return _zstandard(pieces) if suffix == ".zst" else iter(pieces)


def _gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()


def _zstandard(pieces: Iterable[bytes]) -> Iterator[bytes]:
    try:
        import pyarrow
    except ImportError:
        raise ArchiveExtraMissing(what="Zstandard (.gz does without it)") from None
    taken = Taken()
    with pyarrow.CompressedOutputStream(pyarrow.PythonFile(taken, mode="w"), "zstd") as packer:
        for piece in pieces:
            packer.write(piece)
            yield from taken.take()
    yield from taken.take()


class Taken:
    """A file that somebody writes to and somebody else takes the pieces from."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> list[bytes]:
        """What was written since the last time."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def flush(self) -> None:
        """There is nothing behind it."""

    def close(self) -> None:
        self.closed = True
