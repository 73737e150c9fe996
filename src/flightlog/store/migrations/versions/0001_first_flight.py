"""First flight: the journal and the run summaries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _journal()
    _runs()


def _journal() -> None:
    op.create_table(
        "run_events",
        sa.Column("id", INT64, primary_key=True, autoincrement=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("created_at", INT64, nullable=False),
        sa.Column("run_id", sa.Text),
        sa.Column("project", sa.Text, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("source", sa.Text),
        sa.Column("actor", sa.Text),
        sa.Column("trace_id", sa.Text),
        sa.Column("span_id", sa.Text),
        sa.Column("parent_span_id", sa.Text),
        sa.Column("task_id", sa.Text),
        sa.Column("correlation_id", sa.Text),
        sa.Column("status", sa.Text),
        sa.Column("duration_ns", INT64),
        sa.Column("producer_id", sa.Text),
        sa.Column("seq", INT64),
        sa.Column("flags", INT64, nullable=False),
        sa.Column("received_at", INT64, nullable=False),
        sa.Column("payload_bytes", INT64, nullable=False),
        sa.Column("payload_digest", sa.LargeBinary, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("run_events_event_id", "run_events", ["event_id"], unique=True)
    _create_index("run_events_run", "run_events", ["run_id", "id"], "run_id IS NOT NULL")
    _create_index("run_events_run_type", "run_events", ["run_id", "type", "id"], "run_id IS NOT NULL")
    _create_index("run_events_trace", "run_events", ["trace_id", "id"], "trace_id IS NOT NULL")
    _create_index("run_events_task", "run_events", ["task_id", "id"], "task_id IS NOT NULL")
    _create_index("run_events_correlation", "run_events", ["correlation_id", "id"], "correlation_id IS NOT NULL")
    op.create_index("run_events_created_at", "run_events", ["created_at", "id"])
    op.create_index("run_events_type", "run_events", ["type", "id"])
    _create_index("run_events_actor", "run_events", ["actor", "id"], "actor IS NOT NULL")
    _create_index("run_events_level", "run_events", ["level", "id"], "level IN ('warn', 'error')")

    op.create_table(
        "event_payloads",
        sa.Column("id", INT64, primary_key=True, autoincrement=False),
        sa.Column("payload", sa.Text, nullable=False),
        sqlite_strict=True,
    )
    head = op.create_table(
        "journal_head",
        sa.Column("one", INT64, primary_key=True, autoincrement=False),
        sa.Column("last_id", INT64, nullable=False),
        sqlite_strict=True,
    )
    op.bulk_insert(head, [{"one": 1, "last_id": 0}])
    op.create_table(
        "spool_positions",
        sa.Column("segment", sa.Text, primary_key=True),
        sa.Column("position", INT64, nullable=False),
        sa.Column("updated_at", INT64, nullable=False),
        sqlite_strict=True,
    )


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("project", sa.Text, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("actor", sa.Text),
        sa.Column("source", sa.Text),
        sa.Column("task_id", sa.Text),
        sa.Column("trace_id", sa.Text),
        sa.Column("started_at", INT64, nullable=False),
        sa.Column("origin_rank", INT64, nullable=False),
        sa.Column("origin_event_id", sa.Text, nullable=False),
        sa.Column("finished_at", INT64),
        sa.Column("duration_ns", INT64),
        sa.Column("finish_event_id", sa.Text),
        sa.Column("last_event_at", INT64, nullable=False),
        sa.Column("last_event_id", INT64, nullable=False),
        sa.Column("event_count", INT64, nullable=False),
        sa.Column("error_count", INT64, nullable=False),
        sa.Column("lost_count", INT64, nullable=False),
        sa.Column("tokens_input", INT64, nullable=False),
        sa.Column("tokens_output", INT64, nullable=False),
        sa.Column("tokens_cached_input", INT64, nullable=False),
        sa.Column("tokens_reasoning", INT64, nullable=False),
        sa.Column("cost_nano_usd", INT64, nullable=False),
        sa.Column("counts", sa.Text, nullable=False),
        sa.Column("models", sa.Text, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("runs_started_at", "runs", ["started_at", "run_id"])
    op.create_index("runs_project", "runs", ["project", "started_at", "run_id"])
    op.create_index("runs_status", "runs", ["status", "started_at", "run_id"])
    for column in ("actor", "task_id", "trace_id"):
        _create_index(f"runs_{column}", "runs", [column, "started_at", "run_id"], f"{column} IS NOT NULL")


def _create_index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
