"""Putting a message into the outbox, in the transaction of what it tells of."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import insert

from flightlog.outbox.states import DEAD, PENDING, PUBLISHED
from flightlog.outbox.table import outbox_events
from flightlog.store.contract import Tx

__all__ = ["DEAD", "PENDING", "PUBLISHED", "put"]


def put(
    tx: Tx, *, event_id: str, topic: str, task_id: str, now_ns: int, available_at: int | None = None, **payload: Any
) -> None:
    """Have this told once `available_at` (nanoseconds; at once where none is given) has come. `event_id` makes it one message,
    however often it arrives.
    """
    tx.sql.execute(
        insert(outbox_events).values(
            event_id=event_id,
            topic=topic,
            task_id=task_id,
            payload=msgspec.json.encode(payload).decode(),
            status=PENDING,
            attempts=0,
            available_at=now_ns if available_at is None else available_at,
            created_at=now_ns,
        )
    )
