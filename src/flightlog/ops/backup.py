"""Makes a backup of a data folder while it is in use, beside its writer.

The order of steps is what makes it consistent. The checkpoint and the spool are taken first; then one snapshot of the database;
then the tiles that this snapshot's seal is made of, which are there before the store knows of them, and the archive's files that
its manifest names. So the checkpoint covers no more than the database has, and what is in the spool and already in the database is
recognised when it is delivered again.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from flightlog.clock import NS_PER_SECOND, Clock, SystemClock, format_ns
from flightlog.config import Settings
from flightlog.errors import ArchiveFileMissing, BackupBroken, NotFound, StoreUnavailable
from flightlog.ops.backup_files import (
    UNFINISHED,
    Facts,
    Progress,
    Seal,
    Writer,
    backups_in,
    clear_unfinished,
    locked,
    prune,
)
from flightlog.ops.backup_tiles import put_tiles
from flightlog.seal.note import Checkpoint
from flightlog.version import __version__
from flightlog.wiring import SEAL_FOLDER, SPOOL_FOLDER

DATABASE = "flightlog.db"
ARCHIVE = "archive"
PAGES_AT_ONCE = 4_096
TRIES = 5  # where the archive moved on between the snapshot and its files
SPOOLED = ("*.seg", "*.state", "quarantine/*")
TABLES = (
    "run_events",
    "event_payloads",
    "runs",
    "generations",
    "feedback",
    "audits",
    "seal_salts",
    "erased_payloads",
    "archive_files",
    "spool_positions",
)
SYSTEM_CLOCK = SystemClock()


class Made(NamedTuple):
    """A finished backup, what it holds, and the names of backups that went: older ones, and those that were never finished."""

    path: Path
    facts: Facts
    pruned: list[str]
    replaced: list[str]


class _Archived(NamedTuple):
    path: str
    digest: str


class _Snapshot(NamedTuple):
    """What the copy of the database holds."""

    revision: str
    last_id: int
    tables: dict[str, int]
    sealed_id: int
    archived_until: int
    archived: list[_Archived]


def make_backup(
    folder: Path,
    target: Path,
    settings: Settings,
    *,
    with_keys: bool = False,
    keep: int | None = None,
    progress: Progress | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Made:
    """Back up the folder into a new backup in `target`, verified when this returns.

    Raises NotFound where there is no store, BackupBroken where something of the folder is damaged, StoreUnavailable for the disk's
    troubles, Unavailable while another process backs up there. The folder is only read.
    """
    if not (folder / DATABASE).exists():
        raise NotFound(what="Flightlog store in", id=str(folder))
    try:
        with locked(target):
            replaced = clear_unfinished(target)
            before = backups_in(target)[-1:]
            name = _free_name(target, clock.now_ns())
            for again in reversed(range(TRIES)):
                unfinished = target / (UNFINISHED + name)
                unfinished.mkdir(mode=0o700)
                writer = Writer(unfinished, before[0] if before else None)
                try:
                    facts = _fill(writer, folder, settings, name, with_keys, progress, clock)
                    break
                except ArchiveFileMissing as error:
                    if not again:
                        raise BackupBroken(path=str(error.facts["path"]), reason="the manifest names it") from error
                    clear_unfinished(target)
            unfinished.rename(target / name)
            gone = prune(target, keep) if keep is not None else []
            return Made(target / name, facts, gone, replaced)
    except (OSError, sqlite3.OperationalError) as error:
        raise StoreUnavailable(reason=f"the backup to {target}: {error}") from error


def _free_name(target: Path, now_ns: int) -> str:
    """The moment, and a number where a backup of the same second is there."""
    stamp = format_ns(now_ns // NS_PER_SECOND * NS_PER_SECOND)[:19].replace(":", "") + "Z"
    names = (stamp, *(f"{stamp}-{number}" for number in range(2, 1_000)))
    return next(name for name in names if not (target / name).exists())


def _fill(
    writer: Writer,
    folder: Path,
    settings: Settings,
    name: str,
    with_keys: bool,
    progress: Progress | None,
    clock: Clock,
) -> Facts:
    seconds: dict[str, float] = {}
    created_at = format_ns(clock.now_ns())
    with _timed(seconds, "settings_and_spool"):
        checkpoint = _put_seal(writer, folder / SEAL_FOLDER, with_keys)
        for path in (*sorted(folder.glob("*.toml")), folder / "redaction.key"):
            if path.is_file():
                writer.copy(path.name, path)
        _put_spool(writer, folder / SPOOL_FOLDER)
    with _timed(seconds, "database"):
        held = _copy_database(folder / DATABASE, writer.folder / DATABASE, progress)
    with _timed(seconds, "digest_and_check"):
        _check_database(writer.folder / DATABASE)
        writer.take(DATABASE)
    with _timed(seconds, "seal"):
        sizes = {held.sealed_id, checkpoint.size if checkpoint else 0}
        put_tiles(writer, folder / SEAL_FOLDER, sizes)
    with _timed(seconds, "archive"):
        archive_bytes = _put_archive(writer, folder, settings, held.archived)
    seal = None
    if checkpoint is not None:
        seal = Seal(
            origin=checkpoint.origin,
            sealed_id=held.sealed_id,
            signed_id=checkpoint.size,
            root=checkpoint.root.hex(),
        )
    return writer.finish(
        Facts(
            name=name,
            created_at=created_at,
            flightlog=__version__,
            folder=str(folder.absolute()),
            revision=held.revision,
            last_id=held.last_id,
            tables=held.tables,
            archived_until=held.archived_until,
            archive_files=len(held.archived),
            archive_bytes=archive_bytes,
            seal=seal,
            with_keys=with_keys,
            seconds=seconds,
        )
    )


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    seconds[name] = round(time.perf_counter() - began, 3)


# ── what is not in the database ──────────────────────────────────────────────────────────────────────────────────────


def _put_seal(writer: Writer, folder: Path, with_keys: bool) -> Checkpoint | None:
    """The log's name, its keys and its checkpoint; private keys only where they are wanted."""
    kinds = ("*.pub", "*.note", "*.key") if with_keys else ("*.pub", "*.note")
    for path in [folder / "origin", *(path for kind in kinds for path in sorted((folder / "keys").glob(kind)))]:
        if path.is_file():
            writer.copy(f"{SEAL_FOLDER}/{path.relative_to(folder).as_posix()}", path)
    try:
        note = (folder / "checkpoint").read_bytes()
    except FileNotFoundError:
        return None
    writer.put(f"{SEAL_FOLDER}/checkpoint", note)
    return checkpoint_in(note)


def checkpoint_in(note: bytes) -> Checkpoint:
    """What a signed checkpoint says, whoever signed it. Raises NoteInvalid."""
    return Checkpoint.parse(note.decode("utf-8", "replace").rpartition("\n\n")[0] + "\n")


def _put_spool(writer: Writer, folder: Path) -> None:
    for pattern in SPOOLED:
        for path in sorted(folder.glob(pattern)):
            try:
                writer.copy(f"{SPOOL_FOLDER}/{path.relative_to(folder).as_posix()}", path)
            except FileNotFoundError:
                continue  # delivered in this moment, so the database has it


def _put_archive(writer: Writer, folder: Path, settings: Settings, archived: list[_Archived]) -> int:
    """The archive's files, from wherever they lie. Raises ArchiveFileMissing, BackupBroken for one that is damaged."""
    if not archived:
        return 0
    from flightlog.archive.objects import open_objects

    objects = open_objects(folder / ARCHIVE, settings.archive_url, settings.archive_s3_endpoint)
    size = 0
    for file in archived:
        name = f"{ARCHIVE}/{file.path}"
        if not writer.link(name, file.digest):
            data = objects.read(file.path)
            if sha256(data).hexdigest() != file.digest:
                raise BackupBroken(path=f"{objects.place}/{file.path}", reason="its digest is not that of the manifest")
            writer.put(name, data)
        size += (writer.folder / name).stat().st_size
    return size


# ── the database ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _copy_database(source: Path, target: Path, progress: Progress | None) -> _Snapshot:
    """Copy one snapshot. Its transaction stays open from the first look to the last page, so a writer that commits meanwhile
    neither waits nor makes the copy begin anew, as it would without."""
    told: Callable[[int, int, int], object] | None = None
    if progress is not None:
        told = lambda _, left, pages: progress(pages - left, pages)  # noqa: E731
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as live,
            closing(sqlite3.connect(target, isolation_level=None)) as copy,
        ):
            live.execute("PRAGMA busy_timeout = 5000")
            copy.execute("PRAGMA synchronous = OFF")  # it is synced as a whole afterwards
            live.execute("BEGIN")
            held = _look(live)
            live.backup(copy, pages=PAGES_AT_ONCE, progress=told)
            live.execute("ROLLBACK")
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise BackupBroken(path=str(source), reason=str(error)) from error
    for leftover in ("-wal", "-shm", "-journal"):
        target.with_name(target.name + leftover).unlink(missing_ok=True)
    return held


def _look(live: sqlite3.Connection) -> _Snapshot:
    names = {row[0] for row in live.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}

    def one(table: str, column: str) -> int:
        row = live.execute(f"SELECT {column} FROM {table}").fetchone() if table in names else None  # noqa: S608 - ours
        return int(row[0]) if row else 0

    archived = []
    if "archive_files" in names:
        rows = live.execute("SELECT path, digest FROM archive_files ORDER BY file_id")
        archived = [_Archived(path, bytes(digest).hex()) for path, digest in rows]
    revision = live.execute("SELECT version_num FROM alembic_version").fetchone()
    return _Snapshot(
        revision=str(revision[0]) if revision else "",
        last_id=one("journal_head", "last_id"),
        tables={name: one(name, "count(*)") for name in TABLES if name in names},
        sealed_id=one("seal_state", "size"),
        archived_until=one("archive_state", "archived_until"),
        archived=archived,
    )


def _check_database(path: Path) -> None:
    """SQLite's own check of the copy's pages. Raises BackupBroken: what is damaged here is damaged in the folder."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as copy:
        try:
            lines = [str(row[0]) for row in copy.execute("PRAGMA quick_check(3)")]
        except sqlite3.DatabaseError as error:
            lines = [str(error)]
    if lines != ["ok"]:
        raise BackupBroken(path=str(path), reason="the folder's database is damaged: " + "; ".join(lines))
