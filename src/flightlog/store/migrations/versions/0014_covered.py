"""Model calls that are told twice, as by a framework and by the client below it, are marked, and count once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")

_ENCLOSING = sa.text("request_id IS NOT NULL AND span_id IS NOT NULL")


def upgrade() -> None:
    op.execute("DROP VIEW generation_traces")
    op.add_column("generations", sa.Column("covered", INT64))
    op.execute("CREATE VIEW generation_traces AS SELECT * FROM generations")
    op.create_index(
        "generations_enclosing",
        "generations",
        ["span_id"],
        sqlite_where=_ENCLOSING,
        postgresql_where=_ENCLOSING,
    )
