"""Which runs a reader wants."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, exists, func, literal, literal_column, or_, select, text

from flightlog.errors import FilterInvalid
from flightlog.journal.asking import is_asked, is_like, like_text, unless
from flightlog.journal.condition import Condition
from flightlog.journal.filter import INT64_MAX, is_storable
from flightlog.runs.fold import NANO
from flightlog.runs.status import RUNNING, STATUSES
from flightlog.runs.table import runs

HUNG = "hung"


class RunFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs: every field that is given has to hold. `statuses` may say `hung`.

    `name` is a part of the name, in any case of letters; `text` the same, or the beginning of the run's id. `since`
    (inclusive) and `until` (exclusive) are started_at in nanoseconds. `also` asks of any column, of `models` (one of them),
    `counts` (has events of the type), `tokens` and `cost` (in dollars).
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

TOKENS = runs.c.tokens_input + runs.c.tokens_output
_TEXTS = ("run_id", "project", "name", "actor", "source", "task_id", "trace_id")
_NUMBERS: dict[str, ColumnElement[Any]] = {
    **{
        name: runs.c[name]
        for name in ("tokens_input", "tokens_output", "error_count", "lost_count", "event_count", "duration_ns")
    },
    "tokens": TOKENS,
}


def conditions(wanted: RunFilter, silent_since: int, dialect: str) -> list[ColumnElement[bool]]:
    """The filter as SQL; a running run whose last event is older than `silent_since` is hung. Raises FilterInvalid."""
    _check(wanted)
    made = [
        runs.c[name] == value
        for name in ("project", "actor", "task_id", "trace_id")
        if (value := getattr(wanted, name)) is not None
    ]
    if wanted.statuses:
        made.append(has_status(wanted.statuses, silent_since))
    if wanted.name is not None:
        made.append(runs.c.name.icontains(wanted.name, autoescape=True))
    if wanted.text is not None:
        begins = runs.c.run_id.startswith(wanted.text, autoescape=True)
        made.append(or_(runs.c.name.icontains(wanted.text, autoescape=True), begins))
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
    hung = and_(runs.c.status == RUNNING, runs.c.last_event_at < silent_since)
    return or_(one_of_them, hung) if stored else hung


def _also(wanted: Condition, silent_since: int, dialect: str) -> ColumnElement[bool]:
    if wanted.field == "status":
        return unless(has_status(wanted.values, silent_since), wanted.negated, runs.c.status)
    if wanted.field == "models":
        return unless(_has_model(wanted, dialect), wanted.negated, runs.c.models)
    if wanted.field == "counts":
        return unless(_has_type(wanted, dialect), wanted.negated, runs.c.counts)
    if wanted.field == "cost":
        nano = msgspec.structs.replace(wanted, low=_nano(wanted.low), high=_nano(wanted.high))
        return is_asked(runs.c.cost_nano_usd, nano)
    if wanted.field in _TEXTS:
        return is_asked(runs.c[wanted.field], wanted)
    if wanted.field in _NUMBERS:
        return is_asked(_NUMBERS[wanted.field], wanted)
    raise FilterInvalid(reason=f"runs can't be filtered by {wanted.field!r}")


def _nano(dollars: float | int | None) -> int | None:
    return None if dollars is None else round(dollars * NANO)


def _has_model(wanted: Condition, dialect: str) -> ColumnElement[bool]:
    """One of the models in the list. The text of the list is looked at first: few rows need to be taken apart."""
    each = (
        "json_each(runs.models)" if dialect == "sqlite" else "json_array_elements_text(runs.models::json) AS e(value)"
    )
    model: ColumnElement[Any] = literal_column("value")
    found: list[ColumnElement[bool]] = []
    for value in wanted.values:
        # JSON writes these characters otherwise than they are, so the text can't be searched for them.
        if value.isascii() and not set(value) & set('"\\/') and value.isprintable():
            found.append(runs.c.models.contains(f'"{value}"', autoescape=True))
        else:
            found.append(_one(each, model == value))
    for pattern in wanted.patterns:
        parts = [part for part in pattern.lower().split("*") if part]
        near = [
            func.lower(runs.c.models).like("%" + like_text(part) + "%", escape="\\") for part in parts if part.isalnum()
        ]
        found.append(and_(*near, _one(each, is_like(model, pattern))))
    return or_(*found)


def _one(each: str, holds: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists(select(literal(1)).select_from(text(each)).where(holds))


def _has_type(wanted: Condition, dialect: str) -> ColumnElement[bool]:
    # The names of types need no escapes in JSON, so the text can be searched for them.
    found = [runs.c.counts.contains(f'"{value}":', autoescape=True) for value in wanted.values]
    each = "json_each(runs.counts)" if dialect == "sqlite" else "json_object_keys(runs.counts::json) AS e(key)"
    found.extend(_one(each, is_like(literal_column("key"), pattern)) for pattern in wanted.patterns)
    return or_(*found)
