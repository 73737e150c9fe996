"""Erased payloads in the spool: records that were delivered already lie in segments until these are full.

A record is written over in its place, by one of the same length with the payload gone: its number stays, its checksum fits,
and the recorder that appends to the file does not notice.
"""

from __future__ import annotations

import os
from collections.abc import Set as AbstractSet
from pathlib import Path

import msgspec

from flightlog.events import wire
from flightlog.recorder.losses import QUARANTINE
from flightlog.recorder.segment import HEAD_BYTES, HEADER, SUFFIX, frame, read_chunk

CHUNK_BYTES, CHUNK_RECORDS = 4 * 1024 * 1024, 10_000
_PAYLOAD = b'"payload":'


def overwrite_in_spool(spool: Path, event_ids: AbstractSet[str]) -> int:
    """Blank the payloads of these events in every segment and in quarantine; the number of records that were written over."""
    if not spool.is_dir():
        return 0
    count = sum(_overwrite_segment(path, event_ids) for path in sorted(spool.glob(f"*{SUFFIX}")))
    folder = spool / QUARANTINE
    if folder.is_dir():
        count += sum(_overwrite_lines(path, event_ids) for path in sorted(folder.glob("*.jsonl")))
    return count


def _overwrite_segment(path: Path, event_ids: AbstractSet[str]) -> int:
    count = 0
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0  # delivered and removed meanwhile
    try:
        offset = 0
        while True:
            chunk = read_chunk(fd, offset, bytes_max=CHUNK_BYTES, records_max=CHUNK_RECORDS)
            if chunk.damages:
                count += _overwrite_found(fd, offset, chunk.offset, event_ids)
            else:
                count += _overwrite_records(fd, offset or len(HEADER), chunk.records, event_ids)
            if chunk.offset == offset or chunk.closed_at is not None:
                break
            offset = chunk.offset
        os.fsync(fd)
    finally:
        os.close(fd)
    return count


def _overwrite_records(fd: int, at: int, records: list[tuple[int, bytes]], event_ids: AbstractSet[str]) -> int:
    count = 0
    for seq, body in records:
        blank = _without_payload(body, event_ids)
        if blank is not None:
            os.pwrite(fd, frame(seq, blank), at)
            count += 1
        at += HEAD_BYTES + len(body)
    return count


def _overwrite_found(fd: int, start: int, end: int, event_ids: AbstractSet[str]) -> int:
    """A stretch with damage in it, record by record."""
    count, at = 0, start
    while at < end:
        chunk = read_chunk(fd, at, bytes_max=CHUNK_BYTES, records_max=1)
        if chunk.offset == at:
            break
        if chunk.records:
            seq, body = chunk.records[0]
            count += _overwrite_records(fd, chunk.offset - HEAD_BYTES - len(body), [(seq, body)], event_ids)
        at = chunk.offset
    return count


def _overwrite_lines(path: Path, event_ids: AbstractSet[str]) -> int:
    """Lines of the quarantine; what can't be read as an event is nobody's payload that we know of."""
    count = 0
    with path.open("r+b") as file:
        at = 0
        for line in file.read().split(b"\n"):
            blank = _without_payload(line, event_ids)
            if blank is not None:
                file.seek(at)
                file.write(blank)
                count += 1
            at += len(line) + 1
        file.flush()
        os.fsync(file.fileno())
    return count


def _without_payload(body: bytes, event_ids: AbstractSet[str]) -> bytes | None:
    """The event with an empty payload, in as many bytes; None where it is none of these, or has none."""
    start = body.find(_PAYLOAD)
    if start == -1:
        return None
    try:
        event = wire.decode(body)
    except (msgspec.DecodeError, ValueError):
        return None
    if event.event_id not in event_ids or bytes(event.payload) == b"{}":
        return None
    event.payload = msgspec.Raw(b"{}")
    blank = wire.encode(event)
    if len(blank) > len(body):
        return None
    return blank[:-1] + b" " * (len(body) - len(blank)) + blank[-1:]
