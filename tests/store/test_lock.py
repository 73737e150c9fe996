"""One writer per folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flightlog.errors import StoreGone, WriterLocked
from flightlog.store.engine import open_store
from flightlog.store.lock import LOCK_FILE, WriterLock, holder
from flightlog.store.sqlite import SqliteStore

HOLD = """
import sys, time
from pathlib import Path
from flightlog.store.lock import WriterLock
lock = WriterLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_writer_is_told_who_the_first_is(store: SqliteStore, folder: Path) -> None:
    with pytest.raises(WriterLocked) as caught:
        open_store(folder, writable=True)
    assert caught.value.facts == {"pid": os.getpid(), "folder": str(folder)}
    assert holder(folder) == os.getpid()
    store.close()
    assert holder(folder) is None
    open_store(folder, writable=True).close()


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    lock = WriterLock(tmp_path)
    with pytest.raises(WriterLocked, match=f"pid {process.pid}"):
        lock.acquire()
    assert holder(tmp_path) == process.pid
    process.send_signal(signal.SIGKILL)
    process.communicate()
    lock.acquire()
    assert lock.is_held()
    lock.release()
    lock.release()


def test_a_forked_child_does_not_keep_the_lock_alive(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path)
    lock.acquire()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # the child outlives our release
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    try:
        lock.release()
        other = WriterLock(tmp_path)
        other.acquire()
        other.release()
    finally:
        os.write(write, b"x")
        os.waitpid(child, 0)
        os.close(read)
        os.close(write)


def test_asking_who_holds_it_takes_nothing(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    assert not (tmp_path / LOCK_FILE).exists()


def test_a_removed_lock_file_stops_the_writer_before_another_could_write_beside_it(
    store: SqliteStore, folder: Path
) -> None:
    (folder / LOCK_FILE).unlink()
    with pytest.raises(StoreGone, match=LOCK_FILE):
        store.write(lambda tx: tx.sql.exec_driver_sql("SELECT 1").scalar())
    store.reopen()
    assert store.write(lambda tx: tx.sql.exec_driver_sql("SELECT 1").scalar()) == 1
    with pytest.raises(WriterLocked):
        open_store(folder, writable=True)


def test_whoever_lost_the_lock_to_another_can_not_reopen(store: SqliteStore, folder: Path) -> None:
    (folder / LOCK_FILE).unlink()
    other = WriterLock(folder)
    other.acquire()
    for _ in range(2):
        with pytest.raises(StoreGone):
            store.write(lambda tx: None)
        with pytest.raises(WriterLocked):
            store.reopen()
    other.release()
    store.reopen()
    store.write(lambda tx: None)
