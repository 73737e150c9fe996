"""What the archive holds, as the manifest says in the snapshot of a connection."""

from __future__ import annotations

import builtins
import json
from collections.abc import Collection
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, select, text

from flightlog.archive.keys import place_of
from flightlog.archive.table import archive_files, archive_state


class State(NamedTuple):
    """How far the archive goes: see archive/table.py."""

    archived_until: int
    dropped_until: int
    created_at_max: int
    version: int
    last_file_id: int
    archived_at: int
    store_id: str


class ArchivedFile(NamedTuple):
    """A file of the archive: a row of the manifest, its columns in their order."""

    file_id: int
    path: str
    project: str
    date: str
    first_id: int
    last_id: int
    events: int
    bytes: int
    payload_bytes: int
    digest: builtins.bytes
    schema_version: int
    created_at_min: int
    created_at_max: int
    received_at_min: int
    received_at_max: int
    run_count: int
    types: str
    levels: str
    key_parts: str
    stale: int
    written_at: int

    @property
    def type_counts(self) -> dict[str, int]:
        """How many events of each type it holds."""
        return _counts(self.types)

    @property
    def level_counts(self) -> dict[str, int]:
        """How many events of each level it holds."""
        return _counts(self.levels)


@lru_cache(maxsize=4096)
def _counts(text: str) -> dict[str, int]:
    return {str(name): int(count) for name, count in json.loads(text).items()}


assert ArchivedFile._fields == tuple(archive_files.columns.keys())

_STATE = select(*(archive_state.c[name] for name in State._fields))
_FILES = select(*archive_files.columns)


def state(connection: Connection) -> State:
    """How far the archive goes."""
    return State(*connection.execute(_STATE).one())


def archived_until(connection: Connection) -> int:
    """The boundary: ids up to this one are in files, later ones in the journal's tables."""
    return int(connection.execute(select(archive_state.c.archived_until)).scalar_one())


def files(
    connection: Connection,
    *,
    after_id: int | None = None,
    before_id: int | None = None,
    project: str | None = None,
    since: int | None = None,
    until: int | None = None,
) -> list[ArchivedFile]:
    """The files that may hold events with ids between the two (both excluded), of this project, created between the two
    (nanoseconds; the later one excluded), by rising first_id.
    """
    c = archive_files.c
    asked: Select[Any] = _FILES.order_by(c.first_id, c.file_id)
    if after_id is not None:
        asked = asked.where(c.last_id > after_id)
    if before_id is not None:
        asked = asked.where(c.first_id < before_id)
    if project is not None:
        asked = asked.where(c.project == project)
    if since is not None:
        asked = asked.where(c.created_at_max >= since)
    if until is not None:
        asked = asked.where(c.created_at_min < until)
    return [ArchivedFile(*row) for row in connection.execute(asked)]


def file_at(connection: Connection, file_id: int) -> ArchivedFile | None:
    """One file by its number."""
    row = connection.execute(_FILES.where(archive_files.c.file_id == file_id)).first()
    return None if row is None else ArchivedFile(*row)


# The part of a filter that would have the key. How many parts a filter has stands with the file. CROSS JOIN lets SQLite begin with
# the files and look each part up; left to itself it reads all filters of all files.
_PARTS = """
SELECT f.file_id, k.bits FROM archive_files AS f CROSS JOIN archive_keys AS k
WHERE k.file_id = f.file_id AND k."column" = :column AND k.part = :number % (f.key_parts ->> :column)
AND f.key_parts ->> :column IS NOT NULL
"""


def files_with(connection: Connection, column: str, key: str) -> set[int]:
    """The file_ids of all files that may hold an event with this value in one of the columns KEYED."""
    place = place_of(key)
    found = connection.execute(text(_PARTS), {"column": column, "number": place.number})
    return {file_id for file_id, bits in found if place.is_in(bits)}


def files_with_any(connection: Connection, column: str, keys: Collection[str]) -> dict[str, set[int]]:
    """The same for many keys; those that are in no file are left out."""
    found = {}
    for key in keys:
        if some := files_with(connection, column, key):
            found[key] = some
    return found
