"""A span is found by its id."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_OF_A_SPAN = "span_id IS NOT NULL AND type IN ('span_started', 'span_finished', 'llm_response', 'tool_result')"


def upgrade() -> None:
    op.create_table(
        "span_places",
        sa.Column("span_id", sa.Text, primary_key=True),
        sa.Column("id", INT64, primary_key=True, autoincrement=False),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "span_range",
        sa.Column("one", INT64, primary_key=True, autoincrement=False),
        sa.Column("last_id", INT64, nullable=False),
        sqlite_strict=True,
    )
    op.execute(
        f"INSERT INTO span_places SELECT span_id, id FROM run_events WHERE {_OF_A_SPAN} ORDER BY span_id, id"  # noqa: S608
    )
    op.execute("INSERT INTO span_range SELECT 1, last_id FROM journal_head")
