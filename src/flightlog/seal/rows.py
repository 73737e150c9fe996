"""The rows that are sealed, wherever they lie: by their places or by a filter, with the payload and the salt."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Select, select

from flightlog.journal.filter import EventFilter
from flightlog.journal.history import history_of, split
from flightlog.journal.lookup import Row, chunks
from flightlog.journal.plan import Span, ids_of_page
from flightlog.journal.table import event_payloads, run_events
from flightlog.seal.leaf import COLUMNS
from flightlog.seal.table import seal_salts

# What is read of an event to make its leaf, and what else is needed to check it.
WHOLE = (*COLUMNS, "payload_bytes", "payload", "salt")


def leaf_rows(connection: Connection, after_id: int, until_id: int) -> list[Row]:
    """The events with `after_id < id <= until_id` as `leaf_of` takes them (COLUMNS), oldest first."""
    older, newer = _split(connection, Span(after_id, until_id + 1, backwards=False))
    found: list[Row] = []
    history = history_of(connection)
    if older is not None and history is not None:
        found += history.rows(connection, COLUMNS, EventFilter(), older, until_id - after_id)
    if newer is not None:
        asked = select(*(run_events.c[name] for name in COLUMNS)).order_by(run_events.c.id)
        inside = run_events.c.id > newer.after_id, run_events.c.id <= until_id
        found += connection.execute(asked.where(*inside)).all()
    return found


def whole_rows(connection: Connection, ids: Sequence[int]) -> list[Row]:
    """The events at these places, which rise, as WHOLE; those that are not there are left out."""
    history = history_of(connection)
    until = 0 if history is None else history.until(connection)
    older = [row_id for row_id in ids if row_id <= until]
    newer = [row_id for row_id in ids if row_id > until]
    found: list[Row] = []
    if older and history is not None:
        found += _salted(connection, history.at(connection, WHOLE, older))
    if newer and newer[-1] - newer[0] < 2 * len(newer):  # one range where most of it is wanted
        found += connection.execute(_select().where(run_events.c.id.between(newer[0], newer[-1]))).all()
    else:
        for some in chunks(newer):
            found += connection.execute(_select().where(run_events.c.id.in_(some))).all()
    return found


def whole_page(connection: Connection, wanted: EventFilter, after_id: int, before_id: int, count: int) -> list[Row]:
    """The first events between the two that pass the filter, as WHOLE, oldest first."""
    older, newer = _split(connection, Span(after_id, before_id, backwards=False))
    found: list[Row] = []
    history = history_of(connection)
    if older is not None and history is not None:
        found += _salted(connection, history.rows(connection, WHOLE, wanted, older, count))
    if newer is not None and len(found) < count:
        page = ids_of_page(connection, wanted, newer, count - len(found), floor=newer.after_id or 0)
        found += connection.execute(_select().where(run_events.c.id.in_(select(page.c.id)))).all()
    return found


def _split(connection: Connection, span: Span) -> tuple[Span | None, Span | None]:
    history = history_of(connection)
    return split(span, 0 if history is None else history.until(connection))


def _select() -> Select[Any]:
    source = run_events.outerjoin(event_payloads, event_payloads.c.id == run_events.c.id)
    source = source.outerjoin(seal_salts, seal_salts.c.id == run_events.c.id)
    columns = [run_events.c[name] for name in WHOLE[:-2]]
    return select(*columns, event_payloads.c.payload, seal_salts.c.salt).select_from(source).order_by(run_events.c.id)


def _salted(connection: Connection, rows: Collection[Row]) -> list[Row]:
    """The rows, with the salts of those that were archived before anybody sealed: these are in the table."""
    unsalted = [row[0] for row in rows if row[-1] is None and row[-2] is not None]
    if not unsalted:
        return list(rows)
    salts: dict[int, bytes] = {}
    for some in chunks(unsalted):
        asked = select(seal_salts.c.id, seal_salts.c.salt).where(seal_salts.c.id.in_(some))
        salts.update((row_id, salt) for row_id, salt in connection.execute(asked))
    return [(*row[:-1], salts.get(row[0], row[-1])) for row in rows]
