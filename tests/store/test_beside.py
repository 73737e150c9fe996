"""The locks of a database that is open outlast whatever else this process does with its files."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from flightlog.config import Settings
from flightlog.erasure.prove import Samples, files_with
from flightlog.store import beside
from flightlog.store.contract import Store
from flightlog.store.engine import open_store
from flightlog.store.sqlite import DATABASE_FILE, SqliteStore

# Opens the database, writes nothing, and closes it: as the last one to have it open it would fold the log in and remove it.
VISITOR = """
import sqlite3, sys
visitor = sqlite3.connect(sys.argv[1])
visitor.execute("SELECT count(*) FROM sqlite_schema").fetchone()
visitor.close()
"""


def look_for_nothing(store: SqliteStore) -> None:
    samples = Samples()
    samples.pieces[b"nowhere to be found"] = None
    assert files_with(samples, [store.path.with_name(f"{DATABASE_FILE}{part}") for part in ("", "-wal", "-shm")]) == []


@pytest.mark.parametrize("act", [SqliteStore.sync, look_for_nothing], ids=["sync", "proof of an erasure"])
def test_another_program_that_comes_and_goes_leaves_the_log_where_it_is(tmp_path: Path, act: object) -> None:
    store = open_store(tmp_path / "flight", settings=Settings(), writable=True)
    assert isinstance(store, SqliteStore)
    assert callable(act)
    try:
        store.write(lambda tx: tx.sql.execute(text("CREATE TABLE kept (one INTEGER)")))
        act(store)
        log = os.stat(f"{store.path}-wal").st_ino
        subprocess.run([sys.executable, "-c", VISITOR, str(store.path)], check=True, timeout=60)
        assert os.stat(f"{store.path}-wal").st_ino == log
        store.write(lambda tx: tx.sql.execute(text("INSERT INTO kept VALUES (1)")))
        with store.read() as connection:
            assert connection.execute(text("SELECT count(*) FROM kept")).scalar_one() == 1
    finally:
        store.close()


def test_nothing_is_kept_once_the_last_store_of_a_database_is_closed(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else None
    first: Store = open_store(tmp_path / "flight", settings=Settings(), writable=True)
    second: Store = open_store(tmp_path / "flight", settings=Settings(), writable=False)
    path = tmp_path / "flight" / DATABASE_FILE
    with beside.opened(path) as one:
        pass
    second.close()
    with beside.opened(path) as other:
        assert other == one  # still the first store's
    first.close()
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(one)
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) <= before


def test_a_database_that_nobody_here_has_open_is_opened_and_closed(tmp_path: Path) -> None:
    path = tmp_path / DATABASE_FILE
    sqlite3.connect(path).close()
    path.touch()
    with beside.opened(path) as descriptor:
        os.fstat(descriptor)
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(descriptor)
