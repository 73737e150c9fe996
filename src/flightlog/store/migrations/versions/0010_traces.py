"""The index of traces leaves out those that are a run of the same id: the index of runs finds them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_ELSEWHERE = sa.text("trace_id <> coalesce(run_id, '')")


def upgrade() -> None:
    op.drop_index("run_events_trace", "run_events")
    op.create_index(
        "run_events_trace",
        "run_events",
        ["trace_id", "id"],
        sqlite_where=_ELSEWHERE,
        postgresql_where=_ELSEWHERE,
    )
