"""Running the migrations from our own code: no ini file, our connection, our transaction."""

from __future__ import annotations

import threading

from sqlalchemy import Connection, text

from flightlog.store.migrations import FOLDER, HEAD, KNOWN, schema

VERSION_TABLE = "alembic_version"
_HAS_TABLE = {
    "sqlite": f"SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '{VERSION_TABLE}'",  # noqa: S608
    "postgresql": f"SELECT 1 WHERE to_regclass('{VERSION_TABLE}') IS NOT NULL",
}

_one_at_a_time = threading.Lock()  # Alembic hands its context to env.py through a module, of which there is one


def revision(connection: Connection) -> str | None:
    """The migration that this database is at; None when there is none."""
    # Asked at each start: SQLAlchemy's own way takes a tenth of a second the first time.
    if connection.execute(text(_HAS_TABLE[connection.dialect.name])).first() is None:
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608
    return None if found is None else str(found)


def upgrade(connection: Connection, to: str = HEAD) -> list[str]:
    """Run what is missing up to `to`; return it, oldest first. All or nothing: the caller holds the transaction."""
    found = revision(connection)
    if found == to:
        return []
    if found is not None or to != HEAD or not schema.load(connection):
        run_alembic(connection, to)
    return list(KNOWN[KNOWN.index(found) + 1 if found else 0 : KNOWN.index(to) + 1])


def run_alembic(connection: Connection, to: str) -> None:
    """Have Alembic upgrade this connection's database, inside the transaction that is open on it."""
    # Only here, because it takes a fifth of a second and most stores that are opened are up to date.
    from alembic import command
    from alembic.config import Config

    config = Config()
    # Alembic reads % as its own sign, and a path may have one.
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    with _one_at_a_time:
        command.upgrade(config, to)
