"""Which audit records a reader wants."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, literal, or_

from flightlog.audit.project import ADOPTED, ORPHANED, STATES
from flightlog.audit.reading import DECISIONS, TYPES
from flightlog.audit.table import audits
from flightlog.errors import FilterInvalid
from flightlog.events.envelope import LEVELS
from flightlog.journal.asking import any_case_like, is_asked, like_text, unless
from flightlog.journal.condition import Condition
from flightlog.journal.filter import INT64_MAX, is_storable


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which records: every field that is given has to hold. A tuple asks for any of its values.

    `subject` is a subject's id, or its type and id as in `repo:acme/shop`. `since` (inclusive) and `until` (exclusive) are
    created_at in nanoseconds. `text` is a part of the operation, the subject, the rule or the reason, in any case of letters.
    """

    actor: str | None = None
    operation: str | None = None
    subject: str | None = None
    types: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    capability: str | None = None
    decisions: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()
    run_id: str | None = None
    task_id: str | None = None
    project: str | None = None
    correlation_id: str | None = None
    text: str | None = None
    since: int | None = None
    until: int | None = None
    also: tuple[Condition, ...] = ()


ALL_AUDITS = AuditFilter()
IS_ORPHANED, IS_NOT_ORPHANED = (ORPHANED,), tuple(state for state in STATES if state != ORPHANED)
EVER_ORPHANED = (ORPHANED, ADOPTED)

_PLAIN = ("actor", "operation", "capability", "run_id", "task_id", "project", "correlation_id")
_SEVERAL = {"types": "type", "levels": "level", "statuses": "status", "decisions": "decision", "orphans": "orphan"}
_CHOICES = {"type": TYPES, "level": LEVELS, "decision": DECISIONS, "orphan": STATES}
_TEXTS = frozenset(
    {*_PLAIN, *_SEVERAL.values(), "subject_type", "subject_id", "source", "rule", "approver", "reason", "action_digest"}
)
_SEARCHED = ("operation", "subject_id", "rule", "reason")


def conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    """The filter as SQL. Raises FilterInvalid."""
    _check(wanted)
    made = [audits.c[name] == value for name in _PLAIN if (value := getattr(wanted, name)) is not None]
    for name, column in _SEVERAL.items():
        if values := getattr(wanted, name):
            made.append(audits.c[column].in_(values))
    if wanted.subject is not None:
        made.append(_about(wanted.subject))
    if wanted.text is not None:
        made.append(_has_text(wanted.text))
    if wanted.since is not None:
        made.append(audits.c.created_at >= wanted.since)
    if wanted.until is not None:
        made.append(audits.c.created_at < wanted.until)
    return made + [_asked(condition) for condition in wanted.also]


def _asked(wanted: Condition) -> ColumnElement[bool]:
    if wanted.field == "subject":
        found = or_(*map(_about, wanted.values), *(is_asked(audits.c.subject_id, _like(p)) for p in wanted.patterns))
        return unless(found, wanted.negated, audits.c.subject_id)
    if wanted.field == "text":
        return unless(or_(*map(_has_text, (*wanted.values, *wanted.patterns))), wanted.negated, audits.c.operation)
    if wanted.field in _TEXTS:
        return is_asked(audits.c[wanted.field], wanted)
    raise FilterInvalid(reason=f"audit records can't be filtered by {wanted.field!r}")


def _like(pattern: str) -> Condition:
    return Condition(field="subject_id", patterns=(pattern,))


def _about(subject: str) -> ColumnElement[bool]:
    type_, colon, id_ = subject.partition(":")
    whole = audits.c.subject_id == subject
    return or_(whole, and_(audits.c.subject_id == id_, audits.c.subject_type == type_)) if colon else whole


def _has_text(wanted: str) -> ColumnElement[bool]:
    part = literal("%" + "%".join(like_text(piece) for piece in wanted.split("*")) + "%")
    return or_(*(any_case_like(audits.c[name], part) for name in _SEARCHED))


def _check(wanted: AuditFilter) -> None:
    for field in wanted.__struct_fields__:
        value: Any = getattr(wanted, field)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, str) and not is_storable(item):
                raise FilterInvalid(reason=f"{field} is not valid Unicode text")
            if isinstance(item, int) and not -INT64_MAX <= item <= INT64_MAX:
                raise FilterInvalid(reason=f"{field} does not fit in 64 bits")
    for field, column in _SEVERAL.items():
        for item in getattr(wanted, field):
            if column in _CHOICES and item not in _CHOICES[column]:
                raise FilterInvalid(reason=f"{column} is one of {', '.join(_CHOICES[column])}, not {item!r}")
    for condition in wanted.also:
        if not all(is_storable(value) for value in (*condition.values, *condition.patterns)):
            raise FilterInvalid(reason=f"{condition.field} is not valid Unicode text")
