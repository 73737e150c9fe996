"""Tasks with their keys, the outbox, and the ledger of usage."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _tasks()
    _keys()
    _outbox()
    _usage()


def _tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("task_id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("pipeline", "queue", "project", "user_id", "state")),
        *(
            sa.Column(name, INT64, nullable=False)
            for name in ("version", "attempt_no", "tries", "deaths", "round_no", "priority", "units")
        ),
        sa.Column("input", sa.Text, nullable=False),
        sa.Column("results", sa.Text, nullable=False),
        sa.Column("progress", INT64, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("result_until", INT64),
        sa.Column("error", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("deadline_at", INT64),
        sa.Column("replay_of", sa.Text),
        sa.Column("created_at", INT64, nullable=False),
        sa.Column("updated_at", INT64, nullable=False),
        sa.Column("finished_at", INT64),
        sqlite_strict=True,
    )
    op.create_index("tasks_created_at", "tasks", ["created_at", "task_id"])
    op.create_index("tasks_user", "tasks", ["user_id", "created_at", "task_id"])
    op.create_index("tasks_state", "tasks", ["state", "created_at", "task_id"])
    _create_index("tasks_deadline", "tasks", ["deadline_at"], "state NOT IN ('SUCCEEDED', 'FAILED', 'CANCELED')")


def _keys() -> None:
    for table, said in (
        ("idempotency_keys", ("route", "body_digest")),
        ("task_action_idempotency", ("task_id", "action")),
    ):
        op.create_table(
            table,
            sa.Column("user_id", sa.Text, primary_key=True),
            sa.Column("key", sa.Text, primary_key=True),
            *(sa.Column(name, sa.Text, nullable=False) for name in said),
            sa.Column("answer", sa.Text, nullable=False),
            sa.Column("created_at", INT64, nullable=False),
            sa.Column("expires_at", INT64, nullable=False),
            sqlite_strict=True,
        )
        op.create_index(f"{table}_expires_at", table, ["expires_at"])


def _outbox() -> None:
    op.create_table(
        "outbox_events",
        sa.Column("id", INT64, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("event_id", "topic", "task_id", "payload", "status")),
        *(sa.Column(name, INT64, nullable=False) for name in ("attempts", "available_at", "created_at")),
        sa.Column("published_at", INT64),
        sa.Column("error", sa.Text),
        sqlite_strict=True,
    )
    op.create_index("outbox_events_event_id", "outbox_events", ["event_id"], unique=True)
    _create_index("outbox_events_pending", "outbox_events", ["available_at", "id"], "status = 'PENDING'")
    op.create_index("outbox_events_task", "outbox_events", ["task_id", "id"])


def _usage() -> None:
    op.create_table(
        "usage_ledger",
        sa.Column("id", INT64, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("user_id", "task_id", "status", "source")),
        sa.Column("units", INT64, nullable=False),
        sa.Column("created_at", INT64, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("usage_ledger_once", "usage_ledger", ["user_id", "task_id", "status", "source"], unique=True)
    op.create_index("usage_ledger_task", "usage_ledger", ["task_id", "id"])
    op.create_table(
        "usage_accounts",
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("units_max", INT64),
        sa.Column("held", INT64, nullable=False),
        sa.Column("committed", INT64, nullable=False),
        sa.CheckConstraint("held >= 0 AND committed >= 0", name="usage_accounts_no_debt"),
        sa.CheckConstraint("units_max IS NULL OR held + committed <= units_max", name="usage_accounts_in_bounds"),
        sqlite_strict=True,
    )


def _create_index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
