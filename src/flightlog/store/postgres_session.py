"""PostgreSQL's write connection: the steps of a transaction on the writer thread."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumper
from sqlalchemy import URL, Connection, NullPool, Table, create_engine, event

from flightlog.config import Settings
from flightlog.errors import StoreUnavailable, StoreUncertain
from flightlog.store import postgres_errors
from flightlog.store.contract import HISTORY, DuplicateKey, RowRefused, StartOver, Tx
from flightlog.store.postgres_rows import Row, as_json, find_text, insert_one_text, insert_text, update_text
from flightlog.store.writer import BlockedByOther

CHANNEL = "flightlog_commits"
WRITE_LOCK = 0x466C_6967_6874  # "Flight": the same for all who write to one database
BLOCKED_MS = 250  # one wait for another process's lock; then callers whose time is up are let go


OPTIONS = "-c timezone=UTC -c client_encoding=UTF8"  # days begin at midnight UTC, as on SQLite
# A machine that is gone without a word is noticed within a minute or so.
KEEPALIVES = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}

# Several commands in one go: each alone would be a way to the server and back, while all others wait.
_BEGIN = (
    f"BEGIN; SET LOCAL lock_timeout = {BLOCKED_MS}; SELECT pg_advisory_xact_lock({WRITE_LOCK}); SET LOCAL lock_timeout = 0;"
    " SELECT pg_current_xact_id()::text"
)
_COMMIT = f"NOTIFY {CHANNEL}; COMMIT"
_UNDO = "ROLLBACK TO SAVEPOINT job; RELEASE SAVEPOINT job"
ROWS_AS_JSON_MAX, JSON_CHARS_MAX = 512, 4_000_000  # more go by COPY, whose price is three ways to the server and back
OUTCOME_SECONDS = 10.0  # how long a server that went away during a commit is asked whether it was done
OUTCOME_POLL_SECONDS = 0.1


def arguments(settings: Settings, **seconds: float) -> dict[str, Any]:
    """What every connection is opened with; `seconds` are the server's own limits, by their names."""
    limits = "".join(f" -c {name}={math.ceil(value * 1_000)}" for name, value in seconds.items())
    wait = max(2, round(settings.postgres_wait_seconds))  # the driver takes no less
    return {"options": OPTIONS + limits, "application_name": "flightlog", "connect_timeout": wait, **KEEPALIVES}


class TextDumper(StrDumper):
    """Text for PostgreSQL, which keeps every character but NUL: it becomes U+FFFD, the character for what can't be shown."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\x00", "\ufffd") if "\x00" in obj else obj)


def connected(driver: Any, record: object) -> None:
    """Prepare a connection that was just made."""
    driver.adapters.register_dumper(str, TextDumper)
    driver.adapters.register_dumper(int, Int8Dumper)  # else a statement would be prepared for each size of each number


class PostgresTx:
    """The open write transaction."""

    def __init__(self, connection: Connection, driver: psycopg.Connection[Any]) -> None:
        self.sql = connection
        self.driver = driver
        self.hopeful = False

    def insert_many(self, *parts: tuple[Table, Sequence[tuple[Any, ...]]]) -> None:
        try:
            for table, rows in parts:
                _check_kinds(table, rows)
            # Whoever is hopeful ends the transaction, or what of it is in a savepoint.
            self._insert(parts, savepoint=not self.hopeful)
        except errors.UniqueViolation as error:
            raise (StartOver if self.hopeful else DuplicateKey)(str(error)) from error
        except Exception as error:
            if isinstance(error, RowRefused) or postgres_errors.is_refused(error):
                raise (StartOver if self.hopeful else RowRefused)(str(error)) from error
            raise

    def insert_rows(self, table: Table, names: tuple[str, ...], rows: Sequence[Row]) -> None:
        if rows:
            self.driver.execute(insert_text(table, names), (as_json(names, rows),))

    def update_rows(self, table: Table, names: tuple[str, ...], rows: Sequence[Row]) -> int:
        # Planned each time: how large the table is by then decides whether to go by its index.
        return self.driver.execute(update_text(table, names), (as_json(names, rows),), prepare=False).rowcount

    def find_rows(self, table: Table, key: str, values: Sequence[str]) -> list[Row]:
        return self.driver.execute(find_text(table, key), (list(values),), prepare=False).fetchall()

    def _insert(self, parts: Sequence[tuple[Table, Sequence[Row]]], savepoint: bool) -> None:
        texts = _as_texts(parts)
        if texts is None:
            with self.driver.transaction() if savepoint else nullcontext():  # inside the open one: a savepoint
                for table, rows in parts:
                    if rows:
                        self._copy(table, rows)
        elif savepoint:
            self._send_or_nothing(texts)
        else:
            self._send(texts)

    def _send(self, texts: Sequence[tuple[bytes, Row]]) -> None:
        with self.driver.pipeline():
            for text, values in texts:
                self.driver.execute(text, values)

    def _send_or_nothing(self, texts: Sequence[tuple[bytes, Row]]) -> None:
        try:
            with self.driver.pipeline():  # the savepoint goes along with the rows
                self.driver.execute("SAVEPOINT insert_many")
                self._send(texts)
                self.driver.execute("RELEASE SAVEPOINT insert_many")
        except Exception:
            if self.driver.info.transaction_status == TransactionStatus.INERROR:
                self.driver.execute("ROLLBACK TO SAVEPOINT insert_many; RELEASE SAVEPOINT insert_many")
            raise

    def _copy(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        names = sql.SQL(", ").join(map(sql.Identifier, table.columns.keys()))
        command = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), names)
        with self.driver.cursor() as cursor, cursor.copy(command) as copy:
            for row in rows:
                copy.write_row(row)


def _as_texts(parts: Sequence[tuple[Table, Sequence[Row]]]) -> list[tuple[bytes, Row]] | None:
    """Statements with their values; None where there are so many rows that they go by COPY."""
    if sum(len(rows) for _, rows in parts) > ROWS_AS_JSON_MAX:
        return None
    made: list[tuple[bytes, Row]] = []
    chars = 0
    for table, rows in parts:
        names = tuple(table.columns.keys())
        if len(rows) == 1:
            made.append((insert_one_text(table, names), rows[0]))
        elif rows:
            said = as_json(names, rows)
            made.append((insert_text(table, names), (said,)))
            chars += len(said)
    return made if chars <= JSON_CHARS_MAX else None


def _last_result(cursor: psycopg.Cursor[Any]) -> str:
    """The one value of the last of several commands."""
    while cursor.nextset():
        pass
    row = cursor.fetchone()
    return str(row[0]) if row else ""


def _check_kinds(table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Raise RowRefused for a value of another kind than its column's: COPY would store it in words of its own."""
    if not rows:
        return
    for column, values in zip(table.columns, zip(*rows, strict=True), strict=True):
        kinds = {type(value) for value in values} - {type(None)}
        if not kinds <= {column.type.python_type}:
            raise RowRefused(f"{column.name} is not of the kind {column.type.python_type.__name__}")


class PostgresSession:
    """The write connection. Everything here runs on the writer thread."""

    savepoints_are_dear = True  # each is a way to the server and back

    def __init__(self, address: URL, settings: Settings) -> None:
        self.history: Any = None
        self.backend_pid: int | None = None  # of the server's process that serves this connection
        given = arguments(settings, idle_in_transaction_session_timeout=settings.postgres_idle_seconds_max)
        self._engine = create_engine(address, poolclass=NullPool, connect_args=given)
        event.listen(self._engine, "connect", connected)
        self._tx: PostgresTx | None = None
        self._xact_id = ""  # of the open transaction, by which its outcome can be asked for
        self._kept = False  # whether the last savepoint is yet to be released

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
                if tx.driver.closed:
                    tx.sql.invalidate()  # there is nothing to roll back on it
                tx.sql.close()
            except Exception:
                tx.driver.close()

    def vacuum(self, rewrite: bool) -> bool:
        """See PostgresStore.scrub."""
        tx = self._tx or self._connect()
        tx.sql.rollback()
        try:
            tx.driver.execute("VACUUM (FULL)" if rewrite else "VACUUM")
        except psycopg.Error as error:
            raise postgres_errors.explain(error) from error
        finally:
            self.close()
        return True

    def _connect(self) -> PostgresTx:
        connection = self._engine.connect()
        driver = connection.connection.dbapi_connection
        assert isinstance(driver, psycopg.Connection)
        driver.autocommit = True  # the driver would send BEGIN on its own, and wait for the answer
        self.backend_pid = driver.info.backend_pid
        self._tx = PostgresTx(connection, driver)
        return self._tx

    # ── Session ──────────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self) -> Tx:
        if self._tx is not None and self._tx.driver.closed:
            self.close()
        tx = self._tx or self._connect()
        try:
            tx.sql.begin()  # SQLAlchemy would not commit what it has not begun
            self._xact_id = _last_result(tx.driver.execute(_BEGIN))
        except errors.LockNotAvailable as error:
            self.rollback()
            raise BlockedByOther from error
        except psycopg.Error as error:
            is_gone = tx.driver.closed
            self.close()  # the server was restarted, or is away: the next begin connects anew
            if not is_gone:
                raise
            return self._begin_anew(error)
        self._kept = False
        tx.sql.info[HISTORY] = self.history
        return tx

    def _begin_anew(self, error: psycopg.Error) -> Tx:
        """Once more on a new connection: the old one died while nothing was open on it, so nothing is lost."""
        try:
            self._connect()
        except Exception:
            raise error from None
        return self.begin()

    def savepoint(self) -> None:
        self._open_tx.driver.execute("RELEASE SAVEPOINT job; SAVEPOINT job" if self._kept else "SAVEPOINT job")
        self._kept = False

    def keep(self) -> None:
        self._kept = True  # released with the next, or by the commit

    def undo(self) -> bool:
        try:
            self._open_tx.driver.execute(_UNDO)
        except psycopg.Error:
            return False
        return True

    def commit(self) -> None:
        tx = self._open_tx
        try:
            tx.driver.execute(_COMMIT)
            tx.sql.commit()
        except Exception as error:
            is_gone = tx.driver.closed
            self.close()
            if is_gone and self._was_committed(error):
                return  # only the answer was lost
            raise

    def _was_committed(self, error: Exception) -> bool:
        """Whether the transaction whose connection was lost during its commit is stored. Raises StoreUncertain when the server
        is not back in time to say so.
        """
        began = time.monotonic()
        while time.monotonic() - began < OUTCOME_SECONDS:
            try:
                driver = self._connect().driver
                asked = driver.execute("SELECT pg_xact_status(%s::xid8)", (self._xact_id,)).fetchone()
            except Exception:
                self.close()
                asked = ("in progress",)
            if asked is None or asked[0] is None:
                break
            if asked[0] != "in progress":
                return bool(asked[0] == "committed")
            time.sleep(OUTCOME_POLL_SECONDS)
        raise StoreUncertain(timeout_seconds=OUTCOME_SECONDS) from error

    def tidy(self) -> None:
        pass  # the server does that by itself

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
