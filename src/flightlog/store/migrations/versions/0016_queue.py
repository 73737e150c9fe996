"""The queue, the workers, and which of them has a task. What a task is a replay of is said by its dead letters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.drop_column("tasks", "replay_of")
    op.add_column("tasks", sa.Column("worker_id", sa.Text))
    op.add_column("tasks", sa.Column("began_at", INT64))
    _create_index("tasks_worker", "tasks", ["worker_id"], "worker_id IS NOT NULL")
    _create_index("tasks_result_until", "tasks", ["result_until"], "result_until IS NOT NULL")
    _create_index("outbox_events_dead", "outbox_events", ["id"], "status = 'DEAD'")
    _queue()
    _workers()


def _queue() -> None:
    op.create_table(
        "queue_jobs",
        sa.Column("job_id", sa.Text, primary_key=True),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("task_id", sa.Text, nullable=False),
        sa.Column("attempt_no", INT64, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("priority", INT64, nullable=False),
        sa.Column("turn", INT64, nullable=False),
        sa.Column("worker_id", sa.Text),
        sa.Column("submitted_at", INT64, nullable=False),
        sa.Column("claimed_at", INT64),
        sqlite_strict=True,
    )
    _create_index(
        "queue_jobs_waiting", "queue_jobs", ["queue", sa.text("priority DESC"), "turn", "job_id"], "worker_id IS NULL"
    )
    _create_index("queue_jobs_worker", "queue_jobs", ["worker_id"], "worker_id IS NOT NULL")
    op.create_table(
        "queue_turns",
        sa.Column("queue", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("turn", INT64, nullable=False),
        sqlite_strict=True,
    )


def _workers() -> None:
    op.create_table(
        "workers",
        sa.Column("worker_id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("queues", sa.Text, nullable=False),
        sa.Column("concurrency", INT64, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", INT64, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("started_at", INT64, nullable=False),
        sa.Column("seen_at", INT64, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("workers_state", "workers", ["state", "seen_at"])
    op.create_table(
        "leases",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("until", INT64, nullable=False),
        sqlite_strict=True,
    )


def _create_index(name: str, table: str, columns: list[str | sa.TextClause], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
