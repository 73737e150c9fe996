"""A message of the outbox, and which of them are due."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, exists, func, or_, select

from flightlog.outbox.states import DEAD, PENDING
from flightlog.outbox.table import outbox_events
from flightlog.store.contract import Tx

SECOND_NS = 1_000_000_000


class Message(msgspec.Struct, frozen=True):
    """What is to be told. `available_at`: when it is due, in nanoseconds; `attempts`: how often it was refused."""

    id: int
    event_id: str
    topic: str
    task_id: str
    payload: dict[str, Any]
    attempts: int
    available_at: int
    created_at: int


class Backlog(msgspec.Struct, frozen=True):
    """What the outbox holds. `seconds` is how long the oldest message that is due has been so; 0 where none is."""

    pending: int
    seconds: float
    dead: int


_c = outbox_events.c
_earlier = outbox_events.alias()
# Refused before, and to come again: the others of its task wait behind it. One that its sender has put off holds up nobody.
_held_up = exists().where(
    _earlier.c.task_id == _c.task_id,
    _earlier.c.status == PENDING,
    _earlier.c.attempts > 0,
    _earlier.c.id != _c.id,
    or_(_c.attempts == 0, _earlier.c.id < _c.id),
)
_DUE = (
    select(_c.id, _c.event_id, _c.topic, _c.task_id, _c.payload, _c.attempts, _c.available_at, _c.created_at)
    .where(_c.status == PENDING, _c.available_at <= bindparam("now"), ~_held_up)
    .order_by(_c.available_at, _c.id)
    .limit(bindparam("most"))
)
_NEXT = select(func.min(_c.available_at)).where(_c.status == PENDING, _c.available_at > bindparam("now"))


def due(connection: Connection, now_ns: int, most: int) -> list[Row[Any]]:
    """The rows of messages that can be told now, in the order in which they became due; of each task none before another that
    was refused.
    """
    return list(connection.execute(_DUE, {"now": now_ns, "most": most}))


def next_due_at(connection: Connection, now_ns: int) -> int | None:
    """When the next of those that are not due yet will be."""
    at: int | None = connection.scalar(_NEXT, {"now": now_ns})
    return at


def message_of(row: Row[Any]) -> Message:
    """Raises msgspec.ValidationError or DecodeError for a payload that is none."""
    said = dict(row._mapping)
    return Message(**said | {"payload": msgspec.json.decode(said["payload"], type=dict[str, Any])})


def read_backlog(connection: Connection, now_ns: int) -> Backlog:
    """By the indexes of what is pending and what is dead, however much was published."""
    pending, oldest = connection.execute(
        select(func.count(), func.min(_c.available_at)).where(_c.status == PENDING)
    ).one()
    dead = connection.scalar(select(func.count()).where(_c.status == DEAD)) or 0
    late = 0 if oldest is None else max(0, now_ns - oldest)
    return Backlog(pending, late / SECOND_NS, dead)


def read_message(tx: Tx, event_id: str) -> Row[Any] | None:
    """The row of one message, with its state and error."""
    return tx.sql.execute(select(outbox_events).where(_c.event_id == event_id)).first()
