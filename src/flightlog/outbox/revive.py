"""Having a dead message told after all."""

from __future__ import annotations

from sqlalchemy import select

from flightlog.outbox.states import DEAD, PENDING, move
from flightlog.outbox.table import outbox_events
from flightlog.store.contract import Tx


def revive(tx: Tx, event_id: str, now_ns: int) -> bool:
    """The message waits again, due now, as if it had never been refused. False where it is not DEAD, or not known."""
    id_ = tx.sql.scalar(select(outbox_events.c.id).where(outbox_events.c.event_id == event_id))
    if id_ is None:
        return False
    return bool(move(tx, [id_], DEAD, PENDING, attempts=0, error=None, available_at=now_ns))
