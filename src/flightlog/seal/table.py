"""The tables of the seal: how far it goes, and each event's salt."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table

from flightlog.store.contract import metadata

Int64 = BigInteger().with_variant(Integer, "sqlite")

# One row: the journal's ids up to `size` are leaves of the tree.
seal_state = Table(
    "seal_state",
    metadata,
    Column("one", Int64, primary_key=True, autoincrement=False),
    Column("size", Int64, nullable=False),
    Column("sealed_at", Int64, nullable=False),
    sqlite_strict=True,
)

# Gone once the payload is erased; the leaf stays.
seal_salts = Table(
    "seal_salts",
    metadata,
    Column("id", Int64, primary_key=True, autoincrement=False),
    Column("salt", LargeBinary, nullable=False),
    sqlite_strict=True,
)
