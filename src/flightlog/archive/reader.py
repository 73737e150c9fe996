"""The archive as the history of a store: rows of its files, found by the manifest, the key filters and the files' own statistics.

Nothing here imports pyarrow before the first archived row is asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from sqlalchemy import Connection, text

from flightlog.archive import manifest
from flightlog.archive.cache import ArchiveCache
from flightlog.archive.columns import KEYED
from flightlog.archive.commit import mark_stale
from flightlog.archive.files import require_archive_extra
from flightlog.archive.manifest import ArchivedFile
from flightlog.archive.objects import open_objects
from flightlog.config import Settings
from flightlog.errors import ArchiveFileMissing
from flightlog.journal.filter import EventFilter
from flightlog.journal.plan import Span
from flightlog.store.contract import Store, Tx

if TYPE_CHECKING:
    from flightlog.archive.finding import Finder

T = TypeVar("T")

ARCHIVE_FOLDER, CACHE_FOLDER = "archive", "cache/archive"
TRIES_MAX = 5  # a file goes away while it is read only when the manifest changes, and that is rare
HOLDING_MAX = 1_000  # values of which it is remembered which files may hold them
COLUMN_BYTES_MAX = 64 * 1024 * 1024  # of what was decoded lately

_STATE = "SELECT archived_until, created_at_max, version FROM archive_state"


class _State(NamedTuple):
    archived_until: int
    created_at_max: int
    version: int


class _Manifest(NamedTuple):
    version: int
    files: list[ArchivedFile]
    holding: dict[tuple[str, str], set[int]]  # what the key filters said of a value, while these are the files


class ArchiveHistory:
    """A `journal.history.History` over the archive of a store. Any thread may use it."""

    def __init__(
        self, store: Store, make: Callable[[], ArchiveCache], *, column_bytes_max: int = COLUMN_BYTES_MAX
    ) -> None:
        self._store = store
        self._make = make
        self._column_bytes_max = column_bytes_max
        self._manifest: _Manifest | None = None
        self._finder: Finder | None = None
        self._lock = threading.Lock()

    @cached_property
    def cache(self) -> ArchiveCache:
        """The archive's objects, and what is kept of them here; made when somebody first needs it."""
        return self._make()

    # ── History ──────────────────────────────────────────────────────────────────────────────────────────────────

    def until(self, connection: Connection) -> int:
        return _state(connection).archived_until

    def newest(self, connection: Connection) -> int:
        return _state(connection).created_at_max

    def rows(
        self, connection: Connection, columns: Sequence[str], wanted: EventFilter, span: Span, count: int
    ) -> list[tuple[Any, ...]]:
        def ask(here: Connection, files: list[ArchivedFile]) -> list[tuple[Any, ...]]:
            inside = self._inside(here, files, wanted, span)
            return self._found.rows(inside, columns, wanted, span, count) if inside else []

        return self._answer(connection, ask)

    def at(self, connection: Connection, columns: Sequence[str], ids: Collection[int]) -> list[tuple[Any, ...]]:
        ordered = sorted(set(ids))
        if not ordered:
            return []

        def ask(here: Connection, files: list[ArchivedFile]) -> list[tuple[Any, ...]]:
            inside = [file for file in files if file.last_id >= ordered[0] and file.first_id <= ordered[-1]]
            return self._found.at(inside, columns, ordered) if inside else []

        return self._answer(connection, ask)

    def find(self, connection: Connection, event_ids: Collection[str]) -> dict[str, int]:
        wanted = set(event_ids)

        def ask(here: Connection, files: list[ArchivedFile]) -> dict[str, int]:
            held = manifest.files_with_any(here, "event_id", wanted)
            by_file: dict[int, list[str]] = {}
            for event_id, file_ids in held.items():
                for file_id in file_ids:
                    by_file.setdefault(file_id, []).append(event_id)
            found: dict[str, int] = {}
            for file in files:
                if some := by_file.get(file.file_id):
                    found |= self._found.find(file, some)
            return found

        return self._answer(connection, ask) if wanted else {}

    def outdate(self, tx: Tx, ids: Collection[int]) -> None:
        mark_stale(tx, after_id=min(ids) - 1, until_id=max(ids))

    # ── which files ──────────────────────────────────────────────────────────────────────────────────────────────

    def _inside(
        self, connection: Connection, files: list[ArchivedFile], wanted: EventFilter, span: Span
    ) -> list[ArchivedFile]:
        """Those of the files that may hold what is asked for."""
        from flightlog.archive.matching import values_of

        after, before = span.after_id or 0, span.before_id
        inside = [
            file
            for file in files
            if file.last_id > after
            and (before is None or file.first_id < before)
            and (wanted.since is None or file.created_at_max >= wanted.since)
            and (wanted.until is None or file.created_at_min < wanted.until)
        ]
        for column, values in values_of(wanted):
            if not inside:
                break
            if column == "project":
                inside = [file for file in inside if file.project in values]
            elif column in ("type", "level"):
                counts = "type_counts" if column == "type" else "level_counts"
                inside = [file for file in inside if any(value in getattr(file, counts) for value in values)]
            elif column in KEYED:
                held = set().union(*(self._holding(connection, files, column, value) for value in values))
                inside = [file for file in inside if file.file_id in held]
        return inside

    def _holding(self, connection: Connection, files: list[ArchivedFile], column: str, value: str) -> set[int]:
        """Which files may hold a value: a page asks it of the same run again and again, and each time all filters are read."""
        known = self._manifest
        if known is None or known.files is not files:  # a transaction's own, or of an older snapshot
            return manifest.files_with(connection, column, value)
        found = known.holding.get((column, value))
        if found is None:
            if len(known.holding) >= HOLDING_MAX:
                known.holding.clear()
            found = known.holding[column, value] = manifest.files_with(connection, column, value)
        return found

    def _answer(self, connection: Connection, ask: Callable[[Connection, list[ArchivedFile]], T]) -> T:
        """Ask by the manifest of this snapshot; where a file of it is gone, by the newest one, which has its events elsewhere.

        Raises ArchiveFileMissing where the newest manifest names a file that is not there.
        """
        require_archive_extra("Reading archived events")
        try:
            return ask(connection, self._files(connection))
        except ArchiveFileMissing as error:
            missing = error
        for _ in range(TRIES_MAX):
            with self._store.read() as fresh:
                files = self._files(fresh)
                lost = next((file for file in files if not self._is_there(file, missing)), None)
                if lost is not None:
                    break
                try:
                    return ask(fresh, files)
                except ArchiveFileMissing as error:
                    missing = error
        raise missing

    def _is_there(self, file: ArchivedFile, missing: ArchiveFileMissing) -> bool:
        return not str(missing.facts.get("path", "")).endswith(file.path) or self.cache.objects.exists(file.path)

    def _files(self, connection: Connection) -> list[ArchivedFile]:
        """The manifest of this snapshot, which is kept until it changes."""
        version = _state(connection).version
        known = self._manifest
        if known is None or known.version != version:
            known = _Manifest(version, manifest.files(connection), {})
            # What a transaction is about to change may be undone, and another take the same number.
            newest = self._manifest
            if not _may_have_written(connection) and (newest is None or newest.version < version):
                self._manifest = known
        return known.files

    @property
    def _found(self) -> Finder:
        with self._lock:
            if self._finder is None:
                from flightlog.archive.finding import Finder  # with it comes pyarrow

                self._finder = Finder(self.cache, self._column_bytes_max)
            return self._finder


def attach(store: Store, folder: Path, settings: Settings) -> ArchiveHistory:
    """Let the readers of this store see what of it is in the archive of its data folder."""

    def make() -> ArchiveCache:
        objects = open_objects(folder / ARCHIVE_FOLDER, settings.archive_url, settings.archive_s3_endpoint)
        return ArchiveCache(folder.absolute() / CACHE_FOLDER, objects, settings.archive_cache_bytes_max)

    history = ArchiveHistory(store, make)
    store.history = history
    return history


def _may_have_written(connection: Connection) -> bool:
    return bool(getattr(connection.connection.driver_connection, "total_changes", 1))


def _state(connection: Connection) -> _State:
    if connection.dialect.name == "sqlite":
        # Asked with each read and each append: the driver alone takes a tenth of the time.
        driver: Any = connection.connection.driver_connection
        return _State(*driver.execute(_STATE).fetchone())
    return _State(*connection.execute(text(_STATE)).one())
