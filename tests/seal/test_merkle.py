"""Trees and proofs, against the values of RFC 6962's own test data, a plain recursive tree, and another implementation."""

from __future__ import annotations

from hashlib import sha256

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog.seal.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    fold_perfect,
    inclusion_proof,
    leaf_hash,
    root_from_inclusion,
    root_of,
    roots_from_consistency,
)

# The leaves and roots that implementations of RFC 6962 are tried with (certificate-transparency, merkle_tree_test.cc).
LEAVES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def plain_root(hashes: list[bytes]) -> bytes:
    """Word for word as section 2.1 says it."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return sha256(b"\x01" + plain_root(hashes[:k]) + plain_root(hashes[k:])).digest()


def some_leaves(count: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(count)]


def subtree_of(hashes: list[bytes]):  # type: ignore[no-untyped-def]
    return lambda height, index: fold_perfect(hashes[index << height : (index + 1) << height])


def test_roots_are_those_that_others_publish() -> None:
    hashes = [leaf_hash(leaf) for leaf in LEAVES]
    assert [root_of(hashes[: size + 1]).hex() for size in range(8)] == list(ROOTS)
    assert root_of([]) == EMPTY_ROOT == sha256(b"").digest()


@given(st.integers(0, 400))
def test_a_root_is_what_the_definition_says(size: int) -> None:
    hashes = some_leaves(size)
    assert root_of(hashes) == plain_root(hashes)


@given(st.integers(1, 300), st.data())
def test_every_leaf_can_be_shown_to_be_in_the_tree_and_no_other_can(size: int, data: st.DataObject) -> None:
    hashes = some_leaves(size)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(subtree_of(hashes), index, size)
    assert root_from_inclusion(index, size, hashes[index], proof) == plain_root(hashes)
    assert root_from_inclusion(index, size, leaf_hash(b"another"), proof) != plain_root(hashes)
    elsewhere = data.draw(st.integers(0, size - 1))
    if elsewhere != index:
        assert root_from_inclusion(elsewhere, size, hashes[index], proof) != plain_root(hashes)
    assert root_from_inclusion(index, size, hashes[index], [*proof, hashes[0]]) is None
    if proof:
        assert root_from_inclusion(index, size, hashes[index], proof[:-1]) is None


@given(st.integers(1, 300), st.data())
def test_a_tree_can_be_shown_to_be_the_beginning_of_another(second: int, data: st.DataObject) -> None:
    hashes = some_leaves(second)
    first = data.draw(st.integers(1, second))
    proof = consistency_proof(subtree_of(hashes), first, second)
    old, new = plain_root(hashes[:first]), plain_root(hashes)
    assert roots_from_consistency(first, second, old, proof) == (old, new)
    if first < second:
        assert roots_from_consistency(first, second, old, proof[:-1]) != (old, new)
        assert roots_from_consistency(first, second, old, [*proof, old]) is None
        forged = [leaf_hash(b"forged"), *hashes[1:]]
        assert roots_from_consistency(first, second, plain_root(forged[:first]), proof) != (
            plain_root(forged[:first]),
            new,
        )


def test_what_no_tree_has_is_refused() -> None:
    hashes = some_leaves(5)
    for index, size in ((5, 5), (-1, 5), (0, 0)):
        with pytest.raises(ValueError, match="has no leaf"):
            inclusion_proof(subtree_of(hashes), index, size)
    with pytest.raises(ValueError, match="is no beginning"):
        consistency_proof(subtree_of(hashes), 6, 5)
    assert root_from_inclusion(5, 5, hashes[0], []) is None
    assert roots_from_consistency(0, 5, hashes[0], []) is None
    assert roots_from_consistency(3, 5, hashes[0], []) is None


def test_another_implementation_comes_to_the_same_and_takes_our_proofs() -> None:
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    leaves = [str(number).encode() for number in range(70)]
    for leaf in leaves:
        tree.append_entry(leaf)
    hashes = [leaf_hash(leaf) for leaf in leaves]
    for size in (1, 2, 3, 7, 8, 33, 64, 70):
        root = root_of(hashes[:size])
        assert tree.get_root(size) == root
        for index in {0, 1, size // 2, size - 1} & set(range(size)):
            theirs = tree.prove_inclusion(index + 1, size)
            path = [hashes[index], *inclusion_proof(subtree_of(hashes), index, size)]
            assert theirs.path == path
            ours = pymerkle.InclusionProof("sha256", True, size, index + 1, theirs.rule, path)
            pymerkle.verify_inclusion(hashes[index], root, ours, index=index + 1, size=size)
            with pytest.raises(pymerkle.InvalidProof):
                pymerkle.verify_inclusion(leaf_hash(b"another"), root, ours)
