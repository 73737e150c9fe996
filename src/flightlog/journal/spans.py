"""Which events tell of a span, found by nothing but its id."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from sqlalchemy import Connection, select, text, update

from flightlog.journal.condition import Condition
from flightlog.journal.filter import EventFilter
from flightlog.journal.history import line_of
from flightlog.journal.lookup import older_rows
from flightlog.journal.table import OF_A_SPAN, run_events, span_places, span_range
from flightlog.store.contract import Tx

BEHIND_EVENTS_MAX = 16_000  # so many of the newest events are not entered yet; walking them takes some milliseconds
LOOKUP_SPANS_MAX = 500  # ids asked for in one statement

SPAN_TYPES = ("span_started", "span_finished", "llm_response", "tool_result")  # those of OF_A_SPAN


class SpanEvent(NamedTuple):
    """An event that says how a span began or ended."""

    id: int
    span_id: str
    run_id: str | None
    trace_id: str | None


_FOUND = tuple(run_events.c[name] for name in SpanEvent._fields)
# In the order of the index: its pages are written one after the other, each once.
_ENTER = text(
    f"INSERT INTO span_places (span_id, id) SELECT span_id, id FROM run_events"  # noqa: S608 (our own words)
    f" WHERE id > :after AND id <= :until AND {OF_A_SPAN} ORDER BY span_id, id"
)


def enter_spans(tx: Tx, first_id: int, last_id: int) -> None:
    """Enter what has come, if these events, which were just stored, make it much. What is found does not depend on when."""
    # A look at the numbers alone: the table is asked once in so many events.
    if last_id // BEHIND_EVENTS_MAX == (first_id - 1) // BEHIND_EVENTS_MAX:
        return
    tx.sql.execute(_ENTER, {"after": _entered(tx.sql), "until": last_id})
    tx.sql.execute(update(span_range).values(last_id=last_id))


def events_of_spans(connection: Connection, span_ids: Collection[str]) -> Iterator[SpanEvent]:
    """One for each event that says how one of these spans began or ended."""
    ordered = sorted(span_ids)
    if not ordered:
        return
    entered, until = _entered(connection), line_of(connection)
    joined = span_places.join(run_events, run_events.c.id == span_places.c.id)
    for start in range(0, len(ordered), LOOKUP_SPANS_MAX):
        some = ordered[start : start + LOOKUP_SPANS_MAX]
        wanted = EventFilter(types=SPAN_TYPES, also=(Condition(field="span_id", values=tuple(some)),))
        for row in older_rows(connection, SpanEvent._fields, wanted):
            yield SpanEvent(*row)
        placed = select(*_FOUND).select_from(joined)
        placed = placed.where(span_places.c.span_id.in_(some), span_places.c.id > until)
        late = select(*_FOUND).where(
            run_events.c.id > max(entered, until), text(OF_A_SPAN), run_events.c.span_id.in_(some)
        )
        for asked in (placed, late):
            yield from map(SpanEvent._make, connection.execute(asked))


def _entered(connection: Connection) -> int:
    return int(connection.execute(select(span_range.c.last_id)).scalar_one())
