"""A tree that grows on a disk, in any portions, with restarts, is the tree of the definition."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flightlog.seal.growth import Edge
from flightlog.seal.merkle import EMPTY_ROOT, leaf_hash, root_of, tree_hash
from flightlog.seal.tiles import Tiles, width_of

LEAVES = [str(number).encode() for number in range(70_000)]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]


@given(st.lists(st.integers(0, 700), max_size=8), st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_tree_that_grew_in_portions_is_the_tree_of_the_definition(
    tmp_path_factory: pytest.TempPathFactory, portions: list[int], restart: bool
) -> None:
    tiles = Tiles(tmp_path_factory.mktemp("tree"))
    edge = Edge(tiles)
    for portion in portions:
        edge.append(LEAVES[edge.size : edge.size + portion])
        edge.settle()
        assert edge.root() == root_of(HASHES[: edge.size])
        if edge.size:
            assert tree_hash(Tiles(tiles.folder).subtree(edge.size), 0, edge.size) == edge.root()
        if restart:
            size, edge = edge.size, Edge(Tiles(tiles.folder))
            edge.load(size)


def test_an_empty_tree_has_the_root_of_nothing(tmp_path: Path) -> None:
    edge = Edge(Tiles(tmp_path))
    edge.load(0)
    edge.append([])
    assert edge.root() == EMPTY_ROOT
    assert list(tmp_path.iterdir()) == []


def test_a_large_tree_has_every_tile_of_its_size_and_leaves_come_back(tmp_path: Path) -> None:
    edge = Edge(Tiles(tmp_path))
    edge.append(LEAVES[:1_000])
    edge.settle()
    edge.append(LEAVES[1_000:])
    edge.settle()
    assert edge.root() == root_of(HASHES)
    for level, count in ((0, 274), (1, 2), (2, 1)):
        for index in range(count):
            assert Tiles(tmp_path).hashes(level, index, width_of(level, index, 70_000))
    assert Tiles(tmp_path).entries(273, 112) == LEAVES[69_888:]
    assert not (tmp_path / "tile/0/003.p").exists()


def test_what_was_appended_and_did_not_count_is_written_over(tmp_path: Path) -> None:
    edge = Edge(Tiles(tmp_path))
    edge.append(LEAVES[:300])
    edge.settle()
    edge.append([b"never counted"] * 500)
    again = Edge(Tiles(tmp_path))
    again.load(300)
    assert again.root() == root_of(HASHES[:300])
    again.append(LEAVES[300:900])
    again.settle()
    assert again.root() == root_of(HASHES[:900])
    assert tree_hash(Tiles(tmp_path).subtree(900), 0, 900) == again.root()
    assert Tiles(tmp_path).entries(1, 256) == LEAVES[256:512]
