"""The PostgreSQL store: several processes may write, one at a time; any number read."""

from __future__ import annotations

import os
import selectors
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from flightlog.config import Settings
from flightlog.errors import SettingInvalid, StoreUnavailable
from flightlog.store import postgres_errors
from flightlog.store.address import without_password
from flightlog.store.contract import HISTORY, Dialect, Meter, Tx
from flightlog.store.migrations.run import revision, upgrade
from flightlog.store.postgres_session import CHANNEL, PostgresSession, arguments, connected
from flightlog.store.signal import Signal
from flightlog.store.writer import Writer

T = TypeVar("T")

READERS_KEPT = 4
ADMIN_SECONDS = 24 * 3600.0  # opening, migrating and closing take as long as they take
LISTEN_SECONDS = 0.5  # between two tries to listen


class PostgresStore:
    """See contract.Store. Made by `engine.open_store` from a URL such as `postgresql://user@host/flightlog`.

    Every write takes the same advisory lock for the length of its transaction, so that whoever writes sees what was committed
    before it and ids are given out in commit order, whichever process it is in.
    """

    dialect: Dialect = "postgresql"

    def __init__(self, url: str, settings: Settings, *, writable: bool) -> None:
        self.url = without_password(url)
        self.address = _parsed(url)
        self.writable = writable
        self.meter: Meter | None = None
        self._settings = settings
        self._pid = os.getpid()
        self._signal = Signal()
        self._closed = False
        self._history: Any = None
        self._readers_max = max(1, settings.postgres_readers_max)
        self._session = PostgresSession(self.address, settings)
        self._writer: Writer | None = None
        self._listener = _Listener(self.address, settings, self._signal, self._session)
        self._readers = self._make_readers()
        try:
            if writable:
                self._writer = Writer(
                    self._session,
                    group_max=settings.write_group_max,
                    on_commit=self._signal.notify,
                    name="flightlog-writer",
                )
                self._writer.call(self._session.open, ADMIN_SECONDS)
        except BaseException:
            self.close()
            raise

    @property
    def history(self) -> Any:
        return self._history

    @history.setter
    def history(self, history: Any) -> None:
        self._history = self._session.history = history

    def write(self, fn: Callable[[Tx], T], timeout: float | None = None) -> T:
        began = time.perf_counter()
        try:
            return self._open_writer().write(fn, self._settings.write_timeout_seconds if timeout is None else timeout)
        finally:
            if self.meter is not None:
                self.meter.wrote(time.perf_counter() - began)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        self._check()
        began = time.perf_counter()
        try:
            with self._readers.connect() as connection:
                connection.info[HISTORY] = self._history
                yield connection
        except PoolTimeout as error:
            raise StoreUnavailable(reason=f"all {self._readers_max} readers are busy") from error
        except Exception as error:
            explained = postgres_errors.explain(error)
            if explained is error:
                raise
            raise explained from error
        finally:
            if self.meter is not None:
                self.meter.read(time.perf_counter() - began)

    def sync(self) -> None:
        self._check()  # PostgreSQL answers a commit only after its log is on the disk

    def scrub(self, *, rewrite: bool = False) -> bool:
        """Vacuum the tables, with `rewrite` by writing each anew. What the server's own log keeps is the server's to drop."""
        return self._open_writer().call(lambda: self._session.vacuum(rewrite), ADMIN_SECONDS)

    def commits(self) -> Signal:
        self._listener.start()
        return self._signal

    def revision(self) -> str | None:
        with self.read() as connection:
            return revision(connection)

    def migrate(self) -> list[str]:
        return self._open_writer().write(lambda tx: upgrade(tx.sql), ADMIN_SECONDS)

    def reopen(self) -> None:
        self._check()
        self._readers.dispose()
        if self._writer is not None:
            self._writer.call(self._session.open, ADMIN_SECONDS)
        self._signal.notify()

    def close(self) -> None:
        if self._closed or os.getpid() != self._pid:
            return
        self._closed = True
        self._listener.stop()
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.call(self._session.close, ADMIN_SECONDS)
            writer.close()
        self._readers.dispose()
        self._signal.notify()

    def _make_readers(self) -> Engine:
        engine = create_engine(
            self.address,
            connect_args=arguments(self._settings, statement_timeout=self._settings.postgres_statement_seconds_max),
            poolclass=QueuePool,
            pool_size=min(READERS_KEPT, self._readers_max),
            max_overflow=max(0, self._readers_max - READERS_KEPT),
            pool_timeout=self._settings.postgres_wait_seconds,
            pool_pre_ping=True,  # a server that was restarted has forgotten these connections
            isolation_level="REPEATABLE READ",
            execution_options={"postgresql_readonly": True},
        )
        event.listen(engine, "connect", connected)
        return engine

    def _open_writer(self) -> Writer:
        self._check_process()
        if self._writer is None:
            reason = "the store is closed" if self._closed else "it was opened for reading only"
            raise StoreUnavailable(reason=reason)
        return self._writer

    def _check(self) -> None:
        self._check_process()
        if self._closed:
            raise StoreUnavailable(reason="the store is closed")

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise StoreUnavailable(reason="the store was opened before this process was forked; open it again here")


def _parsed(url: str) -> URL:
    try:
        return make_url(url).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        # What the parser says may have a piece of the password in it.
        reason = "it can't be read; in a password, write %3A for a colon, %2F for a slash and %40 for an at sign"
        raise SettingInvalid(name="store", value="postgresql", reason=reason) from None


class _Listener:
    """Passes on what other processes commit. The thread starts with the first who waits."""

    def __init__(self, address: Any, settings: Settings, signal: Signal, session: PostgresSession) -> None:
        self._arguments = arguments(settings)
        self._conninfo = address.set(drivername="postgresql").render_as_string(hide_password=False)
        self._signal = signal
        self._session = session
        self._starting = threading.Lock()
        self._stopped = threading.Event()
        self._wake, self._woken = os.pipe()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        with self._starting:
            if self._thread is not None or self._stopped.is_set():
                return
            listening = threading.Event()
            self._thread = threading.Thread(
                target=self._loop, args=(listening,), name="flightlog-listener", daemon=True
            )
            self._thread.start()
        listening.wait(LISTEN_SECONDS)  # what is committed from here on is heard, unless the server is away

    def stop(self) -> None:
        with self._starting:
            if not self._stopped.is_set():
                self._stopped.set()
                os.close(self._woken)  # whoever waits for the other end hears of it
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        with self._starting:
            wake, self._wake = self._wake, -1
        if wake >= 0:
            os.close(wake)

    def _loop(self, listening: threading.Event) -> None:
        heard_before = False
        while not self._stopped.is_set():
            try:
                with psycopg.connect(self._conninfo, autocommit=True, **self._arguments) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    listening.set()
                    if heard_before:
                        self._signal.notify()  # whatever was committed while nobody listened
                    heard_before = True
                    with selectors.DefaultSelector() as either:
                        either.register(connection.fileno(), selectors.EVENT_READ)
                        either.register(self._wake, selectors.EVENT_READ)
                        while not self._stopped.is_set():
                            either.select()
                            for heard in connection.notifies(timeout=0):
                                if heard.pid != self._session.backend_pid:
                                    self._signal.notify()
            except psycopg.Error:
                self._stopped.wait(LISTEN_SECONDS)
