"""SQLite's write connection: how it is opened, and the steps of a transaction on the writer thread."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, NullPool, Table, create_engine

from flightlog.config import Settings
from flightlog.errors import FlightlogError, StoreGone, StoreUnavailable
from flightlog.store import sqlite_errors
from flightlog.store.contract import HISTORY, DuplicateKey, RowRefused, StartOver, Tx
from flightlog.store.lock import WriterLock
from flightlog.store.writer import BlockedByOther

# Chosen when a database is made and not changeable after: room for seven 1 KB payloads a page with little waste, and
# space that retention frees can be given back to the disk a piece at a time.
PAGE_BYTES = 8192
CACHE_KIB = 64 * 1024
CHECKPOINT_PAGES = 2_000  # 16 MiB of WAL, so that hot index pages are copied once for many commits
TIDY_ROWS_MIN = (
    2_000  # changed since the log was last copied: copy it while nobody waits, and not within somebody's commit
)
WAL_BYTES_KEPT = 64 * 1024 * 1024  # a WAL that grew beyond this is cut back after its checkpoint
ROWS_A_STATEMENT = 64
BLOCKED_MS = 250  # one wait for another process's lock; then callers whose time is up are let go


class DatabaseFile:
    """The file as it was when it was opened, to notice when another, or none, is in its place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._wal = Path(f"{path}-wal")
        self._identity = _identity(path)
        self.wal_identity: tuple[int, int] | None = None

    def check(self) -> None:
        """Raise StoreGone unless the path still leads to the file that was opened."""
        if _identity(self.path) != self._identity or self._identity is None:
            raise StoreGone(path=str(self.path))

    def forget_wal(self) -> None:
        """Once we have closed it, the WAL may be folded in and gone; the next connection begins another."""
        self.wal_identity = None

    def check_wal(self) -> None:
        """The same for the WAL, which exists from the first transaction to the last close."""
        found = _identity(self._wal)
        if self.wal_identity is None:
            self.wal_identity = found
        elif found != self.wal_identity:
            raise StoreGone(path=str(self._wal))

    def set_aside_stale_wal(self, ours: tuple[int, int]) -> None:
        """When another database took the place of ours, our WAL must not be played into it; it is renamed, not lost."""
        if _identity(self.path) in (None, self._identity) or _identity(self._wal) != ours:
            return
        for part in (self._wal, Path(f"{self.path}-shm")):
            try:
                part.rename(f"{part}.{time.time_ns()}.stale")
            except FileNotFoundError:
                pass


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


class SqliteTx:
    """The open write transaction."""

    def __init__(self, sql: Connection, driver: sqlite3.Connection) -> None:
        self.sql = sql
        self.driver = driver
        self.hopeful = False

    def insert_many(self, *parts: tuple[Table, Sequence[tuple[Any, ...]]]) -> None:
        if self.hopeful:
            self._insert_hopefully(parts)
            return
        self.driver.execute("SAVEPOINT insert_many")
        try:
            for table, rows in parts:
                self._insert(table, rows)
        except Exception as error:
            if not self.driver.in_transaction:
                raise  # the disk's fault: SQLite has undone everything
            self.driver.execute("ROLLBACK TO insert_many")
            self.driver.execute("RELEASE insert_many")
            if sqlite_errors.is_duplicate(error):
                raise DuplicateKey(str(error)) from error
            if sqlite_errors.is_refused(error):
                raise RowRefused(str(error)) from error
            raise
        self.driver.execute("RELEASE insert_many")

    def insert_rows(self, table: Table, names: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
        self.driver.executemany(_insert_text(table.name, names, 1), rows)

    def update_rows(self, table: Table, names: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> int:
        return self.driver.executemany(_update_text(table.name, names), [(*row[1:], row[0]) for row in rows]).rowcount

    def find_rows(self, table: Table, key: str, values: Sequence[str]) -> list[tuple[Any, ...]]:
        names = tuple(table.columns.keys())
        return self.driver.execute(_find_text(table.name, names, key), (json.dumps(list(values)),)).fetchall()

    def _insert_hopefully(self, parts: Sequence[tuple[Table, Sequence[tuple[Any, ...]]]]) -> None:
        try:
            for table, rows in parts:
                self._insert(table, rows)
        except Exception as error:
            if sqlite_errors.is_duplicate(error) or sqlite_errors.is_refused(error):
                raise StartOver(str(error)) from error
            raise

    def _insert(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Many rows a statement: other threads run meanwhile, where each statement of one row would wait for them again.

        A column that is empty in all rows is left out, since the driver takes long to bind a None.
        """
        columns = list(zip(*rows, strict=True))
        # The first value tells mostly; to count is to compare each of them.
        filled = [
            place for place, values in enumerate(columns) if values[0] is not None or values.count(None) < len(rows)
        ]
        if len(filled) < len(columns):
            rows = list(zip(*[columns[place] for place in filled], strict=True))
        names = tuple(table.columns[place].name for place in filled)
        whole = len(rows) - len(rows) % ROWS_A_STATEMENT
        for first in range(0, whole, ROWS_A_STATEMENT):
            values = [*chain.from_iterable(rows[first : first + ROWS_A_STATEMENT])]
            self.driver.execute(_insert_text(table.name, names, ROWS_A_STATEMENT), values)
        if whole < len(rows):
            self.driver.executemany(_insert_text(table.name, names, 1), rows[whole:])


@lru_cache(maxsize=256)
def _insert_text(table: str, names: tuple[str, ...], rows: int) -> str:
    marks = f"({', '.join('?' * len(names))})"
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES {', '.join([marks] * rows)}"  # noqa: S608 (our own names)


@lru_cache(maxsize=256)
def _update_text(table: str, names: tuple[str, ...]) -> str:
    changes = ", ".join(f"{name} = ?" for name in names[1:])
    return f"UPDATE {table} SET {changes} WHERE {names[0]} = ?"  # noqa: S608 (our own names)


@lru_cache(maxsize=256)
def _find_text(table: str, names: tuple[str, ...], key: str) -> str:
    listed = ", ".join(names)
    return f"SELECT {listed} FROM {table} WHERE {key} IN (SELECT value FROM json_each(?))"  # noqa: S608 (our own names)


class SqliteSession:
    """The write connection. Everything here runs on the writer thread."""

    def __init__(self, path: Path, lock: WriterLock, settings: Settings) -> None:
        self.history: Any = None
        self._path = path
        self._lock = lock
        self._synchronous = settings.sqlite_synchronous
        self._engine = create_engine("sqlite://", creator=self._connect, poolclass=NullPool)
        self._file: DatabaseFile | None = None
        self._tx: SqliteTx | None = None
        self._tidied = 0  # the connection's count of changed rows when the log was last copied

    def open(self, *, create: bool) -> None:
        """Open the database file, made first where there is none and `create` is given."""
        self._rescue()
        before = self._file
        wal = before.wal_identity if before is not None else None
        self.close()
        if before is not None and wal is not None:
            before.set_aside_stale_wal(wal)
        if create:
            _create_file(self._path)
        self._file = DatabaseFile(self._path)
        self._reconnect()

    def close(self) -> None:
        """Close the connection; the last one out folds the WAL into the database. Safe to call twice."""
        tx, self._tx = self._tx, None
        if self._file is not None:
            self._file.forget_wal()
        if tx is not None:
            try:
                tx.sql.close()
            except Exception:
                tx.sql.invalidate()

    def scrub(self, rewrite: bool) -> bool:
        """Empty the log, which has old pages in it; with `rewrite` the whole database first. See Store.scrub."""
        assert self._tx is not None
        try:
            if rewrite:
                self._tx.driver.execute("VACUUM")
            busy, _, _ = self._tx.driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise sqlite_errors.explain(error) from error
        return not busy

    def _rescue(self) -> None:
        """A WAL that was removed is still in our hands: what it holds goes into the database before we let go."""
        if self._tx is not None:
            try:
                self._tx.driver.execute("PRAGMA wal_checkpoint(PASSIVE)")
            except sqlite3.Error:
                pass  # then there is nothing left to rescue, or no place for it

    def _connect(self) -> sqlite3.Connection:
        driver = sqlite3.connect(
            f"{self._path.as_uri()}?mode=rw", uri=True, isolation_level=None, cached_statements=256
        )
        try:
            driver.execute(f"PRAGMA busy_timeout = {BLOCKED_MS}")
            # Both only take on a database that has no tables yet, and in this order before WAL.
            driver.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            driver.execute("PRAGMA auto_vacuum = INCREMENTAL")
            driver.execute("PRAGMA journal_mode = WAL")
            driver.execute(f"PRAGMA synchronous = {self._synchronous}")
            driver.execute("PRAGMA foreign_keys = ON")
            driver.execute("PRAGMA secure_delete = ON")  # what is erased is written over, and not only let go of
            driver.execute("PRAGMA temp_store = MEMORY")
            driver.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            driver.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            driver.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
        except BaseException:
            driver.close()
            raise
        return driver

    def _reconnect(self) -> SqliteTx:
        sql = self._engine.connect()
        self._tx = SqliteTx(sql, cast(sqlite3.Connection, sql.connection.dbapi_connection))
        self._tidied = 0
        return self._tx

    savepoints_are_dear = True  # each page that is touched after one is copied

    # ── Session ──────────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self) -> Tx:
        self._here.check()
        self._here.check_wal()
        if not self._lock.is_held():  # somebody removed it, so another process may write beside us
            raise StoreGone(path=str(self._lock.path))
        tx = self._tx or self._reconnect()
        try:
            tx.driver.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            if sqlite_errors.primary_code(error) == sqlite3.SQLITE_BUSY:
                raise BlockedByOther from error
            self._give_up_if_stale(error)
            raise
        tx.sql.begin()
        tx.sql.info[HISTORY] = self.history
        return tx

    def savepoint(self) -> None:
        self._open_tx.driver.execute("SAVEPOINT job")

    def keep(self) -> None:
        self._open_tx.driver.execute("RELEASE job")

    def undo(self) -> bool:
        driver = self._open_tx.driver
        if not driver.in_transaction:
            return False
        try:
            driver.execute("ROLLBACK TO job")
            driver.execute("RELEASE job")
        except sqlite3.Error:
            return False
        return True

    def commit(self) -> None:
        self._here.check()
        try:
            self._open_tx.sql.commit()
        except Exception as error:
            self._give_up_if_stale(error)
            raise
        # Asked again: what was committed into a file that has no name any more can't be called stored.
        self._here.check()
        self._here.check_wal()

    def rollback(self) -> None:
        if self._tx is None:
            return
        try:
            self._tx.sql.rollback()
            if self._tx.driver.in_transaction:
                self._tx.driver.execute("ROLLBACK")
        except Exception:
            self.close()

    def tidy(self) -> None:
        if self._tx is None or self._tx.driver.total_changes - self._tidied < TIDY_ROWS_MIN:
            return
        self._tidied = self._tx.driver.total_changes
        try:
            self._here.check()
            self._here.check_wal()
            self._tx.driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except (sqlite3.Error, FlightlogError):
            pass  # whoever writes next is told

    def explain(self, error: BaseException) -> BaseException:
        if sqlite_errors.primary_code(error):
            try:
                self._here.check()
                self._here.check_wal()
            except StoreGone as gone:  # whatever SQLite calls it, this is why
                return gone
        return sqlite_errors.explain(error)

    @property
    def _here(self) -> DatabaseFile:
        if self._file is None:
            raise StoreUnavailable(reason="the store is not open")
        return self._file

    @property
    def _open_tx(self) -> SqliteTx:
        if self._tx is None:
            raise StoreUnavailable(reason="the connection was given up")
        return self._tx

    def _give_up_if_stale(self, error: BaseException) -> None:
        if sqlite_errors.primary_code(error) in sqlite_errors.RECONNECT:
            self.close()


def _create_file(path: Path) -> None:
    """Make an empty file that only its owner can read; SQLite gives the WAL the same rights. One that is there is not touched:
    see beside.py.
    """
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise StoreUnavailable(reason=f"{path}: {error.strerror}") from error
