"""Tiles: where they lie, how wide they are, what they answer, and what is said when one is gone or damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog.errors import TileBroken, TileMissing
from flightlog.seal.merkle import leaf_hash, root_of, tree_hash
from flightlog.seal.tiles import Tiles, tile_path, width_of, write_whole

HASHES = [leaf_hash(str(number).encode()) for number in range(70_000)]


def laid(folder: Path, size: int) -> Tiles:
    """A tree of this size, every tile worked out from the definition."""
    tiles = Tiles(folder)
    level, row = 0, HASHES[:size]
    while row:
        for start in range(0, len(row), 256):
            tiles.write_hashes(level, start // 256, row[start : start + 256])
        row = [root_of(row[start : start + 256]) for start in range(0, len(row) - len(row) % 256, 256)]
        level += 1
    return tiles


@pytest.mark.parametrize(
    ("level", "index", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 999, 256, "tile/0/999"),
        (1, 1000, 256, "tile/1/x001/000"),
        (2, 1234067, 256, "tile/2/x001/x234/067"),
        (0, 273, 112, "tile/0/273.p/112"),
        ("entries", 5, 256, "tile/entries/005"),
    ],
)
def test_a_tile_lies_where_the_specification_says(level: int | str, index: int, width: int, path: str) -> None:
    assert tile_path(level, index, width) == path


def test_a_tree_of_seventy_thousand_leaves_has_the_tiles_of_the_specification() -> None:
    assert [width_of(0, index, 70_000) for index in (0, 272, 273, 274)] == [256, 256, 112, 0]
    assert [width_of(1, index, 70_000) for index in (0, 1, 2)] == [256, 17, 0]
    assert [width_of(2, index, 70_000) for index in (0, 1)] == [1, 0]
    assert [width_of(0, 0, 256), width_of(1, 0, 256)] == [256, 1]


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 70_000])
def test_the_root_comes_out_of_the_tiles(tmp_path: Path, size: int) -> None:
    assert tree_hash(laid(tmp_path, size).subtree(size), 0, size) == root_of(HASHES[:size])


@given(st.integers(0, 16), st.data())
def test_every_subtree_comes_out_of_the_tiles(
    tmp_path_factory: pytest.TempPathFactory, height: int, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "subtrees"
    tiles = Tiles(folder) if folder.exists() else laid(folder, 70_000)
    index = data.draw(st.integers(0, (70_000 >> height) - 1))
    assert tiles.subtree(70_000)(height, index) == root_of(HASHES[index << height : (index + 1) << height])


def test_leaves_come_back_as_they_were(tmp_path: Path) -> None:
    tiles = Tiles(tmp_path)
    leaves = [b"", b"one", b"x" * 65_535, *(str(number).encode() for number in range(200))]
    tiles.write_entries(3, leaves)
    assert tiles.entries(3, len(leaves)) == leaves
    with pytest.raises(TileMissing):  # a bundle that is narrower lies elsewhere
        tiles.entries(3, 2)
    with pytest.raises(ValueError, match="65,535"):
        tiles.write_entries(4, [b"x" * 65_536])


def test_a_full_tile_stands_for_its_partial_ones(tmp_path: Path) -> None:
    tiles = Tiles(tmp_path)
    tiles.write_hashes(0, 0, HASHES[:10])
    tiles.write_hashes(0, 0, HASHES[:256])
    tiles.drop_partial(0, 0)
    assert not (tmp_path / "tile/0/000.p").exists()
    assert tiles.hashes(0, 0, 10)[:320] == b"".join(HASHES[:10])


def test_what_is_gone_or_damaged_is_named(tmp_path: Path) -> None:
    tiles = laid(tmp_path, 300)
    (tmp_path / "tile/0/000").write_bytes(b"short")
    with pytest.raises(TileBroken, match="tile/0/000 is damaged: it has 5 bytes"):
        tiles.subtree(300)(3, 0)
    (tmp_path / "tile/0/000").unlink()
    with pytest.raises(TileMissing, match="tile/0/000"):
        tiles.subtree(300)(3, 0)
    tiles.write_entries(0, [b"one", b"two"])
    path = tmp_path / "tile/entries/000.p/2"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(TileBroken, match="last leaf is cut off"):
        tiles.entries(0, 2)


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    write_whole(path, b"old")
    with pytest.raises(TypeError):
        write_whole(path, "no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint"]
