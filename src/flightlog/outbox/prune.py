"""Dropping messages that were handed over long ago, a few at a time."""

from __future__ import annotations

from sqlalchemy import delete, select

from flightlog.outbox.states import PUBLISHED
from flightlog.outbox.table import outbox_events
from flightlog.store.contract import Store

PIECE = 500  # rows looked at, and at most so many deleted, in one transaction


def prune(store: Store, before_ns: int, after_id: int = 0) -> tuple[int, int]:
    """Drop one piece of the messages PUBLISHED before then, in the order of their ids: how many, and the id to go on after.

    Nothing more is to be had where that id is the one that was given. The walk ends at the first that is too young.
    """
    c = outbox_events.c
    with store.read() as connection:
        rows = connection.execute(
            select(c.id, c.status, c.published_at).where(c.id > after_id).order_by(c.id).limit(PIECE)
        ).all()
    old: list[int] = []
    reached = after_id
    for row in rows:
        if row.status == PUBLISHED:
            if row.published_at >= before_ns:
                break
            old.append(row.id)
        reached = row.id
    if old:
        gone = delete(outbox_events).where(c.id.in_(old), c.status == PUBLISHED)
        store.write(lambda tx: tx.sql.execute(gone).rowcount)
    return len(old), reached
