"""Which runs a reader wants."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, case, exists, false, func, literal, literal_column, not_, or_, select, text

from flightlog.errors import FilterInvalid
from flightlog.journal.asking import any_case_like, has_part, is_asked, is_like, like_text, unless
from flightlog.journal.condition import Condition
from flightlog.journal.filter import INT64_MAX, is_storable
from flightlog.runs.feedback_filter import FIELDS_ELSEWHERE, judged
from flightlog.runs.feedback_table import feedback
from flightlog.runs.fold import NANO
from flightlog.runs.status import RUNNING, STATUSES, TASKS_SOURCE
from flightlog.runs.table import runs

HUNG = "hung"


class RunFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs: every field that is given has to hold. `statuses` may say `hung`.

    `name` is a part of the name, in any case of letters; `text` the same, or the beginning of the run's id. `since`
    (inclusive) and `until` (exclusive) are started_at in nanoseconds. `also` asks of any column, of `models` (one of them),
    `counts` (has events of the type), `tokens`, `cost` (in dollars) and `text` once more.
    """

    project: str | None = None
    statuses: tuple[str, ...] = ()
    actor: str | None = None
    task_id: str | None = None
    trace_id: str | None = None
    name: str | None = None
    text: str | None = None
    since: int | None = None
    until: int | None = None
    also: tuple[Condition, ...] = ()


ALL_RUNS = RunFilter()

# Each of the two may be as large as a number gets.
TOKENS: ColumnElement[Any] = case(
    (runs.c.tokens_input > INT64_MAX - runs.c.tokens_output, INT64_MAX),
    else_=runs.c.tokens_input + runs.c.tokens_output,
)
# How long a run took as its summary tells it: what it said itself, else from its start to its end; nothing while it runs.
TOOK: ColumnElement[Any] = func.coalesce(
    runs.c.duration_ns,
    case((runs.c.finished_at < runs.c.started_at, 0), else_=runs.c.finished_at - runs.c.started_at),
)
_TEXTS = ("run_id", "project", "name", "actor", "source", "task_id", "trace_id")
_NUMBERS: dict[str, ColumnElement[Any]] = {
    **{name: runs.c[name] for name in ("tokens_input", "tokens_output", "error_count", "lost_count", "event_count")},
    "tokens": TOKENS,
    "duration_ns": TOOK,
}


def conditions(wanted: RunFilter, silent_since: int, dialect: str) -> list[ColumnElement[bool]]:
    """The filter as SQL; of what is hung see `is_hung`. Raises FilterInvalid."""
    _check(wanted)
    made = [
        runs.c[name] == value
        for name in ("project", "actor", "task_id", "trace_id")
        if (value := getattr(wanted, name)) is not None
    ]
    if wanted.statuses:
        made.append(has_status(wanted.statuses, silent_since))
    if wanted.name is not None:
        made.append(_contains(runs.c.name, wanted.name))
    if wanted.text is not None:
        made.append(_has_text(wanted.text))
    if wanted.since is not None:
        made.append(runs.c.started_at >= wanted.since)
    if wanted.until is not None:
        made.append(runs.c.started_at < wanted.until)
    return made + [_also(condition, silent_since, dialect) for condition in wanted.also]


def _check(wanted: RunFilter) -> None:
    for field in wanted.__struct_fields__:
        value = getattr(wanted, field)
        if isinstance(value, str) and not is_storable(value):
            raise FilterInvalid(reason=f"{field} is not valid Unicode text")
        if isinstance(value, int) and not -INT64_MAX <= value <= INT64_MAX:
            raise FilterInvalid(reason=f"{field} does not fit in 64 bits")
    for condition in wanted.also:
        if not all(is_storable(value) for value in (*condition.values, *condition.patterns)):
            raise FilterInvalid(reason=f"{condition.field} is not valid Unicode text")


def has_status(statuses: tuple[str, ...], silent_since: int) -> ColumnElement[bool]:
    """Whether a run has one of these statuses. Raises FilterInvalid."""
    for status in statuses:
        if status not in (*STATUSES, HUNG):
            raise FilterInvalid(reason=f"status is one of {', '.join((*STATUSES, HUNG))}, not {status!r}")
    stored = [status for status in statuses if status != HUNG]
    one_of_them = runs.c.status.in_(stored) if len(stored) != 1 else runs.c.status == stored[0]
    if HUNG not in statuses:
        return one_of_them
    hung = is_hung(silent_since)
    return or_(one_of_them, hung) if stored else hung


def is_hung(silent_since: int) -> ColumnElement[bool]:
    """Whether a run that runs has been silent for too long, as `summary.is_hung` has it."""
    is_a_task = and_(
        runs.c.source.is_not_distinct_from(TASKS_SOURCE), runs.c.task_id.is_not_distinct_from(runs.c.run_id)
    )
    return and_(runs.c.status == RUNNING, runs.c.last_event_at < silent_since, not_(is_a_task))


def _contains(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Whether the text is a part, in any case of letters."""
    return any_case_like(column, literal(f"%{_itself(text)}%"))


def _itself(text: str) -> str:
    """LIKE's way to write this text, stars too."""
    return "*".join(like_text(part) for part in text.split("*"))


def _has_text(text: str) -> ColumnElement[bool]:
    return or_(_contains(runs.c.name, text), runs.c.run_id.startswith(text, autoescape=True))


def _has_texts(wanted: Condition) -> ColumnElement[bool]:
    found = [_has_text(value) for value in wanted.values]
    found.extend(
        or_(is_like(runs.c.name, f"*{pattern}*"), is_like(runs.c.run_id, f"{pattern}*")) for pattern in wanted.patterns
    )
    # A run without a name has no text beside its id.
    return not_(func.coalesce(or_(*found), false())) if wanted.negated else or_(*found)


def _also(wanted: Condition, silent_since: int, dialect: str) -> ColumnElement[bool]:
    if wanted.field == "text":
        return _has_texts(wanted)
    if wanted.field == "status":
        return unless(has_status(wanted.values, silent_since), wanted.negated, runs.c.status)
    if wanted.field == "models":
        return unless(_has_model(wanted, dialect), wanted.negated, runs.c.models)
    if wanted.field == "counts":
        return unless(_has_type(wanted, dialect), wanted.negated, runs.c.counts)
    if wanted.field == "cost":
        nano = msgspec.structs.replace(wanted, low=_nano(wanted.low), high=_nano(wanted.high))
        return is_asked(runs.c.cost_nano_usd, nano)
    if wanted.field in FIELDS_ELSEWHERE:
        return judged(wanted, feedback.c.run_id, runs.c.run_id)
    if wanted.field in _TEXTS:
        return is_asked(runs.c[wanted.field], wanted)
    if wanted.field in _NUMBERS:
        return is_asked(_NUMBERS[wanted.field], wanted)
    raise FilterInvalid(reason=f"runs can't be filtered by {wanted.field!r}")


def _nano(dollars: float | int | None) -> int | None:
    return None if dollars is None else round(dollars * NANO)


def _has_model(wanted: Condition, dialect: str) -> ColumnElement[bool]:
    each = (
        "json_each(runs.models)" if dialect == "sqlite" else "json_array_elements_text(runs.models::json) AS e(value)"
    )
    model: ColumnElement[Any] = literal_column("value")
    found: list[ColumnElement[bool]] = []
    for value in wanted.values:
        # In the text of a list a comma stands between quotes even if no model is called so.
        plain = _is_plain(value) and value != ","
        found.append(has_part(runs.c.models, literal(f'"{value}"')) if plain else _one(each, model == value))
    found.extend(_one_like(each, model, pattern, runs.c.models) for pattern in wanted.patterns)
    return or_(*found)


def _has_type(wanted: Condition, dialect: str) -> ColumnElement[bool]:
    each = "json_each(runs.counts)" if dialect == "sqlite" else "json_object_keys(runs.counts::json) AS e(key)"
    # The names of types need no escapes in JSON, so the text can be searched for them.
    found: list[ColumnElement[bool]] = [has_part(runs.c.counts, literal(f'"{value}":')) for value in wanted.values]
    found.extend(_one_like(each, literal_column("key"), pattern, runs.c.counts) for pattern in wanted.patterns)
    return or_(*found)


def _one(each: str, holds: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists(select(literal(1)).select_from(text(each)).where(holds))


def _one_like(each: str, item: ColumnElement[Any], pattern: str, whole: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether one of a JSON list is like the pattern. Most often its text tells: a name that begins or ends so has a quote
    there. Else few of the lists are taken apart, for the text of most has not even the pattern's parts."""
    parts = [part for part in pattern.split("*") if part]
    opens, closes = '"' * (not pattern.startswith("*")), '"' * (not pattern.endswith("*"))
    if len(parts) == 1 and opens + closes and _is_plain(parts[0]) and not set(parts[0]) & set(",:[]{}"):
        return _contains(whole, opens + parts[0] + closes)
    near = [_contains(whole, part) for part in parts if _is_plain(part)]
    return and_(*near, _one(each, is_like(item, pattern)))


def _is_plain(text: str) -> bool:
    """Whether JSON writes the text as it is."""
    return text.isprintable() and not set(text) & set('"\\')
