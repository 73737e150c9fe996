"""The tree on a disk, as tiles: files of up to 256 hashes, and bundles of up to 256 leaves.

Layout and names are those of C2SP tlog-tiles (c2sp.org/tlog-tiles), so that any tool that reads such logs reads ours:
`tile/<level>/<N>`, `tile/entries/<N>`, with `.p/<width>` for what is not full yet.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

from flightlog.errors import TileBroken, TileMissing
from flightlog.seal.merkle import HASH_BYTES, Subtree, fold_perfect

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
ENTRY_BYTES_MAX = 0xFFFF
CACHE_TILES_MAX = 512


def tile_path(level: int | str, index: int, width: int = TILE_WIDTH) -> str:
    """Where a tile lies below the log's folder; `level` is a number, or "entries" for a bundle.

    >>> tile_path(0, 1234067), tile_path("entries", 5, 17)
    ('tile/0/x001/x234/067', 'tile/entries/005.p/17')
    """
    parts = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        parts.insert(0, f"x{index % 1000:03d}")
    name = "/".join(["tile", str(level), *parts])
    return name if width == TILE_WIDTH else f"{name}.p/{width}"


def width_of(level: int, index: int, size: int) -> int:
    """How many hashes this tile has in a tree of `size` leaves; 0 where there is no such tile.

    >>> [width_of(level, index, 70_000) for level, index in ((0, 272), (0, 273), (1, 1), (2, 0), (2, 1))]
    [256, 112, 17, 1, 0]
    """
    return max(0, min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - index * TILE_WIDTH))


class Tiles:
    """The tiles of one log. Reading is for any thread; one thread writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._cache: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    # ── hashes ───────────────────────────────────────────────────────────────────────────────────────────────────

    def hashes(self, level: int, index: int, width: int) -> bytes:
        """The first `width` hashes of a tile, or all of them where it is full. Raises TileMissing or TileBroken."""
        known = self._cache.get((level, index))
        if known is not None and len(known) >= width * HASH_BYTES:
            return known
        data = self._read(level, index, width)
        if len(data) < width * HASH_BYTES or len(data) % HASH_BYTES:
            raise TileBroken(path=tile_path(level, index, width), reason=f"it has {len(data)} bytes")
        self._cache[level, index] = data
        if len(self._cache) > CACHE_TILES_MAX:
            self._cache.popitem(last=False)
        return data

    def subtree(self, size: int) -> Subtree:
        """The hashes of the tree of `size` leaves, as `merkle` asks for them; that tree has to be on the disk."""

        def find(height: int, index: int) -> bytes:
            level, rest = divmod(height, TILE_HEIGHT)
            tile, at = divmod(index << rest, TILE_WIDTH)
            count = 1 << rest
            data = self.hashes(level, tile, width_of(level, tile, size))
            return fold_perfect(_split(data[at * HASH_BYTES : (at + count) * HASH_BYTES]))

        return find

    def forget(self) -> None:
        """Read everything from the disk again."""
        self._cache.clear()

    # ── leaves ───────────────────────────────────────────────────────────────────────────────────────────────────

    def entries(self, index: int, width: int) -> list[bytes]:
        """The first `width` leaves of a bundle. Raises TileMissing or TileBroken."""
        data = self._read("entries", index, width)
        found = list(_entries(data, tile_path("entries", index, width)))
        if len(found) < width:
            raise TileBroken(path=tile_path("entries", index, width), reason=f"it has {len(found)} leaves")
        return found[:width]

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────

    def write_hashes(self, level: int, index: int, hashes: Sequence[bytes]) -> None:
        """Put a tile in its place, whole or not at all."""
        data = b"".join(hashes)
        self._cache.pop((level, index), None)
        self._write(tile_path(level, index, len(hashes)), data)

    def write_entries(self, index: int, entries: Sequence[bytes]) -> None:
        """Put a bundle in its place, whole or not at all. A leaf of more than 65,535 bytes is a ValueError."""
        if any(len(entry) > ENTRY_BYTES_MAX for entry in entries):
            raise ValueError("a leaf has at most 65,535 bytes")
        data = b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
        self._write(tile_path("entries", index, len(entries)), data)

    def drop_partial(self, level: int | str, index: int) -> None:
        """Remove the partial tiles of a place that has a full one now."""
        folder = self.folder / f"{tile_path(level, index)}.p"
        if folder.is_dir():
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()

    def _read(self, level: int | str, index: int, width: int) -> bytes:
        """The narrowest file that has this many; a full one stands for every partial one."""
        for name in dict.fromkeys((tile_path(level, index, width), tile_path(level, index))):
            try:
                return (self.folder / name).read_bytes()
            except FileNotFoundError:
                continue
        raise TileMissing(path=tile_path(level, index, width))

    def _write(self, name: str, data: bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, data)


def write_whole(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file so that whoever opens it finds the old or the new content, also after a power cut."""
    unborn = path.with_name(f".{path.name}.{os.getpid()}.unborn")
    fd = os.open(unborn, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unborn, path)
    except BaseException:
        unborn.unlink(missing_ok=True)
        raise


def _split(data: bytes) -> list[bytes]:
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def _entries(data: bytes, path: str) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        entry = data[at + 2 : at + 2 + length]
        if len(data) < at + 2 or len(entry) < length:
            raise TileBroken(path=path, reason="its last leaf is cut off")
        yield entry
        at += 2 + length
