"""Attributes of OpenTelemetry records that no mapping understood, counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "unmapped_attributes",
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("count", INT64, nullable=False),
        sa.Column("first_at", INT64, nullable=False),
        sa.Column("last_at", INT64, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sqlite_strict=True,
    )
