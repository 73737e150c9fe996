"""What can be counted, as data: of what, which numbers, by what. Pages, verbs, endpoint and docs all go by this list."""

from __future__ import annotations

from typing import Literal, NamedTuple

from flightlog.clock import NS_PER_SECOND

Kind = Literal["count", "sum", "spread"]

BUCKETS: dict[str, int] = {"hour": 3_600 * NS_PER_SECOND, "day": 86_400 * NS_PER_SECOND}


class Number(NamedTuple):
    """One number. A count counts rows, all of them or those where `sql` holds; a sum adds the column; a spread is
    percentiles of it, where it is known."""

    name: str
    kind: Kind
    sql: str = ""


class Rate(NamedTuple):
    """One number divided by another; None where that is 0."""

    name: str
    part: str
    whole: str


class Subject(NamedTuple):
    """What is counted. `by` are its groups: the word and the column. A measure is a few numbers that are asked for together."""

    name: str
    words: str
    by: dict[str, str]
    measures: dict[str, tuple[Number | Rate, ...]]
    # The events that are meant, as SQL; empty where it is told by a summary in the store.
    events: str = ""
    # Which conditions of a query can be asked of the rows, and how they are written there.
    fields: dict[str, str] = {}  # noqa: RUF012 - never changed

    def numbers(self, measures: tuple[str, ...]) -> list[Number]:
        """What has to be counted for these measures."""
        return [one for name in measures for one in self.measures[name] if isinstance(one, Number)]


_ENVELOPE = {
    name: name
    for name in (
        "type", "level", "status", "source", "actor", "project", "name", "run_id", "trace_id", "span_id", "task_id",
        "correlation_id", "duration_ns",
    )
}  # fmt: skip
_FAILED = "status = 'error' OR error_kind IS NOT NULL"
_TOKENS = ("tokens_input", "tokens_output", "tokens_cached_input", "tokens_cache_write", "tokens_reasoning")

MODELS = Subject(
    "models",
    "answers of models",
    {
        "model": "model", "provider": "provider", "operation": "operation", "error": "error_kind",
        "finish": "finish_reason", "actor": "actor", "source": "source", "project": "project",
    },
    {
        "calls": (
            Number("calls", "count"),
            Number("errors", "count", _FAILED),
            Rate("error_rate", "errors", "calls"),
        ),
        "tokens": tuple(Number(name, "sum", name) for name in _TOKENS),
        "cost": (
            Number("cost_nano_usd", "sum", "cost_nano_usd"),
            Number("priced", "count", "cost_nano_usd IS NOT NULL"),
        ),
        "latency": (Number("latency_ns", "spread", "duration_ns"),),
        "first_chunk": (Number("first_chunk_ns", "spread", "time_to_first_chunk_ns"),),
    },
    "type = 'llm_response'",
    {
        **{
            name: name
            for name in (
                "model", "provider", "operation", "error_kind", "finish_reason", "actor", "source", "project", "run_id",
                "trace_id", "span_id", "task_id", "duration_ns", "time_to_first_chunk_ns", "tokens_input", "tokens_output",
            )
        },
        "status": f"CASE WHEN {_FAILED} THEN 'error' ELSE 'ok' END",
        "tokens": "CASE WHEN tokens_input IS NULL AND tokens_output IS NULL THEN NULL"
        " ELSE coalesce(tokens_input, 0) * 1e0 + coalesce(tokens_output, 0) END",
        "cost": "cost_nano_usd / 1e9",
    },
)  # fmt: skip
TOOLS = Subject(
    "tools",
    "results of tools",
    {"tool": "name", "actor": "actor", "source": "source", "project": "project", "status": "status"},
    {
        "calls": (
            Number("calls", "count"),
            Number("errors", "count", "status = 'error'"),
            Rate("error_rate", "errors", "calls"),
        ),
        "latency": (Number("latency_ns", "spread", "duration_ns"),),
    },
    "type = 'tool_result'",
    _ENVELOPE,
)
EVENTS = Subject(
    "events",
    "events",
    {name: name for name in ("type", "level", "status", "source", "actor", "project")},
    {
        "count": (Number("events", "count"), Number("errors", "count", "level = 'error'")),
        "size": (Number("payload_bytes", "sum", "payload_bytes"),),
    },
    "1 = 1",
    _ENVELOPE,
)
DECISIONS = Subject(
    "decisions",
    "decisions on permissions",
    {name: name for name in ("capability", "actor", "rule", "approver", "source", "project")},
    {
        "count": (
            Number("denied", "count", "decision = 'denied'"),
            Number("granted", "count", "decision = 'granted'"),
            Number("requested", "count", "decision = 'requested'"),
        )
    },
)
RUNS = Subject(
    "runs",
    "runs",
    {name: name for name in ("status", "name", "actor", "source", "project")},
    {
        "count": (
            Number("runs", "count"),
            Number("failed", "count", "status = 'failed'"),
            Rate("failed_rate", "failed", "runs"),
        ),
        "tokens": (Number("tokens_input", "sum", "tokens_input"), Number("tokens_output", "sum", "tokens_output")),
        "cost": (Number("cost_nano_usd", "sum", "cost_nano_usd"),),
        "duration": (Number("duration_ns", "spread", "duration_ns"),),
    },
)
FEEDBACK = Subject(
    "feedback",
    "feedback",
    {name: name for name in ("model", "name", "kind", "project", "source")},
    {
        "count": (
            Number("feedback", "count"),
            Number("thumbs_up", "count", "kind = 'thumb' AND value_text = 'up'"),
            Number("thumbs_down", "count", "kind = 'thumb' AND value_text = 'down'"),
            Number("thumbs", "count", "kind = 'thumb'"),
            Rate("up_rate", "thumbs_up", "thumbs"),
        ),
        "scores": (
            Number("scores", "count", "kind = 'score' AND value_number IS NOT NULL"),
            Number(
                "score_millionths",
                "sum",
                "CASE WHEN kind = 'score' THEN CAST(round(value_number * 1e6) AS INTEGER) END",
            ),
        ),
    },
)
SUBJECTS: dict[str, Subject] = {one.name: one for one in (MODELS, TOOLS, EVENTS, DECISIONS, RUNS, FEEDBACK)}
