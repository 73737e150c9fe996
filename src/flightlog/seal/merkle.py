"""Merkle trees as RFC 6962 (section 2.1) hashes them: roots, proofs, and checking both. SHA-256 throughout.

A tree is seen through a function that gives the hash of a perfect subtree, so that proofs can be made from tiles on a disk
without reading the leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

# The hash over the leaves [index · 2^height, (index + 1) · 2^height).
Subtree = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf.

    >>> leaf_hash(b"").hex()[:16]
    '6e340b9cffb37a98'
    """
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def fold_perfect(hashes: Sequence[bytes]) -> bytes:
    """The hash over neighbouring subtrees of one height, as many as a power of two."""
    row = list(hashes)
    while len(row) > 1:
        row = [sha256(b"\x01" + row[at] + row[at + 1]).digest() for at in range(0, len(row), 2)]
    return row[0]


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root over these leaf hashes, however many; for small trees and for tests."""
    return tree_hash(
        lambda height, index: fold_perfect(hashes[index << height : (index + 1) << height]), 0, len(hashes)
    )


def tree_hash(subtree: Subtree, start: int, end: int) -> bytes:
    """The hash over the leaves [start, end), where `start` is where RFC 6962 would cut: a multiple of the next power of two."""
    if end == start:
        return EMPTY_ROOT
    peaks: list[bytes] = []
    at = start
    while at < end:
        height = (end - at).bit_length() - 1
        peaks.append(subtree(height, at >> height))
        at += 1 << height
    found = peaks.pop()
    while peaks:
        found = node_hash(peaks.pop(), found)
    return found


def inclusion_proof(subtree: Subtree, index: int, size: int) -> list[bytes]:
    """The hashes that lead from leaf `index` to the root of the tree of `size` leaves, the deepest first (RFC 6962, 2.1.1).

    Raises ValueError where the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    proof: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        half = start + _half(end - start)
        if index < half:
            proof.append(tree_hash(subtree, half, end))
            end = half
        else:
            proof.append(tree_hash(subtree, start, half))
            start = half
    return proof[::-1]


def consistency_proof(subtree: Subtree, first: int, second: int) -> list[bytes]:
    """The hashes that show the tree of `first` leaves to be the beginning of that of `second` (RFC 6962, 2.1.2).

    Empty where the sizes are equal or the first is 0. Raises ValueError where the first is larger.
    """
    if not 0 <= first <= second:
        raise ValueError(f"a tree of {first} leaves is no beginning of one of {second}")
    if first in (0, second):
        return []
    proof: list[bytes] = []
    start, end, whole = 0, second, True
    while first != end:
        half = start + _half(end - start)
        if first <= half:
            proof.append(tree_hash(subtree, half, end))
            end = half
        else:
            proof.append(tree_hash(subtree, start, half))
            start, whole = half, False
    if not whole:
        proof.append(tree_hash(subtree, start, end))
    return proof[::-1]


def _half(count: int) -> int:
    """The largest power of two below the count."""
    return 1 << (count - 1).bit_length() - 1


def root_from_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes | None:
    """The root that this proof leads to, to be compared with the one that was signed; None where the proof has a wrong length.

    The way of RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < size:
        return None
    at, last, found = index, size - 1, leaf
    for hash_ in proof:
        if last == 0:
            return None
        if at & 1 or at == last:
            found = node_hash(hash_, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, hash_)
        at, last = at >> 1, last >> 1
    return found if last == 0 else None


def roots_from_consistency(
    first: int, second: int, first_root: bytes, proof: Sequence[bytes]
) -> tuple[bytes, bytes] | None:
    """The roots of both trees that this proof leads to, to be compared with those that were signed; None where it can't be read.

    The way of RFC 9162, section 2.1.4.2. `first_root` is taken as a node where the first tree is a perfect one.
    """
    if not 0 < first <= second:
        return None
    if first == second:
        return (first_root, first_root) if not proof else None
    path = [first_root, *proof] if first & (first - 1) == 0 else list(proof)
    if not path:
        return None
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = path[0]
    for hash_ in path[1:]:
        if last == 0:
            return None
        if at & 1 or at == last:
            old, new = node_hash(hash_, old), node_hash(hash_, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, hash_)
        at, last = at >> 1, last >> 1
    return (old, new) if last == 0 else None
