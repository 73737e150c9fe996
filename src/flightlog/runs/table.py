"""The table of run summaries."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, text

from flightlog.store.contract import metadata

Int64 = BigInteger().with_variant(Integer, "sqlite")

runs = Table(
    "runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("project", Text, nullable=False),
    Column("name", Text),
    Column("status", Text, nullable=False),
    Column("actor", Text),
    Column("source", Text),
    Column("task_id", Text),
    Column("trace_id", Text),
    Column("started_at", Int64, nullable=False),
    # Which event gave the columns above: 0 for a run_started, 1 for a root span, 2 for one whose parent is in another
    # process, 3 for any other; and its id.
    Column("origin_rank", Int64, nullable=False),
    Column("origin_event_id", Text, nullable=False),
    Column("finished_at", Int64),
    Column("duration_ns", Int64),
    Column("finish_event_id", Text),
    Column("last_event_at", Int64, nullable=False),
    Column("last_event_id", Int64, nullable=False),
    Column("event_count", Int64, nullable=False),
    Column("error_count", Int64, nullable=False),
    Column("lost_count", Int64, nullable=False),
    Column("tokens_input", Int64, nullable=False),
    Column("tokens_output", Int64, nullable=False),
    Column("tokens_cached_input", Int64, nullable=False),
    Column("tokens_reasoning", Int64, nullable=False),
    # Whole billionths of a dollar: sums of fractions would depend on the order in which events arrive.
    Column("cost_nano_usd", Int64, nullable=False),
    Column("counts", Text, nullable=False),  # {"type": n}
    Column("models", Text, nullable=False),  # ["model", …], sorted
    # Which event ended the run: 0 for a run_finished, 1 and 2 for the root spans as above.
    Column("finish_rank", Int64, nullable=False, server_default="0"),
    sqlite_strict=True,
)

Index("runs_started_at", runs.c.started_at, runs.c.run_id)
Index("runs_project", runs.c.project, runs.c.started_at, runs.c.run_id)
Index("runs_status", runs.c.status, runs.c.started_at, runs.c.run_id)
for _column in ("actor", "task_id", "trace_id"):
    _given = text(f"{_column} IS NOT NULL")
    Index(
        f"runs_{_column}",
        runs.c[_column],
        runs.c.started_at,
        runs.c.run_id,
        sqlite_where=_given,
        postgresql_where=_given,
    )
