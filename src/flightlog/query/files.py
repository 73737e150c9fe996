"""Where a query finds the store: the database file, and the files of the archive, as they are now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import Connection, select, text

from flightlog.archive.manifest import ArchivedFile
from flightlog.archive.manifest import files as manifest_files
from flightlog.archive.reader import ArchiveHistory
from flightlog.archive.table import archive_state
from flightlog.errors import NotOnThisStore
from flightlog.store.contract import Store

SCHEME = "sqlite:///"
WHY_NOT = "a query reads SQLite's file in a process of its own; ask PostgreSQL itself, as a user who may only read"


class Stored(NamedTuple):
    """What a query reads: ids up to `archived_until` from the files, later ones from the database.

    `version` is that of the manifest, by which a reader with a snapshot of its own knows that it is the same.
    """

    database: str | None
    files: list[str]
    archived_until: int
    version: int


@contextmanager
def stored(store: Store) -> Iterator[Stored]:
    """The store as it is now; what has to be fetched of it is here, and stays until the block ends.

    Raises NotOnThisStore for a store that is not in SQLite; ArchiveFileMissing, ArchiveFileBroken, ArchiveUnavailable.
    """
    if not store.url.startswith(SCHEME):
        raise NotOnThisStore(what="SQL", dialect=store.dialect, reason=WHY_NOT)
    database = store.url.removeprefix(SCHEME)
    until, version, files = _manifest(store)
    if not files:
        yield Stored(database, [], until, version)
        return
    history = store.history
    assert isinstance(history, ArchiveHistory), "a store with archived events has its archive attached"
    with history.cache.hold(files) as paths:
        yield Stored(database, [str(path) for path in paths], until, version)


def _manifest(store: Store) -> tuple[int, int, list[ArchivedFile]]:
    with store.read() as connection:
        until, version = _state(connection)
        return until, version, manifest_files(connection) if until else []


def _state(connection: Connection) -> tuple[int, int]:
    if connection.execute(text("SELECT 1 FROM sqlite_master WHERE name = 'archive_state'")).first() is None:
        return 0, 0  # of before there was an archive
    row = connection.execute(select(archive_state.c.archived_until, archive_state.c.version)).first()
    return (0, 0) if row is None else (int(row[0]), int(row[1]))
