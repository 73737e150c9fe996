"""Putting a message into the outbox, in the transaction of what it tells of."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import bindparam, insert

from flightlog.outbox.states import DEAD, PENDING, PUBLISHED
from flightlog.outbox.table import outbox_events
from flightlog.store.contract import Tx
from flightlog.store.prepared import Prepared

__all__ = ["DEAD", "PENDING", "PUBLISHED", "put"]

_GIVEN = ("event_id", "topic", "task_id", "payload", "status", "attempts", "available_at", "created_at")
_PUT = Prepared(insert(outbox_events).values({name: bindparam(name) for name in _GIVEN}))


def put(
    tx: Tx, *, event_id: str, topic: str, task_id: str, now_ns: int, available_at: int | None = None, **payload: Any
) -> None:
    """Have this told once `available_at` (nanoseconds; at once where none is given) has come. `event_id` makes it one message,
    however often it arrives.
    """
    _PUT.run(
        tx,
        event_id=event_id,
        topic=topic,
        task_id=task_id,
        payload=msgspec.json.encode(payload).decode(),
        status=PENDING,
        attempts=0,
        available_at=now_ns if available_at is None else available_at,
        created_at=now_ns,
    )
