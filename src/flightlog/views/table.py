"""The table of saved views."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from flightlog.store.contract import metadata

Int64 = BigInteger().with_variant(Integer, "sqlite")

saved_views = Table(
    "saved_views",
    metadata,
    Column("view_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("page", Text, nullable=False),
    Column("query", Text, nullable=False),  # as in a URL, behind the question mark
    Column("created_at", Int64, nullable=False),
    sqlite_strict=True,
)

Index("saved_views_name", saved_views.c.page, saved_views.c.name, unique=True)
