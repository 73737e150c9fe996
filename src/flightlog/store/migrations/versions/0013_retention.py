"""Retention: legal holds, and which ids each removal took."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "removals",
        sa.Column("removal_id", INT64, primary_key=True, autoincrement=False),
        *(sa.Column(name, INT64, nullable=False) for name in ("removed_at", "first_id", "last_id", "events")),
        sa.Column("ranges", sa.LargeBinary, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("removals_last_id", "removals", ["last_id"])
    op.create_table(
        "retention_holds",
        sa.Column("hold_id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("selection", "filter", "reason", "actor")),
        *(sa.Column(name, INT64, nullable=False) for name in ("placed_at", "placed_id")),
        sa.Column("released_at", INT64),
        *(sa.Column(name, sa.Text) for name in ("released_by", "release_reason")),
        sa.Column("released_id", INT64),
        sqlite_strict=True,
    )
    standing = sa.text("released_at IS NULL")
    op.create_index(
        "retention_holds_standing",
        "retention_holds",
        ["placed_at"],
        sqlite_where=standing,
        postgresql_where=standing,
    )
