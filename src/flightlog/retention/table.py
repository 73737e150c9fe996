"""The table of legal holds."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text, text

from flightlog.journal.table import Int64
from flightlog.store.contract import metadata

retention_holds = Table(
    "retention_holds",
    metadata,
    Column("hold_id", Text, primary_key=True),
    Column("selection", Text, nullable=False),  # in the words of who placed it, a JSON object
    Column("filter", Text, nullable=False),  # the same as an EventFilter, as JSON
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("placed_at", Int64, nullable=False),
    Column("placed_id", Int64, nullable=False),  # the journal id of the audit event that says so
    Column("released_at", Int64),
    Column("released_by", Text),
    Column("release_reason", Text),
    Column("released_id", Int64),
    sqlite_strict=True,
)
_standing = text("released_at IS NULL")
Index("retention_holds_standing", retention_holds.c.placed_at, sqlite_where=_standing, postgresql_where=_standing)
