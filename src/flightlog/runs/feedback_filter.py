"""Which feedback a reader wants."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, false, func, literal, not_, or_, select

from flightlog.errors import FilterInvalid
from flightlog.events.feedback import KINDS, THUMBS
from flightlog.journal.asking import any_case_like, is_asked, is_like, like_text, unless
from flightlog.journal.condition import Condition
from flightlog.journal.filter import INT64_MAX, is_storable
from flightlog.runs.feedback_table import feedback

STATUSES: tuple[str, ...] = ("linked", "pending")


class FeedbackFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which feedback: every field that is given has to hold. A tuple asks for any of its values.

    `target` is what it was given on, by the id that was given or by the one that was found; `run_id` takes in what was said
    of the run's generations and spans. `since` (inclusive) and `until` (exclusive) are created_at in nanoseconds. `text` is a
    part of the comment, the value or the name, in any case of letters.
    """

    target: str | None = None
    run_id: str | None = None
    generation_id: str | None = None
    project: str | None = None
    kinds: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    name: str | None = None
    given_by: str | None = None
    actor: str | None = None
    text: str | None = None
    since: int | None = None
    until: int | None = None
    also: tuple[Condition, ...] = ()


ALL_FEEDBACK = FeedbackFilter()

_PLAIN = ("run_id", "generation_id", "project", "name", "given_by", "actor")
_CHOICES = {"kinds": ("kind", KINDS), "statuses": ("status", STATUSES)}
_TEXTS = frozenset(
    {"kind", "status", "name", "given_by", "actor", "source", "project", "run_id", "generation_id", "key"}
)
_SCORE: ColumnElement[Any] = and_(feedback.c.kind == "score", feedback.c.value_number.is_not(None))


def conditions(wanted: FeedbackFilter) -> list[ColumnElement[bool]]:
    """The filter as SQL. Raises FilterInvalid."""
    _check(wanted)
    made = [feedback.c[name] == value for name in _PLAIN if (value := getattr(wanted, name)) is not None]
    for name, (column, _) in _CHOICES.items():
        if values := getattr(wanted, name):
            made.append(feedback.c[column].in_(values))
    if wanted.target is not None:
        made.append(_on(wanted.target))
    if wanted.text is not None:
        made.append(_has_text(wanted.text))
    if wanted.since is not None:
        made.append(feedback.c.created_at >= wanted.since)
    if wanted.until is not None:
        made.append(feedback.c.created_at < wanted.until)
    return made + [asked(condition) for condition in wanted.also]


def asked(wanted: Condition) -> ColumnElement[bool]:
    """One condition on a row of feedback. Raises FilterInvalid."""
    if wanted.field == "score":
        plain = msgspec.structs.replace(wanted, negated=False)
        return _unless(and_(_SCORE, is_asked(feedback.c.value_number, plain)), wanted.negated)
    if wanted.field in ("thumb", "label"):
        plain = msgspec.structs.replace(wanted, negated=False)
        return _unless(and_(feedback.c.kind == wanted.field, is_asked(feedback.c.value_text, plain)), wanted.negated)
    if wanted.field == "target":
        found = or_(*map(_on, wanted.values), *(is_like(feedback.c.target_id, each) for each in wanted.patterns))
        return _unless(found, wanted.negated)
    if wanted.field == "text":
        return _unless(or_(*map(_has_text, (*wanted.values, *wanted.patterns))), wanted.negated)
    if wanted.field in _TEXTS:
        return is_asked(feedback.c[wanted.field], wanted)
    raise FilterInvalid(reason=f"feedback can't be filtered by {wanted.field!r}")


FIELDS_ELSEWHERE = frozenset({"feedback", "score", "thumb"})


def judged(wanted: Condition, whose: ColumnElement[Any], mine: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a row of another table has feedback as `wanted` says (`feedback` asks for its name, `score` and `thumb` for its
    value): `whose` is the column of feedback that points there, `mine` what it points to. Raises FilterInvalid.
    """
    field = "name" if wanted.field == "feedback" else wanted.field
    one = msgspec.structs.replace(wanted, field=field, negated=False)
    linked = feedback.c.status == STATUSES[0]
    found = select(literal(1)).select_from(feedback).where(whose == mine, linked, asked(one)).exists()
    return not_(found) if wanted.negated else found


def _check(wanted: FeedbackFilter) -> None:
    for field in wanted.__struct_fields__:
        value = getattr(wanted, field)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, str) and not is_storable(item):
                raise FilterInvalid(reason=f"{field} is not valid Unicode text")
            if isinstance(item, int) and not -INT64_MAX <= item <= INT64_MAX:
                raise FilterInvalid(reason=f"{field} does not fit in 64 bits")
    for field, (column, choices) in _CHOICES.items():
        for item in getattr(wanted, field):
            if item not in choices:
                raise FilterInvalid(reason=f"{column} is one of {', '.join(choices)}, not {item!r}")
    for condition in wanted.also:
        if not all(is_storable(value) for value in (*condition.values, *condition.patterns)):
            raise FilterInvalid(reason=f"{condition.field} is not valid Unicode text")
        if condition.field == "thumb" and not set(condition.values) <= set(THUMBS):
            raise FilterInvalid(reason="thumb is up or down")


def _on(target: str) -> ColumnElement[bool]:
    return or_(
        feedback.c.target_id == target,
        feedback.c.generation_id == target,
        and_(feedback.c.target_type == "run", feedback.c.run_id == target),
        and_(feedback.c.target_type == "span", feedback.c.span_id == target),
    )


def _has_text(wanted: str) -> ColumnElement[bool]:
    part = literal("%" + "%".join(like_text(piece) for piece in wanted.split("*")) + "%")
    columns = (feedback.c.comment, feedback.c.value_text, feedback.c.name)
    return or_(*(func.coalesce(any_case_like(column, part), false()) for column in columns))


def _unless(found: ColumnElement[bool], negated: bool) -> ColumnElement[bool]:
    return unless(func.coalesce(found, false()), negated, feedback.c.feedback_id)
