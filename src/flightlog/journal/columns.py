"""Envelopes as bare rows: what a timeline draws, read without making an object of each event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from flightlog.journal.filter import EventFilter
from flightlog.journal.lookup import rows_of_page
from flightlog.journal.plan import Span

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
    return rows_of_page(connection, names, wanted, Span(after_id, until_id + 1, backwards=False), limit)
