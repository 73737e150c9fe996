"""Receipts: the audit events of what was removed, newest first, with what they say."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection

from flightlog.journal.filter import EventFilter
from flightlog.journal.lookup import rows_of_page
from flightlog.journal.plan import Span
from flightlog.journal.removed import REMOVAL

RECEIPTS = EventFilter(types=("audit",), name=REMOVAL, sources=("flightlog",))


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """One removal: the event that tells of it, who had it done, when (ns), and the details."""

    id: int
    event_id: str
    created_at: int
    actor: str | None
    details: dict[str, Any]


def receipts(connection: Connection, limit: int, before_id: int | None = None) -> list[Receipt]:
    """The latest removals, newest first, before an id."""
    names = ("id", "event_id", "created_at", "actor", "payload")
    rows = rows_of_page(connection, names, RECEIPTS, Span(None, before_id, True), limit)
    return [
        Receipt(id=row[0], event_id=row[1], created_at=row[2], actor=row[3], details=_details(row[4])) for row in rows
    ]


def _details(payload: str | None) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(payload or "{}", type=dict[str, Any]).get("details")
    except msgspec.DecodeError:
        found = None
    return found if isinstance(found, dict) else {}
