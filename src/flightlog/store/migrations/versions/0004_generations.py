"""Generations: one row per model call; how far projections have come; how sure a run's beginning and end are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# The same rows under the name that some look for.
_VIEW = "CREATE VIEW generation_traces AS SELECT * FROM generations"


def upgrade() -> None:
    _generations()
    op.execute(_VIEW)
    _projections()
    # A root span now stands between a run_started and any other event.
    op.execute("UPDATE runs SET origin_rank = 3 WHERE origin_rank = 1")
    op.add_column("runs", sa.Column("finish_rank", INT64, nullable=False, server_default="0"))


def _generations() -> None:
    op.create_table(
        "generations",
        sa.Column("id", INT64, primary_key=True, autoincrement=False),
        sa.Column("generation_id", sa.Text, nullable=False),
        sa.Column("answer_id", INT64),
        sa.Column("request_id", INT64),
        sa.Column("run_id", sa.Text),
        sa.Column("project", sa.Text, nullable=False),
        sa.Column("trace_id", sa.Text),
        sa.Column("span_id", sa.Text),
        sa.Column("parent_span_id", sa.Text),
        sa.Column("task_id", sa.Text),
        sa.Column("actor", sa.Text),
        sa.Column("source", sa.Text),
        sa.Column("name", sa.Text),
        sa.Column("started_at", INT64, nullable=False),
        sa.Column("ended_at", INT64),
        sa.Column("duration_ns", INT64),
        sa.Column("time_to_first_chunk_ns", INT64),
        sa.Column("provider", sa.Text),
        sa.Column("model", sa.Text),
        sa.Column("request_model", sa.Text),
        sa.Column("operation", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("error_kind", sa.Text),
        sa.Column("finish_reason", sa.Text),
        sa.Column("streamed", INT64),
        sa.Column("tokens_input", INT64),
        sa.Column("tokens_output", INT64),
        sa.Column("tokens_cached_input", INT64),
        sa.Column("tokens_cache_write", INT64),
        sa.Column("tokens_reasoning", INT64),
        sa.Column("cost_nano_usd", INT64),
        sa.Column("cost_source", sa.Text),
        sa.Column("price_id", sa.Text),
        sa.Column("input_preview", sa.Text),
        sa.Column("output_preview", sa.Text),
        sqlite_strict=True,
    )
    op.create_index("generations_generation_id", "generations", ["generation_id"], unique=True)
    op.create_index("generations_started_at", "generations", ["started_at", "id"])
    op.create_index("generations_model", "generations", ["model", "started_at", "id"])
    _create_index("generations_run", ["run_id", "started_at", "id"], "run_id IS NOT NULL")
    _create_index("generations_trace", ["trace_id", "started_at", "id"], "trace_id <> coalesce(run_id, '')")
    _create_index("generations_task", ["task_id", "started_at", "id"], "task_id IS NOT NULL")
    _create_index("generations_not_ok", ["status", "started_at", "id"], "status <> 'ok'")


def _create_index(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "generations", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _projections() -> None:
    op.create_table(
        "projections",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("position", INT64, nullable=False),
        sa.Column("until_id", INT64, nullable=False),
        sqlite_strict=True,
    )
    op.execute("INSERT INTO projections SELECT 'generations', 0, last_id FROM journal_head")
