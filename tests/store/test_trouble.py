"""The disk full, read-only, damaged, gone or replaced: the writer says so, stores nothing half, and goes on when it can."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from flightlog.config import Settings
from flightlog.errors import (
    NotFound,
    SettingInvalid,
    StoreBroken,
    StoreBusy,
    StoreGone,
    StoreUnavailable,
)
from flightlog.journal.append import Journal
from flightlog.journal.read import read_events
from flightlog.journal.table import spool_positions
from flightlog.store import sqlite_session, writer
from flightlog.store.contract import Tx
from flightlog.store.engine import open_store
from flightlog.store.sqlite import DATABASE_FILE, SqliteStore
from tests.contract.making import event, numbers

WAIT = 20.0
BIG = {"text": "x" * 50_000}


def names(store: SqliteStore) -> set[str]:
    with store.read() as connection:
        return set(connection.execute(select(spool_positions.c.segment)).scalars())


def put(name: str, size: int = 0) -> Any:
    def fn(tx: Tx) -> None:
        tx.sql.execute(insert(spool_positions).values(segment=name + "x" * size, position=1, updated_at=1))

    return fn


def pragma(store: SqliteStore, text: str) -> Any:
    return store._writer.call(lambda: store._session._tx.driver.execute(f"PRAGMA {text}").fetchone(), WAIT)  # type: ignore[union-attr]


def test_folder_and_files_are_for_their_owner_only(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        store = open_store(tmp_path / "a" / "flight", writable=True)
        store.write(put("a"))
    finally:
        os.umask(old)
    folder = tmp_path / "a" / "flight"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert set(modes) >= {"flightlog.db", "flightlog.db-wal", "writer.lock"}
    assert set(modes.values()) == {0o600}
    store.close()


def test_what_can_only_be_chosen_at_creation_is_chosen(store: SqliteStore) -> None:
    assert pragma(store, "page_size") == (8192,)
    assert pragma(store, "auto_vacuum") == (2,)
    assert pragma(store, "journal_mode") == ("wal",)
    assert pragma(store, "synchronous") == (1,)


def test_setting_sqlite_synchronous_is_obeyed(folder: Path) -> None:
    store = open_store(folder, settings=Settings(sqlite_synchronous="FULL"), writable=True)
    assert isinstance(store, SqliteStore)
    assert pragma(store, "synchronous") == (2,)
    store.close()


def test_a_full_disk_stores_nothing_says_so_and_is_over_when_there_is_room(store: SqliteStore) -> None:
    journal = Journal(store)
    journal.append([event(1)])
    [pages] = pragma(store, "page_count")
    pragma(store, f"max_page_count = {pages + 3}")
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="the disk is full"):
            journal.append([event(number, payload=BIG) for number in range(2, 8)])
        assert numbers(read_events(store).events) == [1]
    pragma(store, "max_page_count = 1000000")
    assert journal.append([event(number, payload=BIG) for number in range(2, 8)]).ids == list(range(2, 8))


def test_on_a_full_disk_a_small_neighbour_of_a_big_write_is_stored(store: SqliteStore) -> None:
    [pages] = pragma(store, "page_count")
    pragma(store, f"max_page_count = {pages + 3}")
    held, go = threading.Event(), threading.Event()
    writer = store._writer
    assert writer is not None
    with ThreadPoolExecutor(4) as pool:
        pool.submit(store.write, lambda _: (held.set(), go.wait(WAIT))[1])
        assert held.wait(WAIT)
        answers = []
        for number, fn in enumerate((put("a"), put("big", 500_000), put("c")), 1):
            answers.append(pool.submit(store.write, fn, WAIT))
            while writer._jobs.qsize() < number:
                os.sched_yield()
        go.set()
        assert answers[0].exception(WAIT) is None
        assert isinstance(answers[1].exception(WAIT), StoreUnavailable)
        assert answers[2].exception(WAIT) is None
    assert names(store) == {"a", "c"}


def test_a_connection_that_turned_read_only_is_replaced(store: SqliteStore) -> None:
    pragma(store, "query_only = ON")
    with pytest.raises(StoreUnavailable, match="read-only"):
        store.write(put("a"))
    store.write(put("b"))
    assert names(store) == {"b"}


def test_a_connection_that_was_given_up_is_replaced_though_its_wal_went_with_it(store: SqliteStore) -> None:
    store.write(put("a"))
    assert store._writer is not None
    assert store._readers is not None
    store._readers.dispose()
    store._writer.call(store._session.close, WAIT)
    assert not store.path.with_name(f"{DATABASE_FILE}-wal").exists()
    store.write(put("b"))
    assert names(store) == {"a", "b"}


def test_a_folder_that_can_not_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreUnavailable, match="file"):
        open_store(tmp_path / "file" / "flight", writable=True)
    with pytest.raises(StoreUnavailable):
        open_store(tmp_path / "file", writable=True)


def test_a_folder_without_a_store_has_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no Flightlog store in"):
        open_store(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_url_is_not_a_folder() -> None:
    with pytest.raises(SettingInvalid):
        open_store("redis://localhost/x", writable=True)


def test_a_file_that_is_no_database_needs_a_person(folder: Path) -> None:
    folder.mkdir()
    (folder / DATABASE_FILE).write_bytes(b"not a database " * 1_000)
    for writable in (True, False):
        with pytest.raises(StoreBroken, match="not a SQLite database"):
            open_store(folder, writable=writable)
    assert (folder / DATABASE_FILE).read_bytes().startswith(b"not a database")
    assert not [name for name in os.listdir(folder) if name.endswith(("-wal", "-shm"))]


def test_a_damaged_database_is_reported_and_the_lock_is_let_go(folder: Path) -> None:
    store = open_store(folder, writable=True)
    Journal(store).append([event(number, payload=BIG) for number in range(50)])
    store.close()
    with (folder / DATABASE_FILE).open("r+b") as file:
        for page in range(1, 60):
            file.seek(page * 8192)
            file.write(b"\xa5" * 8192)
    for writable in (True, False, True):
        with pytest.raises(StoreBroken, match="damaged"):
            open_store(folder, writable=writable)


@pytest.mark.parametrize("how", ["folder", "file", "replaced", "wal"])
def test_a_database_that_was_removed_or_replaced_is_gone_and_can_be_opened_anew(
    store: SqliteStore, folder: Path, how: str
) -> None:
    journal = Journal(store)
    journal.append([event(1)])
    database = folder / DATABASE_FILE
    if how == "folder":
        shutil.rmtree(folder)
    elif how == "file":
        database.unlink()
    elif how == "replaced":
        shutil.copy(database, folder / "copy")
        os.replace(folder / "copy", database)
    else:
        (folder / f"{DATABASE_FILE}-wal").unlink()
    for _ in range(2):
        with pytest.raises(StoreGone):
            journal.append([event(2)])
    if how != "wal":
        with pytest.raises(StoreGone):
            read_events(store)
    store.reopen()
    journal.append([event(3)])
    assert numbers(read_events(store).events) == ([1, 3] if how == "wal" else [3])
    journal.append([event(4)])


def test_the_wal_of_a_replaced_database_is_set_aside_and_not_played_into_the_new_one(
    store: SqliteStore, folder: Path, tmp_path: Path
) -> None:
    backup = open_store(tmp_path / "backup", writable=True)
    Journal(backup).append([event(number) for number in range(100, 150)])
    backup.close()
    Journal(store).append([event(number, payload=BIG) for number in range(20)])
    os.replace(tmp_path / "backup" / DATABASE_FILE, folder / DATABASE_FILE)
    with pytest.raises(StoreGone):
        store.write(put("a"))
    store.reopen()
    assert numbers(read_events(store).events) == list(range(100, 150))
    assert Journal(store).append([event(1)]).ids == [51]
    assert [path.name for path in folder.glob("*-wal.*.stale")]


def test_a_database_removed_while_a_write_is_under_way_is_noticed_before_the_answer(
    store: SqliteStore, folder: Path
) -> None:
    def fn(tx: Tx) -> None:
        put("a")(tx)
        shutil.rmtree(folder)

    with pytest.raises(StoreGone):
        store.write(fn)


def test_what_was_refused_because_the_file_moved_away_is_not_there_when_it_comes_back(
    store: SqliteStore, folder: Path
) -> None:
    away = folder / "away"

    def fn(tx: Tx) -> None:
        put("a")(tx)
        store.path.rename(away)

    with pytest.raises(StoreGone):
        store.write(fn)
    away.rename(store.path)
    store.write(put("b"))
    assert names(store) == {"b"}


def test_a_commit_into_a_file_that_went_away_meanwhile_is_not_called_stored(store: SqliteStore) -> None:
    file = store._session._file
    assert file is not None
    check, calls = file.check, []

    def check_then_remove() -> None:
        check()
        calls.append(1)
        if len(calls) == 2:  # the first was at the beginning, this one is just before the commit
            store.path.unlink()

    file.check = check_then_remove  # type: ignore[method-assign]
    with pytest.raises(StoreGone):
        store.write(put("a"))


def test_a_reader_in_another_process_notices_a_replaced_database(store: SqliteStore, folder: Path) -> None:
    reader = open_store(folder, settings=Settings(tail_poll_seconds=0.005))
    seen = reader.commits().seen
    (folder / DATABASE_FILE).unlink()
    assert reader.commits().wait(seen, WAIT) != seen
    with pytest.raises(StoreGone), reader.read():
        pass
    reader.close()


def test_reopening_works_where_nothing_is_wrong(store: SqliteStore) -> None:
    store.write(put("a"))
    store.reopen()
    store.write(put("b"))
    assert names(store) == {"a", "b"}


def test_another_process_that_holds_the_database_delays_and_then_is_named(store: SqliteStore, folder: Path) -> None:
    other = sqlite3.connect(folder / DATABASE_FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy):
        store.write(put("a"), timeout=0.02)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(store.write, put("b"), WAIT)
        other.execute("COMMIT")
        waiting.result(WAIT)
    other.close()
    assert names(store) == {"b"}


def test_a_wal_without_its_writer_is_read_by_who_comes_next(store: SqliteStore, folder: Path, tmp_path: Path) -> None:
    """As after SIGKILL: the files as they are, nobody closed anything."""
    Journal(store).append([event(number) for number in range(10)])
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert (copy / f"{DATABASE_FILE}-wal").stat().st_size > 0
    again = open_store(copy)
    assert numbers(read_events(again).events) == list(range(10))
    again.close()
    writer = open_store(copy, writable=True)
    assert Journal(writer).append([event(9), event(10)]).ids == [10, 11]
    writer.close()


def test_a_store_in_a_folder_that_may_only_be_read_is_read(
    store: SqliteStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Journal(store).append([event(1)])
    store.close()
    before = sorted(os.listdir(folder))
    assert before == [DATABASE_FILE, "writer.lock"]
    monkeypatch.setattr("flightlog.store.sqlite.os.access", lambda *_: False)
    reader = open_store(folder)
    assert numbers(read_events(reader).events) == [1]
    assert sorted(os.listdir(folder)) == before
    reader.close()


def test_a_forked_child_is_told_to_open_its_own(store: SqliteStore, folder: Path) -> None:
    store.write(put("a"))
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if works_in_child(store, folder) else 1)
        except BaseException:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    store.write(put("b"))
    assert names(store) == {"a", "b"}


def works_in_child(store: SqliteStore, folder: Path) -> bool:
    for use in (lambda: store.write(put("child")), lambda: names(store), store.migrate, store.reopen):
        with pytest.raises(StoreUnavailable, match="fork"):
            use()
    store.close()
    own = open_store(folder)
    assert isinstance(own, SqliteStore)
    found = names(own)
    own.close()
    return found == {"a"}


def test_the_log_is_copied_into_the_database_while_nobody_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "IDLE_SECONDS", WAIT)  # when is for test_writer.py
    store = open_store(tmp_path, writable=True)
    try:
        for names_, rows_min in ((["a", "b", "c"], 3), (["d"], 2)):
            monkeypatch.setattr(sqlite_session, "TIDY_ROWS_MIN", rows_min)
            for name in names_:
                store.write(put(name))
            store._writer.call(store._session.tidy, WAIT)
        # Without its log, which is where the last write still is.
        shutil.copy(tmp_path / DATABASE_FILE, tmp_path / "copy.db")
        with sqlite3.connect(f"file:{tmp_path / 'copy.db'}?immutable=1", uri=True) as copied:
            found = {row[0] for row in copied.execute("SELECT segment FROM spool_positions")}
        assert found == {"a", "b", "c"}
        assert names(store) == {"a", "b", "c", "d"}
    finally:
        store.close()


def test_a_database_that_is_gone_while_nobody_writes_is_told_to_who_writes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_session, "TIDY_ROWS_MIN", 0)
    store = open_store(tmp_path, writable=True)
    try:
        store.write(put("a"))
        (tmp_path / DATABASE_FILE).unlink()
        store._writer.call(store._session.tidy, WAIT)
        with pytest.raises(StoreGone):
            store.write(put("b"))
    finally:
        store.close()
