"""The schema's history: numbered migrations in `versions/`, forwards only, run by Alembic inside one transaction."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

# Oldest first. A test holds this list against the files, so that opening an up-to-date store needs no Alembic.
KNOWN: tuple[str, ...] = ("0001",)
HEAD = KNOWN[-1]

VERSION_TABLE = "alembic_version"
FOLDER = Path(__file__).parent


def revision(connection: Connection) -> str | None:
    """The migration that this database is at; None when there is none."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608
    return None if found is None else str(found)


def upgrade(connection: Connection, to: str = HEAD) -> list[str]:
    """Run what is missing up to `to`; return it, oldest first. All or nothing: the caller holds the transaction."""
    found = revision(connection)
    if found == to:
        return []
    from flightlog.store.migrations.run import run_alembic

    run_alembic(connection, to)
    return list(KNOWN[KNOWN.index(found) + 1 if found else 0 : KNOWN.index(to) + 1])
