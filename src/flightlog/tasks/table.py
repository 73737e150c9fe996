"""The tables of tasks and of the keys that make a request one, however often it is sent."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, text

from flightlog.store.contract import metadata

Int64 = BigInteger().with_variant(Integer, "sqlite")

tasks = Table(
    "tasks",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("pipeline", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("version", Int64, nullable=False),  # of the row: each write has to name the one that it read
    Column("attempt_no", Int64, nullable=False),  # from 1; a retry or another worker's turn is the next
    Column("tries", Int64, nullable=False),  # failed attempts since it was last submitted or retried by somebody
    Column("deaths", Int64, nullable=False),  # workers that died over it
    Column("round_no", Int64, nullable=False),  # from 1; the next with each retry by somebody, and held for anew
    Column("priority", Int64, nullable=False),  # larger comes first
    Column("units", Int64, nullable=False),
    Column("input", Text, nullable=False),
    Column("results", Text, nullable=False),  # of the steps that are done, by state
    Column("progress", Int64, nullable=False),  # thousandths; never falls within a round
    Column("result", Text),
    Column("result_until", Int64),
    Column("error", Text),
    Column("reason", Text),
    Column("deadline_at", Int64),
    Column("created_at", Int64, nullable=False),
    Column("updated_at", Int64, nullable=False),
    Column("finished_at", Int64),
    Column("worker_id", Text),  # who has it, while it is worked on
    Column("began_at", Int64),  # when this attempt was
    sqlite_strict=True,
)
IS_OPEN = text("state NOT IN ('SUCCEEDED', 'FAILED', 'CANCELED')")
Index("tasks_created_at", tasks.c.created_at, tasks.c.task_id)
Index("tasks_user", tasks.c.user_id, tasks.c.created_at, tasks.c.task_id)
Index("tasks_state", tasks.c.state, tasks.c.created_at, tasks.c.task_id)
_had = text("worker_id IS NOT NULL")
Index("tasks_worker", tasks.c.worker_id, sqlite_where=_had, postgresql_where=_had)
_succeeded = text("state = 'SUCCEEDED'")
Index("tasks_succeeded", tasks.c.state, tasks.c.finished_at, sqlite_where=_succeeded, postgresql_where=_succeeded)
Index("tasks_deadline", tasks.c.deadline_at, sqlite_where=IS_OPEN, postgresql_where=IS_OPEN)
_kept = text("result_until IS NOT NULL")
Index("tasks_result_until", tasks.c.result_until, sqlite_where=_kept, postgresql_where=_kept)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("route", Text, nullable=False),
    Column("body_digest", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("created_at", Int64, nullable=False),
    Column("expires_at", Int64, nullable=False),
    sqlite_strict=True,
)
Index("idempotency_keys_expires_at", idempotency_keys.c.expires_at)

task_action_idempotency = Table(
    "task_action_idempotency",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("task_id", Text, nullable=False),
    Column("action", Text, nullable=False),  # cancel, retry
    Column("answer", Text, nullable=False),
    Column("created_at", Int64, nullable=False),
    Column("expires_at", Int64, nullable=False),
    sqlite_strict=True,
)
Index("task_action_idempotency_expires_at", task_action_idempotency.c.expires_at)
