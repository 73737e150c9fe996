"""What may stand next in a query: fields, then the values that there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from flightlog.filters.fields import RANGED, Field, Scope
from flightlog.filters.language import quote

SUGGESTIONS_MAX = 12

_BOUNDS = {
    "number": (">10", "<1k", "1..5"),
    "signed": ("<0.5", ">=0.8", "0..0.5"),
    "money": (">0.1", "<1", "0.5..2"),
    "duration": (">2s", "<150ms", "1m..1h"),
}
_AGES = ("15m", "1h", "24h", "7d", "30d")

# The values of a field that are in the store, with how often; asked only when the field has no choices of its own.
Known = Callable[[str], Mapping[str, int]]


class Suggestion(NamedTuple):
    """`text` takes the place of what is being written; `detail` says what it is."""

    text: str
    detail: str


class Completion(NamedTuple):
    """What could stand from `start` to `end` of the query, in characters."""

    start: int
    end: int
    suggestions: list[Suggestion]


def complete(query: str, at: int, scope: Scope, known: Known) -> Completion:
    """What may be written where the caret is. Never raises: a query that is being written is often wrong.

    >>> from flightlog.filters.fields import RUNS
    >>> complete("login sta", 9, RUNS, lambda field: {}).suggestions[0].text
    'status:'
    >>> complete("status:fa", 9, RUNS, lambda field: {}).suggestions
    [Suggestion(text='failed', detail='')]
    """
    at = max(0, min(at, len(query)))
    start = _term_start(query, at)
    term = query[start:at].removeprefix("-")
    start = at - len(term)
    name, colon, rest = term.partition(":")
    if not colon or name not in scope.fields:
        found = [
            Suggestion(f"{field.name}:", field.words)
            for field in scope.fields.values()
            if field.name.startswith(term.lower()) and not term.startswith('"')
        ]
        return Completion(start, at, found[: SUGGESTIONS_MAX + 8])
    value = rest.rpartition(",")[2]
    return Completion(at - len(value), at, _values(scope.fields[name], value, known)[:SUGGESTIONS_MAX])


def _term_start(query: str, at: int) -> int:
    """Where the term begins that the caret is in or behind."""
    start, quoted = 0, False
    for place in range(at):
        if query[place] == '"' and (place == 0 or query[place - 1] != "\\"):
            quoted = not quoted
        elif query[place].isspace() and not quoted:
            start = place + 1
    return start


def _values(field: Field, value: str, known: Known) -> list[Suggestion]:
    if field.kind in RANGED:
        return [Suggestion(text, field.words) for text in _BOUNDS[field.kind] if text.startswith(value)]
    if field.kind in ("since", "until"):
        return [Suggestion(text, "ago") for text in _AGES if text.startswith(value)]
    begun = value.removeprefix('"').lower()
    if field.choices:
        return [Suggestion(choice, "") for choice in field.choices if choice.startswith(begun)]
    found = [(text, count) for text, count in known(field.name).items() if begun in text.lower()]
    # What begins as it is written comes first, then what there is most of.
    found.sort(key=lambda one: (not one[0].lower().startswith(begun), -one[1], one[0]))
    return [Suggestion(_written(text), f"{count:,}") for text, count in found]


def _written(text: str) -> str:
    plain = text and not text.startswith((">", "<")) and not any(c.isspace() or c in '",*' for c in text)
    return text if plain else quote(text)
