"""Writes `newest.sql` anew, from a database that the migrations make: `make schema`."""

from __future__ import annotations

from sqlalchemy import create_engine

from flightlog.store.migrations import HEAD
from flightlog.store.migrations.run import run_alembic
from flightlog.store.migrations.schema import FILE, dump

if __name__ == "__main__":
    with create_engine("sqlite://").begin() as connection:
        run_alembic(connection, HEAD)
        FILE.write_text(dump(connection), "utf-8")
