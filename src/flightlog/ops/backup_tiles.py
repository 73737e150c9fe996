"""The tiles that a tree of a certain size is made of, out of a log that goes on growing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from flightlog.errors import BackupBroken, TileBroken, TileMissing
from flightlog.ops.backup_files import Writer
from flightlog.seal.merkle import HASH_BYTES
from flightlog.seal.tiles import TILE_HEIGHT, TILE_WIDTH, Tiles, tile_path, width_of
from flightlog.wiring import SEAL_FOLDER

ENTRIES = "entries"


class _Tile(NamedTuple):
    level: int | str
    place: int
    width: int

    @property
    def path(self) -> str:
        return tile_path(self.level, self.place, self.width)


def put_tiles(writer: Writer, folder: Path, sizes: Iterable[int]) -> None:
    """The tiles of the trees of these sizes: of the sealed journal and of its checkpoint, which may be behind.

    Raises BackupBroken where one is missing.
    """
    tiles = Tiles(folder)
    for tile in dict.fromkeys(tile for size in sizes for tile in _tiles_of(size)):
        name = f"{SEAL_FOLDER}/{tile.path}"
        try:
            writer.put(name, _content(tiles, folder, tile))
        except (TileMissing, TileBroken) as error:
            raise BackupBroken(path=str(folder / tile.path), reason=error.message) from error


def _tiles_of(size: int) -> Iterator[_Tile]:
    level = 0
    while size >> TILE_HEIGHT * level:
        count = size >> TILE_HEIGHT * level
        for index in range((count + TILE_WIDTH - 1) // TILE_WIDTH):
            width = width_of(level, index, size)
            yield _Tile(level, index, width)
            if level == 0:
                yield _Tile(ENTRIES, index, width)
        level += 1


def _content(tiles: Tiles, folder: Path, tile: _Tile) -> bytes:
    """What the file of this width holds; cut from the full one where that took its place meanwhile."""
    try:
        return (folder / tile.path).read_bytes()
    except FileNotFoundError:
        if tile.level == ENTRIES:
            entries = tiles.entries(tile.place, tile.width)
            return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
        return tiles.hashes(int(tile.level), tile.place, tile.width)[: tile.width * HASH_BYTES]
