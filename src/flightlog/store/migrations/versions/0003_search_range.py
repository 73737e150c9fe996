"""Search: which events the text index holds. The index itself is made when somebody asks for it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "search_range",
        sa.Column("one", INT64, primary_key=True, autoincrement=False),
        sa.Column("first_id", INT64, nullable=False),
        sa.Column("last_id", INT64, nullable=False),
        sqlite_strict=True,
    )
