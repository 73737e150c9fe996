"""Changes of the manifest, each inside a transaction of the caller's."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import delete, insert, select, update

from flightlog.archive import manifest
from flightlog.archive.files import Written, as_row
from flightlog.archive.manifest import ArchivedFile
from flightlog.archive.table import archive_files, archive_gone, archive_keys, archive_state
from flightlog.journal.changes import changes
from flightlog.store.contract import Tx


class Overtaken(Exception):
    """What was worked on was changed meanwhile. Nothing was committed; what was written for it is to go."""


def add_range(tx: Tx, written: Sequence[Written], after_id: int, until_id: int, seen_changes: int, now: int) -> None:
    """The ids after one up to another are in these files from now on, and the boundary is behind them.

    Raises Overtaken where the archive does not end where these begin, or rows of the journal were changed since `seen_changes`.
    """
    state = manifest.state(tx.sql)
    if state.archived_until != after_id or changes(tx.sql) != seen_changes:
        raise Overtaken
    _insert(tx, written, now)
    newest = max([state.created_at_max, *(file.created_at_max for file in written)])
    tx.sql.execute(update(archive_state).values(archived_until=until_id, created_at_max=newest, archived_at=now))


def replace(tx: Tx, old: Sequence[ArchivedFile], new: Sequence[Written], now: int) -> list[ArchivedFile]:
    """These files take the place of those, whose objects go after the grace time. The new rows of the manifest.

    Raises Overtaken unless all of the old ones are still there. A file that was marked as stale meanwhile stays so.
    """
    ids = [file.file_id for file in old]
    there = tx.sql.execute(
        select(archive_files.c.file_id, archive_files.c.stale).where(archive_files.c.file_id.in_(ids))
    ).all()
    if len(there) < len(old):
        raise Overtaken
    known = {file.file_id: file.stale for file in old}
    stale = int(any(row.stale and not known[row.file_id] for row in there))
    drop_files(tx, ids, now)
    made = _insert(tx, new, now, stale)
    return [found for file_id in made if (found := manifest.file_at(tx.sql, file_id)) is not None]


def drop_files(tx: Tx, file_ids: Collection[int], now: int) -> None:
    """The archive does not have these files any more; their objects are deleted after the grace time."""
    if not file_ids:
        return
    of_these = archive_files.c.file_id.in_(file_ids)
    gone = tx.sql.execute(select(archive_files.c.path).where(of_these)).scalars().all()
    tx.sql.execute(delete(archive_files).where(of_these))
    tx.sql.execute(delete(archive_keys).where(archive_keys.c.file_id.in_(file_ids)))
    if gone:
        tx.sql.execute(insert(archive_gone), [{"path": path, "since": now} for path in gone])
    tx.sql.execute(update(archive_state).values(version=archive_state.c.version + 1))


def mark_stale(tx: Tx, *, after_id: int = 0, until_id: int | None = None) -> int:
    """The typed columns of the files in this stretch of ids are to be written anew by the next compaction; how many these are."""
    asked = update(archive_files).where(archive_files.c.last_id > after_id).values(stale=1)
    if until_id is not None:
        asked = asked.where(archive_files.c.first_id <= until_id)
    return tx.sql.execute(asked).rowcount


def _insert(tx: Tx, written: Sequence[Written], now: int, stale: int = 0) -> list[int]:
    first = manifest.state(tx.sql).last_file_id + 1
    made = list(range(first, first + len(written)))
    for file_id, file in zip(made, written, strict=True):
        tx.sql.execute(insert(archive_files).values(as_row(file_id, file, now, stale)))
        bits = [
            (file_id, column, part, found)
            for column, parts in sorted(file.keys.items())
            for part, found in enumerate(parts)
        ]
        tx.insert_many((archive_keys, bits))
    tx.sql.execute(
        update(archive_state).values(version=archive_state.c.version + 1, last_file_id=first + len(written) - 1)
    )
    return made
