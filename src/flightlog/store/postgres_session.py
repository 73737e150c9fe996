"""PostgreSQL's write connection: the steps of a transaction on the writer thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.types.string import StrDumper
from sqlalchemy import URL, Connection, NullPool, Table, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from flightlog.errors import StoreUnavailable
from flightlog.store import postgres_errors
from flightlog.store.contract import HISTORY, DuplicateKey, RowRefused, Tx
from flightlog.store.writer import BlockedByOther

CHANNEL = "flightlog_commits"
WRITE_LOCK = 0x466C_6967_6874  # "Flight": the same for all who write to one database
BLOCKED_MS = 250  # one wait for another process's lock; then callers whose time is up are let go


OPTIONS = {"options": "-c timezone=UTC -c client_encoding=UTF8"}  # days begin at midnight UTC, as on SQLite


class TextDumper(StrDumper):
    """Text for PostgreSQL, which keeps every character but NUL: it becomes U+FFFD, the character for what can't be shown."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\x00", "\ufffd") if "\x00" in obj else obj)


def connected(driver: Any, record: object) -> None:
    """Prepare a connection that was just made."""
    driver.adapters.register_dumper(str, TextDumper)


class PostgresTx:
    """The open write transaction."""

    def __init__(self, connection: Connection, driver: psycopg.Connection[Any]) -> None:
        self.sql = connection
        self.driver = driver
        self.hopeful = False

    def insert_many(self, *parts: tuple[Table, Sequence[tuple[Any, ...]]]) -> None:
        try:
            with self.driver.transaction():  # inside the open one: a savepoint
                for table, rows in parts:
                    self._copy(table, rows)
        except errors.UniqueViolation as error:
            raise DuplicateKey(str(error)) from error
        except Exception as error:
            if postgres_errors.is_refused(error):
                raise RowRefused(str(error)) from error
            raise

    def _copy(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        if not rows:
            return
        _check_kinds(table, rows)
        names = sql.SQL(", ").join(map(sql.Identifier, table.columns.keys()))
        command = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), names)
        with self.driver.cursor() as cursor, cursor.copy(command) as copy:
            for row in rows:
                copy.write_row(row)


def _check_kinds(table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Raise RowRefused for a value of another kind than its column's: COPY would store it in words of its own."""
    for column, values in zip(table.columns, zip(*rows, strict=True), strict=True):
        kinds = {type(value) for value in values} - {type(None)}
        if not kinds <= {column.type.python_type}:
            raise RowRefused(f"{column.name} is not of the kind {column.type.python_type.__name__}")


class PostgresSession:
    """The write connection. Everything here runs on the writer thread."""

    def __init__(self, address: URL) -> None:
        self.history: Any = None
        self.backend_pid: int | None = None  # of the server's process that serves this connection
        self._engine = create_engine(address, poolclass=NullPool, connect_args=OPTIONS)
        event.listen(self._engine, "connect", connected)
        self._tx: PostgresTx | None = None

    def open(self) -> None:
        """Connect anew."""
        self.close()
        try:
            self._connect()
        except Exception as error:
            raise postgres_errors.explain(error) from error

    def close(self) -> None:
        """Close the connection. Safe to call twice."""
        tx, self._tx = self._tx, None
        if tx is not None:
            try:
                tx.sql.close()
            except Exception:
                tx.sql.invalidate()

    def vacuum(self, rewrite: bool) -> bool:
        """See PostgresStore.scrub."""
        tx = self._tx or self._connect()
        tx.sql.rollback()
        try:
            tx.driver.autocommit = True
            tx.driver.execute("VACUUM (FULL)" if rewrite else "VACUUM")
        except psycopg.Error as error:
            raise postgres_errors.explain(error) from error
        finally:
            self.close()  # with it goes autocommit
        return True

    def _connect(self) -> PostgresTx:
        connection = self._engine.connect()
        driver = connection.connection.dbapi_connection
        assert isinstance(driver, psycopg.Connection)
        self.backend_pid = driver.info.backend_pid
        self._tx = PostgresTx(connection, driver)
        return self._tx

    # ── Session ──────────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self) -> Tx:
        if self._tx is not None and self._tx.driver.closed:
            self.close()
        tx = self._tx or self._connect()
        try:
            tx.sql.execute(text(f"SET LOCAL lock_timeout = {BLOCKED_MS}"))
            tx.sql.execute(text(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})"))
            tx.sql.execute(text("SET LOCAL lock_timeout = 0"))
        except DBAPIError as error:
            if isinstance(error.orig, errors.LockNotAvailable):
                self.rollback()
                raise BlockedByOther from error
            self.close()  # the server was restarted, or is away: the next begin connects anew
            if not error.connection_invalidated:
                raise
            return self._begin_anew(error)
        tx.sql.info[HISTORY] = self.history
        return tx

    def _begin_anew(self, error: DBAPIError) -> Tx:
        """Once more on a new connection: the old one died while nothing was open on it, so nothing is lost."""
        try:
            self._connect()
        except Exception:
            raise error from None
        return self.begin()

    def savepoint(self) -> None:
        self._open_tx.driver.execute("SAVEPOINT job")

    def keep(self) -> None:
        self._open_tx.driver.execute("RELEASE SAVEPOINT job")

    def undo(self) -> bool:
        driver = self._open_tx.driver
        try:
            driver.execute("ROLLBACK TO SAVEPOINT job")
            driver.execute("RELEASE SAVEPOINT job")
        except psycopg.Error:
            return False
        return True

    def commit(self) -> None:
        tx = self._open_tx
        try:
            tx.driver.execute(f"NOTIFY {CHANNEL}")
            tx.sql.commit()
        except Exception:
            self.close()
            raise

    def rollback(self) -> None:
        if self._tx is None:
            return
        try:
            self._tx.sql.rollback()
        except Exception:
            self.close()
        else:
            # SQLAlchemy would go on with a connection of its own choosing, of which `driver` knows nothing.
            if self._tx.driver.closed:
                self.close()

    def explain(self, error: BaseException) -> BaseException:
        return postgres_errors.explain(error)

    @property
    def _open_tx(self) -> PostgresTx:
        if self._tx is None:
            raise StoreUnavailable(reason="the connection was given up")
        return self._tx
