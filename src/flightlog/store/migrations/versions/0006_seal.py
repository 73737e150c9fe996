"""The seal: how far it goes, and each event's salt."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "seal_state",
        sa.Column("one", INT64, primary_key=True, autoincrement=False),
        sa.Column("size", INT64, nullable=False),
        sa.Column("sealed_at", INT64, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "seal_salts",
        sa.Column("id", INT64, primary_key=True, autoincrement=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sqlite_strict=True,
    )
