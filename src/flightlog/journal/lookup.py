"""Rows of the journal, wherever they lie: by filter, by place, by event id. Whoever reads events reads them through here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select, text

from flightlog.journal.filter import EventFilter
from flightlog.journal.history import ALL_ROWS, history_of, split
from flightlog.journal.plan import Span, holds, ids_of_page
from flightlog.journal.table import event_payloads, run_events

IDS_AT_ONCE = 500  # places or event ids asked for in one statement

PAYLOAD = "payload"
Row = Sequence[Any]


def rows_of_page(
    connection: Connection, names: Sequence[str], wanted: EventFilter, span: Span, count: int
) -> list[Row]:
    """At most `count` events from the near end of the span that pass the filter (but for its text), in its direction.

    `names` are the columns of a row, `payload` among them where it is wanted; the first is `id`.
    """
    history = history_of(connection)
    until = 0 if history is None else history.until(connection)
    older, newer = split(span, until)
    found: list[Row] = []
    for part in (newer, older) if span.backwards else (older, newer):
        if part is None or len(found) >= count:
            continue
        if part is newer:
            found += _in_tables(connection, names, wanted, part, count - len(found), until)
        elif history is not None:
            found += history.rows(connection, names, wanted, part, count - len(found))
    return found


def rows_at(connection: Connection, names: Sequence[str], ids: Collection[int]) -> list[Row]:
    """The events at these places, oldest first; those that are not there are left out."""
    history = history_of(connection)
    until = 0 if history is None else history.until(connection)
    older = [row_id for row_id in ids if row_id <= until]
    newer = sorted(row_id for row_id in ids if row_id > until)
    found: list[Row] = []
    if older and history is not None:
        found += history.at(connection, names, older)
    for some in chunks(newer):
        found += connection.execute(_select(names).where(run_events.c.id.in_(some)).order_by(run_events.c.id))
    return found


def rows_at_that_hold(
    connection: Connection, names: Sequence[str], wanted: EventFilter, ids: Collection[int]
) -> list[Row]:
    """Those of the events at these places, which are all in the tables, that pass the filter (but for its text)."""
    asked = _select(names).where(run_events.c.id.in_(ids), *holds(wanted)).order_by(run_events.c.id)
    return list(connection.execute(asked))


def ids_of(connection: Connection, event_ids: Collection[str]) -> dict[str, int]:
    """The places of those of these events that are in the journal."""
    history = history_of(connection)
    until = 0 if history is None else history.until(connection)
    found: dict[str, int] = {}
    for some in chunks(sorted(set(event_ids))):
        asked = select(run_events.c.event_id, run_events.c.id).where(run_events.c.event_id.in_(some))
        found.update((event_id, row_id) for event_id, row_id in connection.execute(asked))
    missing = [event_id for event_id in event_ids if event_id not in found] if until else []
    if missing and history is not None:
        found.update(history.find(connection, missing))
    return found


def named(connection: Connection, names: Sequence[str], event_ids: Collection[str]) -> list[Row]:
    """The events of these ids, oldest first; those that are not there are left out."""
    return rows_at(connection, names, ids_of(connection, event_ids).values())


def count_of_run(connection: Connection, run_id: str, *, after_id: int) -> int:
    """How many events a run has after this place."""
    history = history_of(connection)
    until = 0 if history is None else history.until(connection)
    asked = select(func.count()).where(run_events.c.run_id == run_id, run_events.c.id > max(after_id, until))
    older = older_rows(connection, ("id",), EventFilter(run_id=run_id), after_id=after_id)
    return len(older) + int(connection.execute(asked).scalar_one())


def chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """These values, as many at a time as one statement takes."""
    for start in range(0, len(values), IDS_AT_ONCE):
        yield values[start : start + IDS_AT_ONCE]


def older_rows(
    connection: Connection, names: Sequence[str], wanted: EventFilter, *, after_id: int = 0, count: int | None = None
) -> list[Row]:
    """Only what the history has of these events, oldest first."""
    history = history_of(connection)
    until = 0 if history is None else history.until(connection)
    if history is None or after_id >= until:
        return []
    span = Span(after_id, until + 1, backwards=False)
    return list(history.rows(connection, names, wanted, span, ALL_ROWS if count is None else count))


def _in_tables(
    connection: Connection, names: Sequence[str], wanted: EventFilter, span: Span, count: int, until: int
) -> list[Row]:
    if wanted == EventFilter(run_id=wanted.run_id) and wanted.run_id is not None and PAYLOAD not in names:
        # All of a run: one walk along its index, without a list of ids between.
        asked = _select(names).where(run_events.c.run_id == wanted.run_id)
        if span.after_id is not None:
            asked = asked.where(run_events.c.id > span.after_id)
        if span.before_id is not None:
            asked = asked.where(run_events.c.id < span.before_id)
        order = run_events.c.id.desc() if span.backwards else run_events.c.id
        return list(connection.execute(asked.order_by(order).limit(count)))
    page = ids_of_page(connection, wanted, span, count, floor=until)
    found = page.join(run_events, run_events.c.id == page.c.id)
    if PAYLOAD in names:
        found = found.outerjoin(event_payloads, event_payloads.c.id == page.c.id)
    ordered = select(*_columns(names)).select_from(found).order_by(text("1 DESC" if span.backwards else "1"))
    return list(connection.execute(ordered))


def _select(names: Sequence[str]) -> Select[Any]:
    if PAYLOAD not in names:
        return select(*_columns(names))
    joined = run_events.outerjoin(event_payloads, event_payloads.c.id == run_events.c.id)
    return select(*_columns(names)).select_from(joined)


def _columns(names: Sequence[str]) -> list[ColumnElement[Any]]:
    return [event_payloads.c.payload if name == PAYLOAD else run_events.c[name] for name in names]
