"""The outbox's table: messages with the task whose order they keep, and what became of each."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, text

from flightlog.store.contract import metadata

Int64 = BigInteger().with_variant(Integer, "sqlite")

outbox_events = Table(
    "outbox_events",
    metadata,
    Column("id", Int64, primary_key=True),  # in the order in which they were put
    Column("event_id", Text, nullable=False),
    Column("topic", Text, nullable=False),  # what happened: task.created, task.retried, task.succeeded
    Column("task_id", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("status", Text, nullable=False),  # PENDING, PUBLISHED, DEAD
    Column("attempts", Int64, nullable=False),
    Column("available_at", Int64, nullable=False),
    Column("created_at", Int64, nullable=False),
    Column("published_at", Int64),
    Column("error", Text),
    sqlite_strict=True,
)
_pending = text("status = 'PENDING'")
Index("outbox_events_event_id", outbox_events.c.event_id, unique=True)
Index(
    "outbox_events_pending",
    outbox_events.c.available_at,
    outbox_events.c.id,
    sqlite_where=_pending,
    postgresql_where=_pending,
)
_dead = text("status = 'DEAD'")
Index("outbox_events_dead", outbox_events.c.id, sqlite_where=_dead, postgresql_where=_dead)
Index("outbox_events_task", outbox_events.c.task_id, outbox_events.c.id)
