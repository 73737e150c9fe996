"""Writing and reading: one writer, group commit, nothing half-stored."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import insert, select

from flightlog.config import Settings
from flightlog.errors import StoreBusy, StoreUnavailable
from flightlog.journal.table import spool_positions
from flightlog.store.contract import DuplicateKey, RowRefused, Store, Tx
from tests.contract.backends import Backend

WAIT = 20.0


def put(name: str) -> Callable[[Tx], str]:
    """Stores a row under this name."""

    def fn(tx: Tx) -> str:
        tx.sql.execute(insert(spool_positions).values(segment=name, position=1, updated_at=1))
        return name

    return fn


def put_and_fail(name: str) -> Callable[[Tx], None]:
    def fn(tx: Tx) -> None:
        put(name)(tx)
        raise ValueError(name)

    return fn


def names(store: Store) -> set[str]:
    with store.read() as connection:
        return set(connection.execute(select(spool_positions.c.segment)).scalars())


@contextmanager
def busy_writer(store: Store) -> Iterator[threading.Event]:
    """The writer thread is held inside a transaction until the event is set."""
    entered, release = threading.Event(), threading.Event()

    def hold(_: Tx) -> None:
        entered.set()
        assert release.wait(WAIT)

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(store.write, hold, WAIT)
        assert entered.wait(WAIT)
        try:
            yield release
        finally:
            release.set()
            held.result(WAIT)


def until_queued(backend: Backend, store: Store, count: int) -> None:
    """Return once so many writes wait behind the busy writer."""
    deadline = time.monotonic() + WAIT
    while backend.waiting(store) < count:
        assert time.monotonic() < deadline
        os.sched_yield()


def write_together(backend: Backend, store: Store, *fns: Callable[[Tx], object]) -> list[Future[object]]:
    """Have these wait while the writer is busy, in this order, so that they share one commit."""
    with ThreadPoolExecutor(len(fns)) as pool:
        answers = []
        with busy_writer(store):
            for number, fn in enumerate(fns, 1):
                answers.append(pool.submit(store.write, fn, WAIT))
                until_queued(backend, store, number)
    return answers


def test_a_write_gives_its_result_after_the_commit(store: Store) -> None:
    assert store.write(put("a")) == "a"
    assert names(store) == {"a"}


def test_a_failing_write_raises_its_own_error_and_stores_nothing(store: Store) -> None:
    with pytest.raises(ValueError, match="a"):
        store.write(put_and_fail("a"))
    assert names(store) == set()
    store.write(put("b"))
    assert names(store) == {"b"}


def test_a_failing_neighbour_in_the_same_commit_costs_nothing(store: Store, backend: Backend) -> None:
    answers = write_together(backend, store, put("a"), put_and_fail("b"), put("c"))
    assert [type(answer.exception()) for answer in answers] == [type(None), ValueError, type(None)]
    assert names(store) == {"a", "c"}


def test_writes_that_wait_together_share_one_commit(store: Store, backend: Backend) -> None:
    before = store.commits().seen
    answers = write_together(backend, store, *[put(f"n{number}") for number in range(20)])
    assert all(answer.exception() is None for answer in answers)
    assert len(names(store)) == 20
    assert store.commits().seen - before == 2  # the one that held the writer, and the twenty


def test_write_group_max_bounds_what_shares_a_commit(backend: Backend) -> None:
    store = backend.open(settings=Settings(write_group_max=2))
    before = store.commits().seen
    write_together(backend, store, put("a"), put("b"), put("c"))
    assert store.commits().seen - before == 3
    assert names(store) == {"a", "b", "c"}


def test_a_write_that_is_not_begun_in_time_is_never_run(store: Store) -> None:
    ran = []
    with busy_writer(store), pytest.raises(StoreBusy) as caught:
        store.write(lambda _: ran.append(1), timeout=0.01)
    assert caught.value.facts == {"timeout_seconds": 0.01}
    store.write(put("after"))
    assert ran == []


def test_a_write_that_has_begun_but_is_not_committing_is_undone_on_timeout(store: Store) -> None:
    entered, release = threading.Event(), threading.Event()

    def slow(tx: Tx) -> None:
        put("slow")(tx)
        entered.set()
        assert release.wait(WAIT)

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(store.write, slow, 0.05)
        assert entered.wait(WAIT)
        with pytest.raises(StoreBusy):
            answer.result(WAIT)
        release.set()
        store.write(put("after"))
    assert names(store) == {"after"}


def test_a_neighbour_of_a_withdrawn_write_is_stored_once(store: Store, backend: Backend) -> None:
    entered, release = threading.Event(), threading.Event()

    def slow_neighbour(tx: Tx) -> None:
        put("neighbour")(tx)
        entered.set()
        assert release.wait(WAIT)

    with ThreadPoolExecutor(2) as pool:
        with busy_writer(store):
            withdrawn = pool.submit(store.write, put("withdrawn"), 1.0)
            until_queued(backend, store, 1)
            neighbour = pool.submit(store.write, slow_neighbour, WAIT)
            until_queued(backend, store, 2)
        assert entered.wait(WAIT)
        with pytest.raises(StoreBusy):
            withdrawn.result(WAIT)
        release.set()
        neighbour.result(WAIT)
    assert names(store) == {"neighbour"}


def test_setting_write_timeout_seconds_is_the_default_timeout(backend: Backend) -> None:
    store = backend.open(settings=Settings(write_timeout_seconds=0.01))
    with busy_writer(store), pytest.raises(StoreBusy) as caught:
        store.write(put("a"))
    assert caught.value.facts == {"timeout_seconds": 0.01}


def test_many_threads_write_without_loss(store: Store) -> None:
    wanted = {f"t{thread}-{number}" for thread in range(8) for number in range(25)}

    def work(thread: int) -> None:
        for number in range(25):
            store.write(put(f"t{thread}-{number}"), WAIT)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert names(store) == wanted


def test_a_write_from_inside_a_write_is_refused_instead_of_waiting_for_itself(store: Store) -> None:
    with pytest.raises(RuntimeError, match="use its Tx"):
        store.write(lambda _: store.write(put("a")))


def test_a_reader_sees_one_snapshot(store: Store) -> None:
    store.write(put("a"))
    with store.read() as connection:
        first = connection.execute(select(spool_positions.c.segment)).scalars().all()
        store.write(put("b"))
        again = connection.execute(select(spool_positions.c.segment)).scalars().all()
    assert first == again == ["a"]
    assert names(store) == {"a", "b"}


def test_a_reader_can_not_write(store: Store) -> None:
    with pytest.raises(StoreUnavailable, match="read-only"), store.read() as connection:
        connection.execute(insert(spool_positions).values(segment="a", position=1, updated_at=1))
    assert names(store) == set()


def test_readers_in_many_threads_do_not_disturb_each_other(store: Store) -> None:
    store.write(put("a"))
    with ThreadPoolExecutor(16) as pool:
        assert all(found == {"a"} for found in pool.map(lambda _: names(store), range(200)))


def test_a_store_opened_for_reading_refuses_to_write(store: Store, backend: Backend) -> None:
    reader = backend.open(writable=False)
    assert not reader.writable
    with pytest.raises(StoreUnavailable, match="reading only"):
        reader.write(put("a"))
    with pytest.raises(StoreUnavailable, match="reading only"):
        reader.migrate()


def test_what_was_committed_is_there_after_opening_again(store: Store, backend: Backend) -> None:
    store.write(put("a"))
    store.close()
    store.close()
    assert names(backend.open()) == {"a"}


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        store.write(put("a"))
    with pytest.raises(StoreUnavailable, match="closed"), store.read():
        pass
    with pytest.raises(StoreUnavailable, match="closed"):
        store.reopen()


def test_closing_finishes_what_is_queued(store: Store, backend: Backend) -> None:
    with ThreadPoolExecutor(2) as pool:
        with busy_writer(store):
            answer = pool.submit(store.write, put("a"), WAIT)
            until_queued(backend, store, 1)
            closing = pool.submit(store.close)
        closing.result(WAIT)
        assert answer.result(WAIT) == "a"
    assert names(backend.open()) == {"a"}


def test_a_commit_wakes_who_waits(store: Store) -> None:
    signal = store.commits()
    seen = signal.seen
    assert signal.wait(seen, timeout=0.001) == seen
    with ThreadPoolExecutor(1) as pool:
        woken = pool.submit(signal.wait, seen, WAIT)
        store.write(put("a"))
        assert woken.result(WAIT) != seen


def test_a_commit_of_another_store_object_wakes_who_waits(store: Store, backend: Backend) -> None:
    signal = backend.open(writable=False, settings=Settings(tail_poll_seconds=0.005)).commits()
    seen = signal.seen
    with ThreadPoolExecutor(4) as pool:
        woken = [pool.submit(signal.wait, seen, WAIT) for _ in range(4)]
        store.write(put("a"))
        assert all(found.result(WAIT) != seen for found in woken)


def test_a_commit_between_seen_and_wait_is_not_slept_through(store: Store, backend: Backend) -> None:
    for signal in (store.commits(), backend.open(writable=False).commits()):
        seen = signal.seen
        store.write(put(f"a{id(signal)}"))
        assert signal.wait(seen, timeout=WAIT) != seen


def test_rows_go_in_all_or_none(store: Store) -> None:
    def attempt(tx: Tx) -> list[str]:
        tx.insert_many((spool_positions, [("a", 1, 1), ("b", 1, 1)]))
        tx.insert_many((spool_positions, []))
        caught = []
        for rows, error in (([("c", 1, 1), ("a", 1, 1)], DuplicateKey), ([("d", 1, 1), ("e", None, 1)], RowRefused)):
            with pytest.raises(error):
                tx.insert_many((spool_positions, [("f", 1, 1)]), (spool_positions, rows))
            caught.append(error.__name__)
        return caught

    assert store.write(attempt) == ["DuplicateKey", "RowRefused"]
    assert names(store) == {"a", "b"}


@pytest.mark.parametrize("value", [2**63, "\ud800", object(), b"\xff"], ids=["too big", "surrogate", "object", "bytes"])
def test_a_value_that_no_column_takes_is_refused_alone(store: Store, value: object) -> None:
    def attempt(tx: Tx) -> None:
        with pytest.raises(RowRefused):
            tx.insert_many((spool_positions, [("a", value, 1)]))
        tx.insert_many((spool_positions, [("b", 1, 1)]))

    store.write(attempt)
    assert names(store) == {"b"}
