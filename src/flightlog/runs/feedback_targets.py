"""What a feedback is about: from the id that somebody gave to the generation, span or run that it names.

Whether something is found depends only on what the journal holds, not on the order in which it came: the projection asks
again when something arrives that has the id.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, Table, select

from flightlog.events.envelope import StoredEvent
from flightlog.journal.lookup import named
from flightlog.journal.spans import SPAN_TYPES, events_of_spans
from flightlog.runs.calls import CALL_TYPES
from flightlog.runs.generation_table import generations
from flightlog.runs.table import runs
from flightlog.store.contract import Tx

LOOKUP_MAX = 500  # ids asked for in one statement

_TRACE_AND_SPAN = re.compile("([0-9a-f]{32})-([0-9a-f]{16})")


class Named(NamedTuple):
    """A target as it was given, and the run and trace of the event that gave it: a part of an id is enough within them."""

    target_id: str
    target_type: str | None
    run_id: str | None
    trace_id: str | None


class Place(NamedTuple):
    """What was found. A span that is a generation's own has both ids."""

    target_type: str
    generation_id: str | None
    run_id: str | None
    span_id: str | None


def find_places(tx: Tx, wanted: Iterable[Named]) -> dict[Named, Place]:
    """The places of those targets that are there, in a handful of statements however many they are."""
    asked = list(dict.fromkeys(wanted))
    if not asked:
        return {}
    known = _Known(tx, asked)
    return {each: place for each in asked if (place := known.place(each)) is not None}


def ids_brought(events: Sequence[StoredEvent]) -> set[str]:
    """Every id by which somebody may have named what these events bring."""
    ids: set[str] = set()
    for event in events:
        ids.add(event.event_id)
        if event.run_id is not None:
            ids.add(event.run_id)
        if event.type in CALL_TYPES:
            ids.update(_generations_of(event.run_id, event.span_id, event.correlation_id, event.event_id))
            if event.correlation_id is not None:
                ids.add(event.correlation_id)
        if event.type in SPAN_TYPES and event.span_id is not None:
            ids.add(event.span_id)
            ids.add(f"{event.trace_id}-{event.span_id}")
    return ids


def _generations_of(
    run_id: str | None, span_id: str | None, correlation_id: str | None, event_id: str
) -> Iterator[str]:
    """The ids that the generation of an event of a call can have, the likeliest first."""
    keys = (correlation_id,) if correlation_id is not None else (event_id, span_id)
    for key in keys:
        if key is not None:
            yield _within(run_id, key)


def _within(run_id: str | None, key: str) -> str:
    return key if run_id is None else f"{run_id}-{key}"


class _Said(NamedTuple):
    """What an event says of the call that it tells of."""

    event_id: str
    type: str
    run_id: str | None
    span_id: str | None
    correlation_id: str | None


class _Known:
    """What the store knows of these targets, read at once."""

    def __init__(self, tx: Tx, asked: list[Named]) -> None:
        targets = {each.target_id for each in asked}
        self._events = {row[1]: _Said(*row[1:]) for row in named(tx.sql, ("id", *_Said._fields), targets)}
        self._spans: dict[str, list[Any]] = defaultdict(list)
        for row in events_of_spans(tx.sql, {_span_of(target)[1] for target in targets}):
            self._spans[row.span_id].append(row)
        candidates = {candidate for each in asked for candidate in self._candidates(each)}
        candidates.update(_within(row.run_id, span) for span, rows in self._spans.items() for row in rows)
        self._generations = {
            row.generation_id: row for row in _rows(tx, _GENERATIONS, generations, "generation_id", candidates)
        }
        self._runs = {row.run_id for row in _rows(tx, select(runs.c.run_id), runs, "run_id", targets)}

    def place(self, named: Named) -> Place | None:
        """Where this target is; None when it is not there."""
        kind = named.target_type
        found = None
        if kind in (None, "generation"):
            found = self._generation(named)
        if found is None and kind in (None, "run") and named.target_id in self._runs:
            found = Place("run", None, named.target_id, None)
        if found is None and kind in (None, "span"):
            found = self._span(named)
        return found

    def _candidates(self, named: Named) -> Iterator[str]:
        yield named.target_id
        for around in (named.run_id, named.trace_id):
            if around is not None:
                yield f"{around}-{named.target_id}"
        event = self._events.get(named.target_id)
        if event is not None and event.type in CALL_TYPES:
            yield from _generations_of(event.run_id, event.span_id, event.correlation_id, event.event_id)

    def _generation(self, named: Named) -> Place | None:
        for candidate in self._candidates(named):
            row = self._generations.get(candidate)
            if row is not None:
                return Place("generation", candidate, row.run_id, row.span_id)
        span = self._span(named)
        return None if span is None or span.generation_id is None else span._replace(target_type="generation")

    def _span(self, named: Named) -> Place | None:
        trace_id, span_id = _span_of(named.target_id)
        rows = [row for row in self._spans.get(span_id, ()) if trace_id is None or row.trace_id == trace_id]
        if not rows:
            return None
        row = min(rows, key=lambda row: row.run_id or "")
        own = _within(row.run_id, span_id)
        return Place("span", own if own in self._generations else None, row.run_id, span_id)


_GENERATIONS = select(generations.c.generation_id, generations.c.run_id, generations.c.span_id)


def _rows(tx: Tx, query: Select[Any], table: Table, column: str, values: set[str]) -> Iterator[Any]:
    ordered = sorted(values)
    for start in range(0, len(ordered), LOOKUP_MAX):
        yield from tx.sql.execute(query.where(table.c[column].in_(ordered[start : start + LOOKUP_MAX])))


def _span_of(target: str) -> tuple[str | None, str]:
    """The trace and span in an id.

    >>> _span_of("b7ad6b7169203331"), _span_of("0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331")[1]
    ((None, 'b7ad6b7169203331'), 'b7ad6b7169203331')
    """
    both = _TRACE_AND_SPAN.fullmatch(target)
    return (both[1], both[2]) if both else (None, target)
