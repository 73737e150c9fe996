"""Audit records and decisions on permissions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TEXTS = (
    "subject_type", "subject_id", "actor", "source", "operation", "status", "capability", "decision", "rule", "approver",
    "reason",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "audits",
        sa.Column("id", INT64, primary_key=True, autoincrement=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("created_at", INT64, nullable=False),
        sa.Column("project", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text),
        sa.Column("task_id", sa.Text),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        *(sa.Column(name, sa.Text) for name in _TEXTS),
        sa.Column("expires_at", INT64),
        sa.Column("action_digest", sa.Text),
        sa.Column("correlation_id", sa.Text),
        sa.Column("orphan", sa.Text, nullable=False),
        sa.Column("run_missing", INT64, nullable=False),
        sa.Column("task_missing", INT64, nullable=False),
        sa.Column("adopted_at", INT64),
        sa.Column("adopted_by", INT64),
        sqlite_strict=True,
    )
    op.create_index("audits_created_at", "audits", ["created_at", "id"])
    op.create_index("audits_operation", "audits", ["operation", "created_at", "id"])
    for column in ("run_id", "task_id", "actor", "subject_id", "capability", "correlation_id"):
        _create_index(f"audits_{column}", [column, "created_at", "id"], f"{column} IS NOT NULL")
    for what in ("run", "task"):
        _create_index(f"audits_{what}_missing", [f"{what}_id"], f"{what}_missing = 1")
    _create_index("audits_orphaned", ["created_at", "id"], "orphan = 'orphaned'")
    # What was said before there was a table for it is taken in afterwards.
    op.execute("INSERT INTO projections SELECT 'audits', 0, last_id FROM journal_head")


def _create_index(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "audits", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
