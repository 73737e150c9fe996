"""Rows that retention took out of the journal: which ids, by which audit event, and how the rows go.

A removal is an audit event that names how many events went, the first and the last of them, and the SHA-256 of all ids as
stretches. The stretches themselves are in the table `removals`, packed: an archive file's ids lie between those of others, and
there are too many stretches for a payload. Who adds to them later has to change the digest in an event that is sealed.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple

import msgspec
from sqlalchemy import Column, Connection, Index, LargeBinary, Table, delete, select, tuple_

from flightlog.journal.changes import note_change
from flightlog.journal.index import forget
from flightlog.journal.lookup import chunks, rows_at
from flightlog.journal.table import Int64, erased_payloads, event_payloads, run_events, span_places
from flightlog.store.contract import Tx, metadata

REMOVAL = "retention.remove"  # the operation of the audit events that tell of removals
KEPT_MAX = 64  # removals whose stretches are kept at hand

removals = Table(
    "removals",
    metadata,
    Column("removal_id", Int64, primary_key=True, autoincrement=False),  # the journal id of the audit event
    Column("removed_at", Int64, nullable=False),
    Column("first_id", Int64, nullable=False),
    Column("last_id", Int64, nullable=False),
    Column("events", Int64, nullable=False),
    Column("ranges", LargeBinary, nullable=False),  # see pack
    sqlite_strict=True,
)
Index("removals_last_id", removals.c.last_id)

Ranges = Sequence[tuple[int, int]]


def ranges_of(ids: Iterable[int]) -> list[tuple[int, int]]:
    """Rising ids as stretches without gaps, both ends included.

    >>> ranges_of([3, 4, 5, 9])
    [(3, 5), (9, 9)]
    """
    found: list[tuple[int, int]] = []
    for row_id in ids:
        if found and found[-1][1] == row_id - 1:
            found[-1] = (found[-1][0], row_id)
        else:
            found.append((row_id, row_id))
    return found


def digest_of(ranges: Ranges) -> str:
    """SHA-256 in hex over the stretches as JSON without spaces: `[[3,5],[9,9]]`."""
    return sha256(msgspec.json.encode(ranges)).hexdigest()


def pack(ranges: Ranges) -> bytes:
    """The stretches as distances and lengths by turns, each a LEB128 number, deflated.

    >>> unpack(pack([(3, 5), (9, 9)]))
    [(3, 5), (9, 9)]
    """
    made, last = bytearray(), 0
    for first, end in ranges:
        for number in (first - last, end - first):
            while number > 0x7F:
                made.append(number & 0x7F | 0x80)
                number >>= 7
            made.append(number)
        last = end
    return zlib.compress(bytes(made))


def unpack(data: bytes) -> list[tuple[int, int]]:
    """What `pack` made. Raises ValueError for anything else."""
    numbers: list[int] = []
    number = shift = 0
    try:
        for byte in zlib.decompress(data):
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                numbers.append(number)
                number = shift = 0
    except zlib.error as error:
        raise ValueError(str(error)) from error
    made, last = [], 0
    for distance, length in zip(numbers[::2], numbers[1::2], strict=True):
        made.append((last + distance, last + distance + length))
        last += distance + length
    return made


def note_removal(tx: Tx, removal_id: int, removed_at: int, ranges: Ranges) -> None:
    """Keep which ids a removal took; in its transaction."""
    count = sum(last - first + 1 for first, last in ranges)
    tx.insert_many(
        (removals, [(removal_id, removed_at, ranges[0][0], ranges[-1][1], count, pack(ranges))]),
    )


def remove_rows(tx: Tx, ids: Sequence[int]) -> None:
    """Delete these events from the journal's tables: rows, payloads, their words in the text index, the places of their spans."""
    note_change(tx)
    for some in chunks(ids):
        forget(tx, some)
        spans = select(run_events.c.span_id, run_events.c.id).where(
            run_events.c.id.in_(some), run_events.c.span_id.is_not(None)
        )
        places = [tuple(row) for row in tx.sql.execute(spans)]
        if places:
            key = tuple_(span_places.c.span_id, span_places.c.id)
            tx.sql.execute(delete(span_places).where(key.in_(places)))
        for table in (event_payloads, erased_payloads, run_events):
            tx.sql.execute(delete(table).where(table.c.id.in_(some)))


def rows_left(connection: Connection, ids: Sequence[int]) -> set[int]:
    """Which of these events are still in the journal's tables."""
    left: set[int] = set()
    for some in chunks(ids):
        left.update(connection.execute(select(run_events.c.id).where(run_events.c.id.in_(some))).scalars())
    return left


def removed_when(connection: Connection, row_id: int) -> int | None:
    """When this event was removed, in nanoseconds since 1970; None where no removal took it."""
    asked = select(removals.c.removed_at, removals.c.ranges).where(
        removals.c.last_id >= row_id, removals.c.first_id <= row_id
    )
    for removed_at, data in connection.execute(asked):
        if _inside(unpack(data), [row_id]):
            return int(removed_at)
    return None


# ── what was removed, for whoever finds a gap ────────────────────────────────────────────────────────────────────────


class _Details(msgspec.Struct):
    ranges_digest: str = ""


class _Said(msgspec.Struct):
    operation: str = ""
    details: _Details = msgspec.field(default_factory=_Details)


class Removed(NamedTuple):
    """A removal whose audit event is there and has the digest of these stretches."""

    removal_id: int
    ranges: list[tuple[int, int]]


class Removals:
    """Which ids were removed, by the audit events that say so. Whether those are the ones that were sealed is for the caller
    to see. For one reader; keeps the stretches of the last few removals at hand.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[int, list[tuple[int, int]]] = OrderedDict()

    def by_removal(self, connection: Connection, ids: Collection[int]) -> dict[int, list[int]]:
        """Those of these ids that an audit event says were removed, under the journal id of that event."""
        left = sorted(ids)
        found: dict[int, list[int]] = {}
        if not left:
            return found
        asked = (
            select(removals.c.removal_id)
            .where(removals.c.last_id >= left[0], removals.c.first_id <= left[-1])
            .order_by(removals.c.removal_id)
        )
        for removal_id in connection.execute(asked).scalars().all():
            inside = _inside(self._ranges(connection, removal_id), left)
            if inside:
                found[removal_id] = inside
                left = sorted(set(left).difference(inside))
            if not left:
                break
        return found

    def _ranges(self, connection: Connection, removal_id: int) -> list[tuple[int, int]]:
        """Its stretches; none where the audit event does not bear them out."""
        if removal_id in self._kept:
            self._kept.move_to_end(removal_id)
            return self._kept[removal_id]
        ranges = claimed_by(connection, removal_id)
        self._kept[removal_id] = ranges
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return ranges


def claimed_by(connection: Connection, removal_id: int) -> list[tuple[int, int]]:
    """The stretches of this removal; none where there is no such event, or it has another digest."""
    data = connection.execute(select(removals.c.ranges).where(removals.c.removal_id == removal_id)).scalar()
    rows = rows_at(connection, ("id", "type", "payload"), [removal_id])
    if data is None or not rows or rows[0][1] != "audit":
        return []
    try:
        said = msgspec.json.decode(rows[0][2] or "{}", type=_Said)
        ranges = unpack(data)
    except (msgspec.DecodeError, ValueError):
        return []
    fits = said.operation == REMOVAL and said.details.ranges_digest == digest_of(ranges)
    return ranges if fits else []


def _inside(ranges: Ranges, ids: Sequence[int]) -> list[int]:
    """Those of the rising ids that lie in the stretches."""
    found, at = [], 0
    for row_id in ids:
        while at < len(ranges) and ranges[at][1] < row_id:
            at += 1
        if at == len(ranges):
            break
        if ranges[at][0] <= row_id:
            found.append(row_id)
    return found
