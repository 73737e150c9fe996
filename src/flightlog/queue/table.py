"""The tables of the store's own queue: the jobs that wait or run, and whose turn it was last."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, text

from flightlog.store.contract import metadata

Int64 = BigInteger().with_variant(Integer, "sqlite")

queue_jobs = Table(
    "queue_jobs",
    metadata,
    Column("job_id", Text, primary_key=True),  # one attempt of a task: `<task id>.<attempt no>`
    Column("queue", Text, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("attempt_no", Int64, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("priority", Int64, nullable=False),  # larger comes first
    Column("turn", Int64, nullable=False),  # smaller comes first among those of one priority
    Column("worker_id", Text),  # who has it; null while it waits
    Column("submitted_at", Int64, nullable=False),
    Column("claimed_at", Int64),
    sqlite_strict=True,
)
_waiting = text("worker_id IS NULL")
_claimed = text("worker_id IS NOT NULL")
Index(
    "queue_jobs_waiting",
    queue_jobs.c.queue,
    queue_jobs.c.priority.desc(),
    queue_jobs.c.turn,
    queue_jobs.c.job_id,
    sqlite_where=_waiting,
    postgresql_where=_waiting,
)
Index("queue_jobs_worker", queue_jobs.c.worker_id, sqlite_where=_claimed, postgresql_where=_claimed)

queue_turns = Table(
    "queue_turns",
    metadata,
    Column("queue", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),  # empty: the queue's own clock, the highest turn that was claimed
    Column("turn", Int64, nullable=False),
    sqlite_strict=True,
)
