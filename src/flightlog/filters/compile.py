"""From a query to the filter that a room understands."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flightlog.clock import NS_PER_SECOND, parse_ns
from flightlog.errors import QueryInvalid
from flightlog.filters.fields import EVENTS, RUNS, Field, Scope
from flightlog.filters.language import Query, Term, Value, parse
from flightlog.journal.condition import Condition
from flightlog.journal.read import EventFilter
from flightlog.runs.filter import RunFilter

NS_MAX = 2**63 - 1
_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": NS_PER_SECOND,
    "m": 60 * NS_PER_SECOND,
    "h": 3_600 * NS_PER_SECOND,
    "d": 86_400 * NS_PER_SECOND,
    "w": 604_800 * NS_PER_SECOND,
}
_NUMBER = r"\d{1,15}(?:\.\d{1,9})?"
_DURATION = re.compile(rf"(?:{_NUMBER}(?:ns|us|µs|ms|s|m|h|d|w))+", re.ASCII)
_PART = re.compile(rf"({_NUMBER})(ns|us|µs|ms|s|m|h|d|w)", re.ASCII)
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


def duration_ns(text: str) -> int:
    """Nanoseconds. Raises ValueError.

    >>> duration_ns("1m30s"), duration_ns("150ms")
    (90000000000, 150000000)
    """
    if not _DURATION.fullmatch(text):
        raise ValueError(text)
    total = sum(round(float(number) * _UNITS_NS[unit]) for number, unit in _PART.findall(text))
    if total > NS_MAX:
        raise ValueError(text)
    return total


def time_ns(text: str, now_ns: int) -> int:
    """Nanoseconds since 1970: of an RFC 3339 time, of a number of them, or of an age. Raises ValueError.

    >>> time_ns("15m", 3600 * NS_PER_SECOND) == 2700 * NS_PER_SECOND
    True
    """
    if _DURATION.fullmatch(text):
        return max(0, now_ns - duration_ns(text))
    return parse_ns(text)


def _compile(query: Query, scope: Scope, now_ns: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    also: list[Condition] = []
    texts: list[str] = []
    for term in query.terms:
        if not term.field:
            texts.append(term.values[0].text)
            if term.negated:
                raise _wrong(term, "text can't be negated; negate a field instead")
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


_READERS: dict[str, Callable[[str], int | float]] = {"number": _count, "money": _money, "duration": duration_ns}
_EXPECTED = {
    "number": "a number is expected here, such as 10, 1.5k or 2M",
    "money": "dollars are expected here, such as 0.25",
    "duration": "a duration is expected here, such as 150ms, 2s, 5m or 1h30m",
}
