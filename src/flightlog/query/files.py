"""Where a query finds the store: the database file, and the files of the archive, as they are now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, select, text

from flightlog.archive.manifest import files as manifest_files
from flightlog.archive.table import archive_state
from flightlog.errors import SqlFailed
from flightlog.store.contract import Store

SCHEME = "sqlite:///"

# From paths in the archive to files on this machine.
Locate = Callable[[Sequence[str]], list[Path]]


class Stored(NamedTuple):
    """What a query reads: ids up to `archived_until` from the files, later ones from the database.

    `version` is that of the manifest, by which a reader with a snapshot of its own knows that it is the same.
    """

    database: str | None
    files: list[str]
    archived_until: int
    version: int


def stored(store: Store, locate: Locate) -> Stored:
    """The store as it is now. Raises SqlFailed for one that is not in SQLite, and whatever `locate` raises."""
    if not store.url.startswith(SCHEME):
        raise SqlFailed(reason=f"SQL is asked of stores in SQLite, and this one is {store.dialect}")
    with store.read() as connection:
        until, version = _state(connection)
        paths = [file.path for file in manifest_files(connection)] if until else []
    return Stored(
        store.url.removeprefix(SCHEME), [str(path) for path in locate(paths)] if paths else [], until, version
    )


def _state(connection: Connection) -> tuple[int, int]:
    if connection.execute(text("SELECT 1 FROM sqlite_master WHERE name = 'archive_state'")).first() is None:
        return 0, 0  # of before there was an archive
    row = connection.execute(select(archive_state.c.archived_until, archive_state.c.version)).first()
    return (0, 0) if row is None else (int(row[0]), int(row[1]))
