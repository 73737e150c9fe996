"""Which values a file may hold: a Bloom filter for each of the columns that events are looked for by, kept with the manifest.

A key is the UTF-8 text of a value, and its hash the BLAKE2b of that in 16 bytes: two big-endian numbers of 64 bits, `a` and `b`.
The highest bit of `a` counts as 0, since the database has no numbers that large. A filter is cut into parts of PART_BYTES, so
that a look-up reads one row of one page however large the file is. The part is `a mod parts`; in it the bits
`(low + i * high) mod PART_BITS` are set for i = 0 … PROBES - 1, where `low` is the lower half of `b` and `high` its upper half
with the lowest bit set. Bit n is in byte n // 8, the most significant first (as numpy.packbits has it).

With BITS_A_KEY bits for each key about one in 1,300 files is looked at for nothing (measured: 0.08 %; with 10 bits 0.8 %, which is
almost one file for each look-up in an archive of a hundred).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

PART_BYTES = 1_920  # four of them lie in a page of the database, none spills over
PART_BITS = PART_BYTES * 8
BITS_A_KEY = 16
PROBES = 7

_HALF = 0xFFFFFFFF
_POSITIVE = 2**63 - 1


class Place(NamedTuple):
    """Where a key is in every filter: `number` chooses the part, `bits` are looked at in it."""

    number: int
    bits: tuple[int, ...]

    def part(self, parts: int) -> int:
        """Its part in a filter of so many."""
        return self.number % parts

    def is_in(self, bits: bytes) -> bool:
        """Whether this part of a filter says that the key may be there. It is never wrong where it says no."""
        return all(bits[bit >> 3] & (0x80 >> (bit & 7)) for bit in self.bits)


def place_of(key: str) -> Place:
    """Where to look for this key."""
    digest = hashlib.blake2b(key.encode(), digest_size=16).digest()
    b = int.from_bytes(digest[8:])
    low, high = b & _HALF, (b >> 32) | 1
    return Place(
        int.from_bytes(digest[:8]) & _POSITIVE, tuple((low + probe * high) % PART_BITS for probe in range(PROBES))
    )


def build(keys: Iterable[bytes]) -> list[bytes]:
    """The parts of a filter of these keys, each given once. Empty where there are none. Imports numpy."""
    import numpy as np

    blake = hashlib.blake2b
    raw = b"".join([blake(key, digest_size=16).digest() for key in keys])
    if not raw:
        return []
    numbers = np.frombuffer(raw, dtype=">u8").reshape(-1, 2)
    parts = -(-len(numbers) * BITS_A_KEY // PART_BITS)
    part = ((numbers[:, 0] & np.uint64(_POSITIVE)) % np.uint64(parts)).astype(np.int64)
    low = numbers[:, 1].astype(np.uint64) & np.uint64(_HALF)
    high = (numbers[:, 1].astype(np.uint64) >> np.uint64(32)) | np.uint64(1)
    bits = np.zeros(parts * PART_BITS, dtype=np.bool_)
    for probe in range(PROBES):
        bits[part * PART_BITS + ((low + np.uint64(probe) * high) % np.uint64(PART_BITS)).astype(np.int64)] = True
    packed = np.packbits(bits).tobytes()
    return [packed[start : start + PART_BYTES] for start in range(0, len(packed), PART_BYTES)]


class Filter:
    """A whole filter, as `build` makes it or the manifest has it."""

    def __init__(self, parts: list[bytes]) -> None:
        self.parts = parts

    def may_hold(self, key: str) -> bool:
        """False only where the key is not there."""
        if not self.parts:
            return False
        place = place_of(key)
        return place.is_in(self.parts[place.part(len(self.parts))])
