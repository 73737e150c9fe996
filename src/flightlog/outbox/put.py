"""Putting a message into the outbox, in the transaction of what it tells of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import bindparam, insert

from flightlog.outbox.states import DEAD, PENDING, PUBLISHED
from flightlog.outbox.table import outbox_events
from flightlog.store.contract import Tx
from flightlog.store.prepared import Prepared

__all__ = ["DEAD", "PENDING", "PUBLISHED", "NewMessage", "new_message", "put", "put_all"]


class NewMessage(NamedTuple):
    """A message as its row has it before anybody was told."""

    event_id: str
    topic: str
    task_id: str
    payload: str
    status: str
    attempts: int
    available_at: int
    created_at: int


def new_message(
    *, event_id: str, topic: str, task_id: str, now_ns: int, available_at: int | None = None, **payload: Any
) -> NewMessage:
    """What is to be told once `available_at` (nanoseconds; at once where none is given) has come. `event_id` makes it one
    message, however often it arrives.
    """
    due = now_ns if available_at is None else available_at
    return NewMessage(event_id, topic, task_id, msgspec.json.encode(payload).decode(), PENDING, 0, due, now_ns)


def put(tx: Tx, **said: Any) -> None:
    """Have one message told, see `new_message`."""
    put_all(tx, [new_message(**said)])


def put_all(tx: Tx, messages: Sequence[NewMessage]) -> None:
    """Have these told, in their order."""
    if len(messages) == 1:
        _PUT.run(tx, **messages[0]._asdict())
    elif messages:
        tx.insert_rows(outbox_events, NewMessage._fields, messages)


_PUT = Prepared(insert(outbox_events).values({name: bindparam(name) for name in NewMessage._fields}))
