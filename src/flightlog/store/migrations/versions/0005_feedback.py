"""Feedback on generations, spans and runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# A generation with what was said of it, a row for each; one that nobody judged has one row too.
_VIEW = """
CREATE VIEW trace_feedback AS
SELECT generations.*, feedback.feedback_id, feedback.kind AS feedback_kind, feedback.name AS feedback_name,
    feedback.value_number, feedback.value_text, feedback.comment, feedback.given_by,
    feedback.actor AS feedback_actor, feedback.created_at AS feedback_created_at
FROM generations LEFT JOIN feedback ON feedback.generation_id = generations.generation_id
"""


def upgrade() -> None:
    op.create_table(
        "feedback",
        sa.Column("feedback_id", sa.Text, primary_key=True),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("id", INT64, nullable=False),
        sa.Column("target_id", sa.Text, nullable=False),
        sa.Column("target_type", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column(
            "generation_id",
            sa.Text,
            sa.ForeignKey("generations.generation_id", deferrable=True, initially="DEFERRED"),
        ),
        sa.Column("run_id", sa.Text),
        sa.Column("span_id", sa.Text),
        sa.Column("project", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("value_number", sa.REAL),
        sa.Column("value_text", sa.Text),
        sa.Column("comment", sa.Text),
        sa.Column("given_by", sa.Text),
        sa.Column("actor", sa.Text),
        sa.Column("source", sa.Text),
        sa.Column("key", sa.Text),
        sa.Column("created_at", INT64, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("feedback_created_at", "feedback", ["created_at", "feedback_id"])
    op.create_index("feedback_target", "feedback", ["target_id"])
    for column in ("generation_id", "run_id", "span_id"):
        _create_index(f"feedback_{column}", "feedback", [column], f"{column} IS NOT NULL")
    _create_index("feedback_pending", "feedback", ["target_id"], "status = 'pending'")
    op.create_table(
        "feedback_events",
        sa.Column("id", INT64, primary_key=True, autoincrement=False),
        sa.Column("feedback_id", sa.Text, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("feedback_events_feedback", "feedback_events", ["feedback_id", "id"])
    op.execute(_VIEW)
    # What was said before there was a table for it is taken in afterwards.
    op.execute("INSERT INTO projections SELECT 'feedback', 0, last_id FROM journal_head")


def _create_index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
