"""The bytes of a spool segment, and how they are read back, also when some of them are broken.

    segment = header record*
    header  = "FLSPOOL1"  state(1 byte: 0 in use, "D" delivered)  3 zero bytes
    record  = FE FD 46 4C  length(u32)  crc32(u32)  seq(u64)  body(length bytes)        little endian

The CRC is of the body and starts from (seq mod 4294967291) + length, so that it covers all three. A record with length 0
says that the writer will append no more, and its seq is the last one used. The mark's first bytes can't occur in UTF-8 text,
so after damage the reader finds the next record by the mark.
"""

from __future__ import annotations

import os
import struct
from typing import NamedTuple
from zlib import crc32

MAGIC = b"FLSPOOL1"
HEADER = MAGIC + b"\0\0\0\0"
STATE_OFFSET = len(MAGIC)
DELIVERED = b"D"
MARK = b"\xfe\xfdFL"
BODY_BYTES_MAX = 64 * 1024 * 1024
SUFFIX = ".seg"
STATE_SUFFIX = ".state"

HEAD = struct.Struct("<4sIIQ")
PRIME = 2**32 - 5  # the largest below 2**32: any flipped bit of a seq changes the remainder
HEAD_BYTES = HEAD.size


def frame(seq: int, body: bytes) -> bytes:
    """One record, ready for one write."""
    length = len(body)
    return HEAD.pack(MARK, length, crc32(body, seq % PRIME + length), seq) + body


class Damage(NamedTuple):
    """Bytes that could not be read as records. `before` is the number of records of the chunk that lie before them."""

    offset: int
    size: int
    before: int


class Chunk(NamedTuple):
    """What one look at a segment found. `offset` is where the next look starts.

    `closed_at` is the writer's last seq once it has closed the segment, and None before.
    `unfinished` is the number of bytes after `offset` that are no whole record yet: a write under way, or the torn tail of
    a writer that died.
    """

    records: list[tuple[int, bytes]]
    offset: int
    closed_at: int | None
    damages: list[Damage]
    unfinished: int


def read_chunk(fd: int, offset: int, *, bytes_max: int, records_max: int) -> Chunk:
    """Read whole records from `offset` on, about `bytes_max` bytes of them (one more if it is larger)."""
    data = os.pread(fd, bytes_max, offset)
    whole = len(data) < bytes_max
    chunk = _parse(data, offset, whole, records_max)
    if not chunk.records and not chunk.damages and chunk.closed_at is None and not whole:
        data = os.pread(fd, bytes_max + HEAD_BYTES + BODY_BYTES_MAX, offset)
        chunk = _parse(data, offset, True, records_max)
    return chunk


def _parse(data: bytes, offset: int, whole: bool, records_max: int) -> Chunk:
    records: list[tuple[int, bytes]] = []
    damages: list[Damage] = []
    at, end = 0, len(data)
    if offset == 0:
        if end < len(HEADER) and whole:
            return Chunk(records, 0, None, damages, end)
        if data.startswith(MAGIC):
            at = len(HEADER)
    while len(records) < records_max and at < end:
        found = _record_at(data, at, end)
        if found is None:
            skipped_to = _next_record(data, at + 1, end)
            if skipped_to is None:
                if whole and _is_hopeless(data, at, end):
                    damages.append(Damage(offset + at, end - at, len(records)))
                    at = end
                break
            damages.append(Damage(offset + at, skipped_to - at, len(records)))
            at = skipped_to
            continue
        seq, body = found
        at += HEAD_BYTES + len(body)
        if not body:
            return Chunk(records, offset + at, seq, damages, 0)
        records.append((seq, body))
    return Chunk(records, offset + at, None, damages, end - at if len(records) < records_max else 0)


def _record_at(data: bytes, at: int, end: int) -> tuple[int, bytes] | None:
    if at + HEAD_BYTES > end:
        return None
    mark, length, crc, seq = HEAD.unpack_from(data, at)
    start = at + HEAD_BYTES
    if mark != MARK or length > BODY_BYTES_MAX or start + length > end:
        return None
    body = data[start : start + length]
    if crc32(body, seq % PRIME + length) != crc:
        return None
    return seq, body


def _next_record(data: bytes, at: int, end: int) -> int | None:
    """Where the next sound record starts, or None where there is none in these bytes."""
    at = data.find(MARK, at)
    while at != -1:
        if _record_at(data, at, end) is not None:
            return at
        at = data.find(MARK, at + 1)
    return None


def _is_hopeless(data: bytes, at: int, end: int) -> bool:
    """Whether these last bytes can't become a record, whatever is appended to them."""
    head = data[at : at + HEAD_BYTES]
    if not head.startswith(MARK[: len(head)]):
        return True
    if len(head) < HEAD_BYTES:
        return False
    _, length, _, _ = HEAD.unpack(head)
    return bool(length > BODY_BYTES_MAX or at + HEAD_BYTES + length <= end)
