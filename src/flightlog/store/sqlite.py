"""The SQLite store of one data folder: its lock, its writer, its readers."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, QueuePool, create_engine
from sqlalchemy.exc import TimeoutError as PoolTimeout

from flightlog.config import Settings
from flightlog.errors import NotFound, StoreGone, StoreUnavailable
from flightlog.store import beside, sqlite_errors
from flightlog.store.contract import HISTORY, Dialect, Meter, Tx
from flightlog.store.lock import WriterLock
from flightlog.store.migrations.run import revision, upgrade
from flightlog.store.signal import PolledSignal, Signal
from flightlog.store.sqlite_session import DatabaseFile, SqliteSession
from flightlog.store.writer import Writer

T = TypeVar("T")

DATABASE_FILE = "flightlog.db"

CACHE_KIB = 8 * 1024
BLOCKED_MS = 5_000  # a reader only ever waits for a checkpoint's end or a recovery
READERS_KEPT, READERS_MAX, READER_WAIT_SECONDS = 8, 64, 5.0
ADMIN_SECONDS = 24 * 3600.0  # opening, migrating and closing take as long as they take


class SqliteStore:
    """See contract.Store. Made by `engine.open_store`."""

    dialect: Dialect = "sqlite"

    def __init__(self, folder: Path, settings: Settings, *, writable: bool) -> None:
        self.folder = folder
        self.path = folder / DATABASE_FILE
        self.url = f"sqlite:///{self.path}"
        self.writable = writable
        self._settings = settings
        self._pid = os.getpid()
        self._lock = WriterLock(folder)
        self._session = SqliteSession(self.path, self._lock, settings)
        self.meter: Meter | None = None
        self._writer: Writer | None = None
        self._signal = Signal() if writable else PolledSignal(self._data_version, settings.tail_poll_seconds)
        self._watching = threading.Lock()
        self._watch: sqlite3.Connection | None = None
        self._readers: Engine | None = None
        self._file: DatabaseFile | None = None
        self._closed = False
        self._history: Any = None
        _stores.add(self)
        beside.enter(self.path)
        self._is_inside = True
        try:
            self._open()
        except BaseException:
            self._leave()
            raise

    # ── Store ────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def history(self) -> Any:
        return self._history

    @history.setter
    def history(self, history: Any) -> None:
        self._history = self._session.history = history

    def write(self, fn: Callable[[Tx], T], timeout: float | None = None) -> T:
        self._check_process()
        if self._writer is None:
            reason = "the store is closed" if self._closed else "it was opened for reading only"
            raise StoreUnavailable(reason=reason)
        began = time.perf_counter()
        try:
            return self._writer.write(fn, self._settings.write_timeout_seconds if timeout is None else timeout)
        finally:
            if self.meter is not None:
                self.meter.wrote(time.perf_counter() - began)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        self._check_process()
        file, readers = self._file, self._readers
        if self._closed or file is None or readers is None:
            raise StoreUnavailable(reason="the store is closed")
        file.check()
        began = time.perf_counter()
        try:
            with readers.connect() as connection:
                connection.exec_driver_sql("BEGIN")
                connection.info[HISTORY] = self._history
                yield connection
        except PoolTimeout as error:
            raise StoreUnavailable(reason=f"all {READERS_MAX} readers are busy") from error
        except Exception as error:
            if sqlite_errors.primary_code(error):
                file.check()
            explained = sqlite_errors.explain(error)
            if explained is error:
                raise
            raise explained from error
        finally:
            if self.meter is not None:
                self.meter.read(time.perf_counter() - began)

    def sync(self) -> None:
        # The log first: what a checkpoint moves from it into the database meanwhile is synced by SQLite itself.
        for path in (self.path.with_name(f"{DATABASE_FILE}-wal"), self.path):
            try:
                with beside.opened(path) as descriptor:
                    os.fsync(descriptor)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StoreUnavailable(reason=f"{path}: {error.strerror}") from error

    def scrub(self, *, rewrite: bool = False) -> bool:
        self._check_process()
        if self._writer is None:
            raise StoreUnavailable(reason="it was opened for reading only")
        return self._writer.call(lambda: self._session.scrub(rewrite), ADMIN_SECONDS)

    def commits(self) -> Signal:
        return self._signal

    def revision(self) -> str | None:
        with self.read() as connection:
            return revision(connection)

    def migrate(self) -> list[str]:
        self._check_process()
        if self._writer is None:
            raise StoreUnavailable(reason="it was opened for reading only")
        return self._writer.write(lambda tx: upgrade(tx.sql), ADMIN_SECONDS)

    def reopen(self) -> None:
        self._check_process()
        if self._closed:
            raise StoreUnavailable(reason="the store is closed")
        if self.writable and not self._lock.is_held():
            self._lock.release()
            _make_folder(self.folder)
            self._lock.acquire()
        self._open()
        if self.writable:
            self.migrate()
        self._signal.notify()

    def close(self) -> None:
        if self._closed or os.getpid() != self._pid:
            return
        self._closed = True
        writer, self._writer = self._writer, None
        self._close_readers()
        if writer is not None:
            # Last, so that this close is the one that folds the WAL into the database.
            writer.call(self._session.close, ADMIN_SECONDS)
            writer.close()
        self._leave()
        self._lock.release()
        self._signal.notify()

    def _leave(self) -> None:
        if self._is_inside:
            self._is_inside = False
            beside.leave(self.path)

    # ── opening ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _open(self) -> None:
        """Open the file that is at our path now; on failure nothing stays behind."""
        try:
            # Before the writer: connections of one process share what they know of the WAL.
            self._close_readers()
            if self.writable:
                self._open_writer()
            elif not self.path.exists():
                raise NotFound(what="Flightlog store in", id=str(self.folder))
            self._file = DatabaseFile(self.path)
            self._readers = create_engine(
                "sqlite://",
                creator=self._connect_reader,
                poolclass=QueuePool,
                pool_size=READERS_KEPT,
                max_overflow=READERS_MAX - READERS_KEPT,
                pool_timeout=READER_WAIT_SECONDS,
            )
        except BaseException:
            if self._readers is None:
                self.close()
            raise

    def _close_readers(self) -> None:
        if self._readers is not None:
            self._readers.dispose()
        with self._watching:
            if self._watch is not None:
                self._watch.close()
                self._watch = None

    def _open_writer(self) -> None:
        if not self._lock.is_held():
            _make_folder(self.folder)
            self._lock.acquire()
        if self._writer is None:
            self._writer = Writer(
                self._session,
                group_max=self._settings.write_group_max,
                on_commit=self._signal.notify,
                name="flightlog-writer",
            )
        self._writer.call(lambda: self._session.open(create=True), ADMIN_SECONDS)

    def _connect_reader(self) -> sqlite3.Connection:
        # The pool gives a connection to one thread at a time; only then may SQLite's own thread check be off.
        driver = sqlite3.connect(self._reader_uri(), uri=True, isolation_level=None, check_same_thread=False)
        try:
            driver.execute(f"PRAGMA busy_timeout = {BLOCKED_MS}")
            driver.execute("PRAGMA query_only = ON")
            driver.execute("PRAGMA temp_store = MEMORY")
            driver.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        except BaseException:
            driver.close()
            raise
        return driver

    def _reader_uri(self) -> str:
        # A WAL database in a folder where we may not write (a mounted archive) can only be read when nobody writes it
        # and nothing is left in a WAL.
        wal = Path(f"{self.path}-wal")
        asleep = not wal.exists() and not os.access(self.folder, os.W_OK)
        return f"{self.path.absolute().as_uri()}?mode=ro{'&immutable=1' if asleep else ''}"

    def _data_version(self) -> int:
        """Changes with every commit of another connection, and when the file goes away."""
        with self._watching:
            try:
                if self._closed or self._file is None:
                    return -1
                self._file.check()
                if self._watch is None:
                    self._watch = self._connect_reader()
                return int(self._watch.execute("PRAGMA data_version").fetchone()[0])
            except (StoreGone, sqlite3.Error):
                return -1

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise StoreUnavailable(reason="the store was opened before this process was forked; open it again here")

    def _abandon_in_child(self) -> None:
        # Closing a parent's connections here could fold or remove its WAL. They are kept, unused, to the end.
        _abandoned.append((self._session, self._readers, self._watch))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(reason=f"{folder}: {error.strerror}") from error


_stores: weakref.WeakSet[SqliteStore] = weakref.WeakSet()
_abandoned: list[object] = []


def _after_fork_in_child() -> None:
    for store in list(_stores):
        store._abandon_in_child()


os.register_at_fork(after_in_child=_after_fork_in_child)
