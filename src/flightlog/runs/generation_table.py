"""The table of generations: one row per call of a model."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text, text

from flightlog.runs.table import Int64
from flightlog.store.contract import metadata

generations = Table(
    "generations",
    metadata,
    # The journal id of whichever of its events came first: it never changes, and grows in the order of arrival.
    Column("id", Int64, primary_key=True, autoincrement=False),
    Column("generation_id", Text, nullable=False),
    # The journal ids of its llm_response and its llm_request, where they are there.
    Column("answer_id", Int64),
    Column("request_id", Int64),
    Column("run_id", Text),
    Column("project", Text, nullable=False),
    Column("trace_id", Text),
    # Of an OpenTelemetry span its own; of a recorder's call the span that it was made in.
    Column("span_id", Text),
    Column("parent_span_id", Text),
    Column("task_id", Text),
    Column("actor", Text),
    Column("source", Text),
    Column("name", Text),  # the span's own name
    Column("started_at", Int64, nullable=False),
    Column("ended_at", Int64),
    Column("duration_ns", Int64),
    Column("time_to_first_chunk_ns", Int64),
    Column("provider", Text),
    Column("model", Text),  # that answered, else that was asked
    Column("request_model", Text),
    Column("operation", Text),
    Column("status", Text, nullable=False),  # running, ok, error
    Column("error_kind", Text),
    Column("finish_reason", Text),
    Column("streamed", Int64),  # 0 or 1
    # As the provider counted them; the last three are parts of the first two.
    Column("tokens_input", Int64),
    Column("tokens_output", Int64),
    Column("tokens_cached_input", Int64),
    Column("tokens_cache_write", Int64),
    Column("tokens_reasoning", Int64),
    Column("cost_nano_usd", Int64),
    Column("cost_source", Text),  # reported, priced
    Column("price_id", Text),
    Column("input_preview", Text),
    Column("output_preview", Text),
    Column("covered", Int64),  # 1 where a call within it tells the same again: then it counts in no total
    sqlite_strict=True,
)

# A recorder's calls by the span that they were made in, for the spans of calls within them.
Index(
    "generations_enclosing",
    generations.c.span_id,
    sqlite_where=text("request_id IS NOT NULL AND span_id IS NOT NULL"),
    postgresql_where=text("request_id IS NOT NULL AND span_id IS NOT NULL"),
)
Index("generations_generation_id", generations.c.generation_id, unique=True)
Index("generations_started_at", generations.c.started_at, generations.c.id)
Index("generations_model", generations.c.model, generations.c.started_at, generations.c.id)


def _index(name: str, column: str, where: str) -> None:
    Index(
        f"generations_{name}",
        generations.c[column],
        generations.c.started_at,
        generations.c.id,
        sqlite_where=text(where),
        postgresql_where=text(where),
    )


# The archive takes what an answer's event says in numbers from here.
Index(
    "generations_answer",
    generations.c.answer_id,
    sqlite_where=text("answer_id IS NOT NULL"),
    postgresql_where=text("answer_id IS NOT NULL"),
)
_index("run", "run_id", "run_id IS NOT NULL")
# Most traces are a run of the same id, and are found by that.
TRACED_ELSEWHERE = "generations.trace_id <> coalesce(generations.run_id, '')"
_index("trace", "trace_id", TRACED_ELSEWHERE.replace("generations.", ""))
_index("task", "task_id", "task_id IS NOT NULL")
_index("not_ok", "status", "status <> 'ok'")
