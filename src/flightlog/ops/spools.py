"""What lies in a spool folder, by producer: a look that changes nothing and needs no store."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from flightlog.config import MIB
from flightlog.recorder import segment
from flightlog.recorder.state import look_at_producer

CHUNK_BYTES = 4 * MIB
CHUNK_RECORDS = 10_000
QUARANTINE_FOLDER = "quarantine"


class Spool(msgspec.Struct, kw_only=True):
    """What one producer has in the spool.

    `events` wait to be delivered (those that were, and whose segment is still there, are left out where the store can
    be asked). `lost` were dropped and not reported yet. `whole` is False when not everything was looked at.
    """

    producer_id: str
    alive: bool = False
    pid: int | None = None
    segments: int = 0
    bytes: int = 0
    events: int = 0
    damaged_bytes: int = 0
    lost: int = 0
    whole: bool = True


def look_at_spool(
    folder: Path, position: Callable[[str], int] | None = None, *, bytes_max: int | None = None
) -> list[Spool]:
    """Every producer's part of the spool. `position` says how far a segment was delivered; None counts from its start.

    At most about `bytes_max` bytes are read; sizes are always complete.
    """
    spools: dict[str, Spool] = {}
    left = bytes_max
    for name in _names(folder):
        producer_id = name.split(".", 1)[0]
        spool = spools.get(producer_id)
        if spool is None:
            spool = spools[producer_id] = _producer(folder, producer_id)
        if name.endswith(segment.SUFFIX):
            read = _look_at_segment(folder / name, spool, position, left)
            left = None if left is None else max(left - read, 0)
    return list(spools.values())


def quarantined(folder: Path) -> dict[str, int]:
    """The files that the drain put refused events into, and how many are in each."""
    found = {}
    try:
        for path in sorted((folder / QUARANTINE_FOLDER).iterdir()):
            with path.open("rb") as lines:
                found[path.name] = sum(1 for _ in lines)
    except OSError:
        pass  # no folder: nothing was ever refused
    return found


def _names(folder: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith((segment.SUFFIX, segment.STATE_SUFFIX)))
    except OSError:
        return []


def _producer(folder: Path, producer_id: str) -> Spool:
    try:
        alive, state = look_at_producer(folder, producer_id)
    except OSError:
        return Spool(producer_id=producer_id, alive=True)  # not ours to open: whoever it is, it is not known to be dead
    lost = sum(loss.count for loss in state.losses) if state else 0
    return Spool(producer_id=producer_id, alive=alive, pid=state.pid if state else None, lost=lost)


def _look_at_segment(path: Path, spool: Spool, position: Callable[[str], int] | None, bytes_max: int | None) -> int:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0  # delivered in this moment
    try:
        if os.pread(fd, 1, segment.STATE_OFFSET) == segment.DELIVERED:
            return 0
        spool.segments += 1
        spool.bytes += os.fstat(fd).st_size
        first = offset = position(path.name) if position else 0
        while bytes_max is None or offset - first < bytes_max:
            chunk = segment.read_chunk(fd, offset, bytes_max=CHUNK_BYTES, records_max=CHUNK_RECORDS)
            spool.events += len(chunk.records)
            spool.damaged_bytes += sum(damage.size for damage in chunk.damages)
            if chunk.closed_at is not None or chunk.offset == offset:
                return chunk.offset - first
            offset = chunk.offset
        spool.whole = False
        return offset - first
    finally:
        os.close(fd)
