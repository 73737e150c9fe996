"""What waits in the spool: a look at the ends of its files, and at one event of each producer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from flightlog.config import MIB
from flightlog.events import wire
from flightlog.recorder import segment

PRODUCERS_MAX = 64  # whose oldest event is looked at
FIRST_EVENT_BYTES = MIB


class Waiting(NamedTuple):
    """How much is in the spool, how much of it is not delivered, and when the oldest event of that was recorded (ns)."""

    bytes: int
    segments: int
    backlog_bytes: int
    oldest_at: int | None


def look(spool: Path, positions: Mapping[str, int]) -> Waiting:
    """The spool as it is now. `positions` say how far each segment was delivered."""
    size = segments = backlog = 0
    oldest: dict[str, tuple[Path, int]] = {}
    for path, length in sorted(_segments(spool)):
        size += length
        segments += 1
        left = length - max(positions.get(path.name, 0), len(segment.HEADER))
        if left > 0 and not _is_delivered(path):
            backlog += left
            producer = path.name.split(".", 1)[0]
            if producer not in oldest and len(oldest) < PRODUCERS_MAX:
                oldest[producer] = path, positions.get(path.name, 0)
    times = [at for path, offset in oldest.values() if (at := _first_at(path, offset)) is not None]
    return Waiting(size, segments, backlog, min(times, default=None))


def _segments(spool: Path) -> Iterator[tuple[Path, int]]:
    try:
        with os.scandir(spool) as entries:
            for entry in entries:
                if entry.name.endswith(segment.SUFFIX):
                    try:
                        yield spool / entry.name, entry.stat().st_size
                    except FileNotFoundError:
                        continue  # delivered in this moment
    except FileNotFoundError:
        return


def _is_delivered(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return os.pread(file.fileno(), 1, segment.STATE_OFFSET) == segment.DELIVERED
    except OSError:
        return True


def _first_at(path: Path, offset: int) -> int | None:
    try:
        with path.open("rb") as file:
            chunk = segment.read_chunk(file.fileno(), offset, bytes_max=FIRST_EVENT_BYTES, records_max=1)
        return wire.decode(chunk.records[0][1]).created_at if chunk.records else None
    except (OSError, msgspec.DecodeError):
        return None
