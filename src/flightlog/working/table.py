"""The tables of workers, and of what only one process does at a time."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from flightlog.store.contract import metadata

Int64 = BigInteger().with_variant(Integer, "sqlite")

workers = Table(
    "workers",
    metadata,
    Column("worker_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("queues", Text, nullable=False),  # a JSON array of names
    Column("concurrency", Int64, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Int64, nullable=False),
    Column("version", Text, nullable=False),
    Column("state", Text, nullable=False),  # RUNNING, DRAINING, STOPPED, DEAD
    Column("started_at", Int64, nullable=False),
    Column("seen_at", Int64, nullable=False),
    sqlite_strict=True,
)
Index("workers_state", workers.c.state, workers.c.seen_at)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", Int64, nullable=False),
    sqlite_strict=True,
)
