"""From a query to the filter that a room understands."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from msgspec.structs import replace

from flightlog.audit.filter import AuditFilter
from flightlog.errors import QueryInvalid
from flightlog.filters.fields import AUDITS, EVENTS, FEEDBACK, GENERATIONS, RUNS, Field, Scope
from flightlog.filters.language import Query, Term, Value, parse
from flightlog.filters.times import duration_ns, time_ns
from flightlog.journal.condition import Condition
from flightlog.journal.read import EventFilter
from flightlog.runs.feedback_filter import FeedbackFilter
from flightlog.runs.filter import RunFilter
from flightlog.runs.generation_filter import GenerationFilter

_NUMBER = r"\d{1,15}(?:\.\d{1,9})?"
_COUNT = re.compile(rf"({_NUMBER})([kM]?)", re.ASCII)
_FACTORS = {"": 1, "k": 1_000, "M": 1_000_000}


def run_filter(text: str, now_ns: int) -> RunFilter:
    """The runs that a query asks for; ages count back from `now_ns`. Raises QueryInvalid."""
    return RunFilter(**_compile(parse(text, RUNS), RUNS, now_ns))


def event_filter(text: str, now_ns: int) -> EventFilter:
    """The events that a query asks for; ages count back from `now_ns`. Raises QueryInvalid.

    >>> event_filter("type:tool_call level:error", 0).types
    ('tool_call',)
    """
    return EventFilter(**_compile(parse(text, EVENTS), EVENTS, now_ns))


def generation_filter(text: str, now_ns: int) -> GenerationFilter:
    """The generations that a query asks for; ages count back from `now_ns`. Raises QueryInvalid.

    >>> generation_filter("model:gpt-4o,o3 status:error", 0).models
    ('gpt-4o', 'o3')
    """
    return GenerationFilter(**_compile(parse(text, GENERATIONS), GENERATIONS, now_ns))


def feedback_filter(text: str, now_ns: int) -> FeedbackFilter:
    """The feedback that a query asks for; ages count back from `now_ns`. Raises QueryInvalid.

    >>> feedback_filter("kind:thumb,score by:user", 0).kinds
    ('thumb', 'score')
    """
    return FeedbackFilter(**_compile(parse(text, FEEDBACK), FEEDBACK, now_ns))


def audit_filter(text: str, now_ns: int) -> AuditFilter:
    """The audit records that a query asks for; ages count back from `now_ns`. Raises QueryInvalid.

    >>> audit_filter("decision:denied,granted actor:ann", 0).decisions
    ('denied', 'granted')
    """
    return AuditFilter(**_compile(parse(text, AUDITS), AUDITS, now_ns))


def narrowed_audits(wanted: AuditFilter, more: AuditFilter) -> AuditFilter:
    """The audit records that pass both filters. `more` has plain fields alone."""
    return _narrowed(wanted, more, AUDITS)


def narrowed_feedback(wanted: FeedbackFilter, more: FeedbackFilter) -> FeedbackFilter:
    """The feedback that passes both filters. `more` has plain fields alone."""
    return _narrowed(wanted, more, FEEDBACK)


def narrowed_generations(wanted: GenerationFilter, more: GenerationFilter) -> GenerationFilter:
    """The generations that pass both filters. `more` has plain fields alone."""
    return _narrowed(wanted, more, GENERATIONS)


def narrowed_runs(wanted: RunFilter, more: RunFilter) -> RunFilter:
    """The runs that pass both filters. `more` has plain fields alone."""
    return _narrowed(wanted, more, RUNS)


def narrowed_events(wanted: EventFilter, more: EventFilter) -> EventFilter:
    """The events that pass both filters. `more` has plain fields alone.

    >>> both = narrowed_events(event_filter("type:note,error", 0), EventFilter(types=("error", "degraded")))
    >>> both.types, both.also[0].values
    (('note', 'error'), ('error', 'degraded'))
    """
    return _narrowed(wanted, more, EVENTS)


_Filter = TypeVar("_Filter", RunFilter, EventFilter, GenerationFilter, FeedbackFilter, AuditFilter)


def _narrowed(wanted: _Filter, more: _Filter, scope: Scope) -> _Filter:
    columns = {known.plain: known.column for known in scope.fields.values() if known.plain is not None}
    changes: dict[str, Any] = {}
    also = list(wanted.also)
    for name in more.__struct_fields__:
        value = getattr(more, name)
        if value in (None, ()):
            continue
        mine = getattr(wanted, name)
        if mine in (None, ()):
            changes[name] = value
        elif name in ("since", "until"):
            changes[name] = max(mine, value) if name == "since" else min(mine, value)
        elif name in columns:
            also.append(Condition(field=columns[name], values=value if isinstance(value, tuple) else (value,)))
    return replace(wanted, **changes, also=tuple(also))


def _compile(query: Query, scope: Scope, now_ns: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    also: list[Condition] = []
    texts: list[str] = []
    for term in query.terms:
        if not term.field:
            if scope is not EVENTS and (term.negated or term.values[0].is_pattern or texts):
                also.append(_condition(term, _TEXT))
            elif term.negated:
                raise _wrong(term, "text can't be negated; negate a field instead")
            else:
                texts.append(str(term.values[0]) if scope is EVENTS else term.values[0].text)
            continue
        known = scope.fields[term.field]
        if known.kind in ("since", "until"):
            _take_time(made, term, known, now_ns)
            continue
        _check_choices(term, known)
        if _is_plain(term, known) and known.plain is not None and known.plain not in made:
            values = tuple(value.text for value in term.values)
            made[known.plain] = values if known.several else values[0]
        else:
            also.append(_condition(term, known))
    if texts:
        made["text"] = " ".join(texts)
    if also:
        made["also"] = tuple(also)
    return made


# Runs and generations are few enough to ask any number of times whether they hold a text.
_TEXT = Field("", "text", "text", "")


def _is_plain(term: Term, known: Field) -> bool:
    """Whether the plain fields of a filter can say it: exact values, one where only one is taken."""
    exact = not any(value.is_pattern or value.bound for value in term.values)
    return exact and not term.negated and (known.several or len(term.values) == 1)


def _wrong(place: Term | Value, reason: str) -> QueryInvalid:
    return QueryInvalid(reason=reason, at=place.at, length=place.length)


def _check_choices(term: Term, known: Field) -> None:
    if known.kind != "choice":
        return
    for value in term.values:
        if value.is_pattern:
            raise _wrong(value, f"{known.name} takes no star; it is one of {', '.join(known.choices)}")
        if value.text not in known.choices:
            raise _wrong(value, f"{known.name} is one of {', '.join(known.choices)}, not {value.text!r}")


def _take_time(made: dict[str, Any], term: Term, known: Field, now_ns: int) -> None:
    value = term.values[0]
    if term.negated or len(term.values) > 1 or known.name in made:
        raise _wrong(term, f"{known.name} is said once, with one time")
    try:
        made[known.name] = time_ns(value.text, now_ns)
    except (ValueError, OverflowError):
        raise _wrong(value, f"{value.text!r} is neither an RFC 3339 time nor an age such as 15m, 24h or 7d") from None


def _condition(term: Term, known: Field) -> Condition:
    read = _READERS.get(known.kind)
    if read is None:
        exact = tuple(value.text for value in term.values if not value.is_pattern)
        patterns = tuple(value.text for value in term.values if value.is_pattern)
        return Condition(field=known.column, values=exact, patterns=patterns, negated=term.negated)
    if len(term.values) > 1:
        raise _wrong(term, f"{known.name} takes one number or one range, as in {known.name}:1..5")
    value = term.values[0]
    try:
        low, high = read(value.text), read(value.to) if value.bound == ".." else None
    except (ValueError, OverflowError):
        raise _wrong(value, _EXPECTED[known.kind]) from None
    where = {"field": known.column, "negated": term.negated}
    if value.bound == "..":
        if high is not None and low > high:
            raise _wrong(value, "the range begins after its end")
        return Condition(low=low, high=high, **where)  # type: ignore[arg-type]
    if value.bound in (">", ">="):
        return Condition(low=low, low_open=value.bound == ">", **where)  # type: ignore[arg-type]
    if value.bound in ("<", "<="):
        return Condition(high=low, high_open=value.bound == "<", **where)  # type: ignore[arg-type]
    return Condition(low=low, high=low, **where)  # type: ignore[arg-type]


def _count(text: str) -> int | float:
    match = _COUNT.fullmatch(text)
    if match is None:
        raise ValueError(text)
    number = float(match[1]) * _FACTORS[match[2]]
    return int(number) if number == int(number) else number


def _money(text: str) -> float:
    return float(_count(text.removeprefix("$")))


def _signed(text: str) -> float:
    return -float(_count(text[1:])) if text.startswith("-") else float(_count(text))


_READERS: dict[str, Callable[[str], int | float]] = {
    "number": _count,
    "signed": _signed,
    "money": _money,
    "duration": duration_ns,
}
_EXPECTED = {
    "signed": "a number is expected here, such as 0.5 or -1",
    "number": "a number is expected here, such as 10, 1.5k or 2M",
    "money": "dollars are expected here, such as 0.25",
    "duration": "a duration is expected here, such as 150ms, 2s, 5m or 1h30m",
}
