"""Which generations a reader wants."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, case, false, func, literal, not_, or_, text

from flightlog.errors import FilterInvalid
from flightlog.journal.asking import any_case_like, is_asked, is_like, like_text
from flightlog.journal.condition import Condition
from flightlog.journal.filter import INT64_MAX, is_storable
from flightlog.runs.feedback_filter import FIELDS_ELSEWHERE, judged
from flightlog.runs.feedback_table import feedback
from flightlog.runs.fold import NANO
from flightlog.runs.generation_table import TRACED_ELSEWHERE, generations

STATUSES: tuple[str, ...] = ("running", "ok", "error")


class GenerationFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which generations: every field that is given has to hold. A tuple asks for any of its values.

    `since` (inclusive) and `until` (exclusive) are started_at in nanoseconds. `text` is a part of the previews or the name,
    in any case of letters, or the beginning of the id. `also` asks of any column, of `tokens`, `cost` (in dollars) and
    `text` once more.
    """

    project: str | None = None
    run_id: str | None = None
    trace_id: str | None = None
    task_id: str | None = None
    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    actor: str | None = None
    text: str | None = None
    since: int | None = None
    until: int | None = None
    also: tuple[Condition, ...] = ()


ALL_GENERATIONS = GenerationFilter()

# None where the provider counted neither.
TOKENS: ColumnElement[Any] = case(
    (and_(generations.c.tokens_input.is_(None), generations.c.tokens_output.is_(None)), None),
    (
        func.coalesce(generations.c.tokens_input, 0) > INT64_MAX - func.coalesce(generations.c.tokens_output, 0),
        INT64_MAX,
    ),
    else_=func.coalesce(generations.c.tokens_input, 0) + func.coalesce(generations.c.tokens_output, 0),
)
_ONE = ("project", "run_id", "task_id", "actor")
_SEVERAL = {"models": "model", "providers": "provider", "statuses": "status"}
_COLUMNS: dict[str, ColumnElement[Any]] = {
    **{
        name: generations.c[name]
        for name in (
            "generation_id", "run_id", "project", "trace_id", "span_id", "task_id", "actor", "source", "name",
            "provider", "model", "request_model", "operation", "status", "error_kind", "finish_reason", "cost_source",
            "price_id", "tokens_input", "tokens_output", "duration_ns", "time_to_first_chunk_ns",
        )
    },
    "tokens": TOKENS,
}  # fmt: skip


def conditions(wanted: GenerationFilter) -> list[ColumnElement[bool]]:
    """The filter as SQL. Raises FilterInvalid."""
    _check(wanted)
    made = [generations.c[name] == value for name in _ONE if (value := getattr(wanted, name)) is not None]
    for name, column in _SEVERAL.items():
        values = getattr(wanted, name)
        if len(values) == 1:
            made.append(generations.c[column] == values[0])
        elif values:
            made.append(generations.c[column].in_(values))
    if wanted.trace_id is not None:
        made.append(_has_trace(wanted.trace_id))
    if wanted.text is not None:
        made.append(_has_text(wanted.text))
    if wanted.since is not None:
        made.append(generations.c.started_at >= wanted.since)
    if wanted.until is not None:
        made.append(generations.c.started_at < wanted.until)
    return made + [_also(condition) for condition in wanted.also]


def _check(wanted: GenerationFilter) -> None:
    for field in wanted.__struct_fields__:
        value = getattr(wanted, field)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, str) and not is_storable(item):
                raise FilterInvalid(reason=f"{field} is not valid Unicode text")
            if isinstance(item, int) and not -INT64_MAX <= item <= INT64_MAX:
                raise FilterInvalid(reason=f"{field} does not fit in 64 bits")
    for status in wanted.statuses:
        if status not in STATUSES:
            raise FilterInvalid(reason=f"status is one of {', '.join(STATUSES)}, not {status!r}")
    for condition in wanted.also:
        if not all(is_storable(value) for value in (*condition.values, *condition.patterns)):
            raise FilterInvalid(reason=f"{condition.field} is not valid Unicode text")


def _has_trace(trace_id: str) -> ColumnElement[bool]:
    """By either of two small indexes: a trace is most often a run of the same id."""
    elsewhere = and_(generations.c.trace_id == trace_id, text(TRACED_ELSEWHERE))
    return or_(and_(generations.c.run_id == trace_id, generations.c.trace_id == trace_id), elsewhere)


def _has_text(wanted: str) -> ColumnElement[bool]:
    part = literal("%" + "*".join(like_text(piece) for piece in wanted.split("*")) + "%")
    found = [
        func.coalesce(any_case_like(generations.c[name], part), false())
        for name in ("input_preview", "output_preview", "name")
    ]
    return or_(*found, generations.c.generation_id.startswith(wanted, autoescape=True))


def _has_texts(wanted: Condition) -> ColumnElement[bool]:
    found = [_has_text(value) for value in wanted.values]
    for pattern in wanted.patterns:
        found.extend(
            func.coalesce(is_like(generations.c[name], f"*{pattern}*"), false())
            for name in ("input_preview", "output_preview", "name")
        )
        found.append(is_like(generations.c.generation_id, f"{pattern}*"))
    return not_(or_(*found)) if wanted.negated else or_(*found)


def _also(wanted: Condition) -> ColumnElement[bool]:
    if wanted.field == "text":
        return _has_texts(wanted)
    if wanted.field == "cost":
        nano = msgspec.structs.replace(wanted, low=_nano(wanted.low), high=_nano(wanted.high))
        return is_asked(generations.c.cost_nano_usd, nano)
    if wanted.field in FIELDS_ELSEWHERE:
        return judged(wanted, feedback.c.generation_id, generations.c.generation_id)
    if wanted.field in _COLUMNS:
        return is_asked(_COLUMNS[wanted.field], wanted)
    raise FilterInvalid(reason=f"generations can't be filtered by {wanted.field!r}")


def _nano(dollars: float | int | None) -> int | None:
    return None if dollars is None else min(round(dollars * NANO), INT64_MAX)
