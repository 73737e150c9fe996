"""The table of attributes that no mapping understood."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, Table, Text

from flightlog.store.contract import metadata

Int64 = BigInteger().with_variant(Integer, "sqlite")

unmapped_attributes = Table(
    "unmapped_attributes",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("count", Int64, nullable=False),
    Column("first_at", Int64, nullable=False),
    Column("last_at", Int64, nullable=False),
    Column("event_id", Text, nullable=False),  # the latest that has it
    sqlite_strict=True,
)
