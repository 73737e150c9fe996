"""How a tree grows on the disk: leaves in, tiles out, with no more in memory than the right edge."""

from __future__ import annotations

from collections.abc import Sequence

from flightlog.seal.merkle import EMPTY_ROOT, HASH_BYTES, fold_perfect, leaf_hash, node_hash
from flightlog.seal.tiles import TILE_HEIGHT, TILE_WIDTH, Tiles, width_of


class Edge:
    """The right edge of a tree: of every level the tile that is not full yet, and the leaves of the last bundle.

    `append` writes tiles beyond `size`; the caller decides when they count, and `load` goes back to the size that counted.
    """

    def __init__(self, tiles: Tiles) -> None:
        self.tiles = tiles
        self.size = 0
        self._levels: list[list[bytes]] = []
        self._entries: list[bytes] = []
        self._filled: list[tuple[int | str, int]] = []

    def load(self, size: int) -> None:
        """Take up a tree of this size from its tiles. Raises TileMissing or TileBroken."""
        self.tiles.forget()
        self.size, self._levels, self._entries, self._filled = size, [], [], []
        level = 0
        while size >> TILE_HEIGHT * level:
            index = (size >> TILE_HEIGHT * level) // TILE_WIDTH
            width = width_of(level, index, size)
            data = self.tiles.hashes(level, index, width)[: width * HASH_BYTES] if width else b""
            self._levels.append([data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)])
            level += 1
        if size % TILE_WIDTH:
            self._entries = self.tiles.entries(size // TILE_WIDTH, size % TILE_WIDTH)

    def append(self, leaves: Sequence[bytes]) -> None:
        """Write the tiles of the tree with these leaves added; partial tiles of before stay until `settle`."""
        for leaf in leaves:
            self._entries.append(leaf)
            self._push(0, leaf_hash(leaf))
            self.size += 1
            if len(self._entries) == TILE_WIDTH:
                index = self.size // TILE_WIDTH - 1
                self.tiles.write_entries(index, self._entries)
                self._filled.append(("entries", index))
                self._entries = []
        if self._entries:
            self.tiles.write_entries(self.size // TILE_WIDTH, self._entries)
        for level, row in enumerate(self._levels):
            if row:
                self.tiles.write_hashes(level, self._index(level), row)

    def settle(self) -> None:
        """What was appended counts now: partial tiles that a full one stands for are removed."""
        for level, index in self._filled:
            self.tiles.drop_partial(level, index)
        self._filled = []

    def root(self) -> bytes:
        """The root of the tree."""
        found: bytes | None = None
        for row in self._levels:
            at = len(row)
            # The perfect subtrees of this level's hashes, from the right: their heights are the bits of the width.
            for height in range(TILE_HEIGHT):
                if len(row) >> height & 1:
                    peak = fold_perfect(row[at - (1 << height) : at])
                    found = peak if found is None else node_hash(peak, found)
                    at -= 1 << height
        return EMPTY_ROOT if found is None else found

    def _push(self, level: int, hash_: bytes) -> None:
        if level == len(self._levels):
            self._levels.append([])
        row = self._levels[level]
        row.append(hash_)
        if len(row) == TILE_WIDTH:
            index = self._full_index(level)
            self.tiles.write_hashes(level, index, row)
            self._filled.append((level, index))
            self._levels[level] = []
            self._push(level + 1, fold_perfect(row))

    def _full_index(self, level: int) -> int:
        """The tile that was just filled, while the leaf that filled it is not counted yet."""
        return (self.size + 1 >> TILE_HEIGHT * level) // TILE_WIDTH - 1

    def _index(self, level: int) -> int:
        return (self.size >> TILE_HEIGHT * level) // TILE_WIDTH
