"""The ledger of usage and, beside it, each user's account: what the ledger adds up to, and how much there may be."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, Table, Text

from flightlog.store.contract import metadata

Int64 = BigInteger().with_variant(Integer, "sqlite")

usage_ledger = Table(
    "usage_ledger",
    metadata,
    Column("id", Int64, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("status", Text, nullable=False),  # HELD, COMMITTED, RELEASED
    Column("source", Text, nullable=False),  # which attempt of the task it was held for: `attempt-1`
    Column("units", Int64, nullable=False),
    Column("created_at", Int64, nullable=False),
    sqlite_strict=True,
)
Index(
    "usage_ledger_once",
    usage_ledger.c.user_id,
    usage_ledger.c.task_id,
    usage_ledger.c.status,
    usage_ledger.c.source,
    unique=True,
)
Index("usage_ledger_task", usage_ledger.c.task_id, usage_ledger.c.id)

usage_accounts = Table(
    "usage_accounts",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("units_max", Int64),  # null: as much as they like
    Column("held", Int64, nullable=False),
    Column("committed", Int64, nullable=False),
    CheckConstraint("held >= 0 AND committed >= 0", name="usage_accounts_no_debt"),
    CheckConstraint("units_max IS NULL OR held + committed <= units_max", name="usage_accounts_in_bounds"),
    sqlite_strict=True,
)
