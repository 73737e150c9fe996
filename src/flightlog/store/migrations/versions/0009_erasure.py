"""Erasure: which payloads were erased, and by which audit event."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "erased_payloads",
        sa.Column("id", INT64, primary_key=True, autoincrement=False),
        sa.Column("erasure_id", INT64, nullable=False),
        sqlite_strict=True,
    )
