"""Envelopes as bare rows: what a timeline draws, read without making an object of each event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, text

from flightlog.journal.filter import EventFilter
from flightlog.journal.plan import Span, ids_of_page
from flightlog.journal.table import run_events

# In the order of the rows.
COLUMNS: tuple[str, ...] = (
    "id",
    "created_at",
    "duration_ns",
    "type",
    "name",
    "level",
    "status",
    "source",
    "actor",
    "span_id",
    "parent_span_id",
    "correlation_id",
    "flags",
    "payload_bytes",
)


def read_columns(
    connection: Connection,
    wanted: EventFilter,
    after_id: int,
    until_id: int,
    limit: int,
    names: Sequence[str] = COLUMNS,
) -> Sequence[Sequence[Any]]:
    """The events of one run with `after_id < id <= until_id` that pass the filter, oldest first, at most `limit`.

    `names` are the columns of a row; the first is the id.
    """
    columns = [run_events.c[name] for name in names]
    if wanted == EventFilter(run_id=wanted.run_id):
        # All of a run: one walk along its index, without a list of ids between.
        asked = (
            select(*columns)
            .where(run_events.c.run_id == wanted.run_id, run_events.c.id > after_id, run_events.c.id <= until_id)
            .order_by(run_events.c.id)
            .limit(limit)
        )
        return connection.execute(asked).all()
    page = ids_of_page(connection, wanted, Span(after_id, until_id + 1, backwards=False), limit)
    found = page.join(run_events, run_events.c.id == page.c.id)
    return connection.execute(select(*columns).select_from(found).order_by(text("1"))).all()
