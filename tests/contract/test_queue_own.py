"""What the store's own queue promises beyond the port: what it costs, how it bears trouble, and its order against a model."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from flightlog.errors import StoreUnavailable, StoreUncertain
from flightlog.queue.claiming import FORGET_SECONDS, Finished, Wish
from flightlog.queue.own import OwnQueue
from flightlog.queue.table import queue_jobs, queue_turns
from flightlog.store.contract import Store
from flightlog.store.lookout import PAUSE_SECONDS_MAX
from tests.contract.backends import BACKENDS
from tests.contract.engines import WAIT, Desk, job, own, stats, submit, working


class Count:
    """Counts what a store does."""

    def __init__(self) -> None:
        self.writes = self.reads = 0
        self.read_once = threading.Event()

    def wrote(self, seconds: float) -> None:
        self.writes += 1

    def read(self, seconds: float) -> None:
        self.reads += 1
        self.read_once.set()


def test_while_others_write_much_and_nothing_waits_it_reads_seldom_and_never_writes(store: Store) -> None:
    queue = own(store)
    with working(queue, Desk()) as worker:
        count = store.meter = Count()
        began = time.monotonic()
        for _ in range(400):
            store.write(lambda tx: tx.sql.execute(select(1)).all())
        took = time.monotonic() - began
        assert count.writes == 400
        assert count.reads <= took / PAUSE_SECONDS_MAX + 9  # the first looks are closer together
        store.meter = None
        assert worker.error is None


def test_jobs_that_wait_cost_one_write_for_as_many_as_there_is_room(store: Store) -> None:
    queue = own(store)
    submit(store, queue, *(job(number) for number in range(8)))
    desk = Desk(held=True)
    count = store.meter = Count()
    with working(queue, desk, slots=8):
        desk.await_began(8)
        assert count.writes == 1
        desk.let()
        desk.await_done(8)
    assert count.writes <= 4  # they were let go of together, and not one by one
    store.meter = None
    assert stats(store, queue) == []


class Fragile:
    """A store whose writes fail as they are told to: before anything was stored, or after."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.before: list[Exception] = []
        self.after: list[Exception] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def write(self, fn: Callable[..., Any], timeout: float | None = None) -> Any:
        if self.before:
            raise self.before.pop(0)
        value = self._store.write(fn, timeout)
        if self.after:
            raise self.after.pop(0)
        return value


def test_a_claim_whose_answer_never_came_strands_nothing(store: Store) -> None:
    fragile = Fragile(store)
    queue = OwnQueue(fragile, own(store)._clock, own(store)._settings)  # type: ignore[arg-type]
    fragile.after.append(StoreUncertain(timeout_seconds=1.0))
    submit(store, queue, *(job(number) for number in range(3)))
    desk = Desk()
    with working(queue, desk, slots=2):
        desk.await_done(3)
    assert sorted(one.task_id for one in desk.began) == ["t00000", "t00001", "t00002"]
    assert stats(store, queue) == []


def test_a_store_that_is_away_is_asked_again_and_the_worker_says_so(store: Store) -> None:
    fragile = Fragile(store)
    queue = OwnQueue(fragile, own(store)._clock, own(store)._settings)  # type: ignore[arg-type]
    fragile.before += [StoreUnavailable(reason="the disk is full")] * 2
    submit(store, queue, job(1))
    desk = Desk(held=True)
    with working(queue, desk) as worker:
        desk.await_began(1)
        assert not fragile.before
        assert worker.error is None  # over
        desk.let()
    assert len(desk.began) == 1


def test_a_claim_that_was_given_to_another_is_not_let_go_of_by_the_first(store: Store) -> None:
    queue = own(store)
    submit(store, queue, job(1))
    [first] = queue.claim(Wish("w1", ("default",), 1))
    store.write(lambda tx: queue.resume(tx, "w1", 5))
    [second] = queue.claim(Wish("w1", ("default",), 1))
    assert second.job == first.job
    queue.claim(Wish("w1", ("default",), 0, [Finished(first.job.job_id, first.claimed_at)]))
    assert [found.running for found in stats(store, queue)] == [1]
    queue.claim(Wish("w1", ("default",), 0, [Finished(second.job.job_id, second.claimed_at)]))
    assert stats(store, queue) == []


def test_a_worker_of_no_queue_rests(store: Store) -> None:
    queue = own(store)
    submit(store, queue, job(1))
    assert queue.waits(()) is False
    assert queue.claim(Wish("w", (), 5)) == []
    with working(queue, Desk(), queues=()) as worker:
        assert worker.stop(WAIT) == []
        assert worker.error is None


def test_queues_are_claimed_strictly_in_turn(store: Store) -> None:
    queue = own(store)
    for name, first in (("a", 0), ("b", 100)):
        submit(store, queue, *(job(first + number, queue=name) for number in range(6)))
    desk = Desk()
    with working(queue, desk, queues=("a", "b")):
        desk.await_done(12)
    assert "".join(one.queue for one in desk.began) == "ab" * 6


def test_turns_that_have_passed_are_forgotten_and_the_others_kept(store: Store) -> None:
    queue = own(store)
    submit(store, queue, *(job(number, user=f"u{number}") for number in range(5)))
    submit(store, queue, *(job(10 + number, user="flood") for number in range(5)))
    claimed = queue.claim(Wish("w", ("default",), 8))
    assert len(claimed) == 8
    assert queue.forget_turns() == 5
    assert queue.forget_turns() == 0
    with store.read() as connection:
        assert {row.user_id for row in connection.execute(select(queue_turns))} == {"", "flood"}
    assert FORGET_SECONDS >= 1


def test_jobs_that_come_together_have_the_turns_that_they_have_one_by_one(store: Store) -> None:
    queue = own(store)
    submit(store, queue, *(job(number, user="ann") for number in range(3)), job(3, user="bob"))
    queue.claim(Wish("w", ("default",), 3))
    came = [
        job(1, user="ann"), job(10, user="ann"), job(11, user="cid"), job(12, user="ann"), job(11, user="cid"),
        job(13, user="cid", priority=5), job(14, user="bob", queue="other"), job(15, user=""), job(16, user="cid"),
    ]  # fmt: skip

    def turns(put: Callable[[Any], object]) -> list[Any]:
        found: list[Any] = []

        def work(tx: Any) -> None:
            put(tx)
            found.extend(tx.sql.execute(select(queue_jobs).order_by(queue_jobs.c.job_id)).all())
            found.extend(tx.sql.execute(select(queue_turns).order_by(queue_turns.c.queue, queue_turns.c.user_id)).all())
            raise StopIteration  # nothing of it stays

        with pytest.raises(StopIteration):
            store.write(work)
        return found

    together = turns(lambda tx: queue.submit_all(tx, came, 7))
    assert together == turns(lambda tx: [queue.submit(tx, one, 7) for one in came])
    assert len([row for row in together if len(row) > 3]) == 4 + 7, "those that were known are nothing"


def test_a_user_without_a_name_is_not_taken_for_the_clock(store: Store) -> None:
    queue = own(store)
    submit(store, queue, *(job(number, user="") for number in range(20)))
    submit(store, queue, job(99, user="bob"))
    order = [queue.claim(Wish("w", ("default",), 1))[0].job.user_id for _ in range(3)]
    assert "bob" in order


USERS = ("ann", "bob", "cyd")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(USERS), st.sampled_from([0, 0, 0, 1])),
        st.tuples(st.just("claim"), st.integers(1, 4), st.just(0)),
    ),
    min_size=5,
    max_size=60,
)


@pytest.mark.parametrize("name", sorted(BACKENDS))
@settings(max_examples=8, phases=[Phase.generate, Phase.shrink])
@given(steps=STEPS)
def test_the_order_is_that_of_start_time_fair_queueing(
    name: str, steps: list[tuple[str, Any, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Against a model: a job's turn is the greatest turn served so far or one after its user's last; served by (priority, turn,
    id). And what that is for: of two users who both have jobs waiting, none is served three times while the other is not.
    """
    backend = BACKENDS[name](tmp_path_factory.mktemp("queue"))
    try:
        store = backend.open()
        queue = own(store)
        waiting: list[tuple[int, int, str, str]] = []  # -priority, turn, id, user
        clock: dict[int, int] = {}
        last: dict[tuple[str, int], int] = {}
        passed_over: dict[tuple[str, str], int] = {}
        steps = [*steps, ("claim", len(steps), 0)]
        for number, (action, what, priority) in enumerate(steps):
            if action == "put":
                made = job(number, user=what, priority=priority)
                submit(store, queue, made)
                turn = max(clock.get(priority, 0), last.get((what, priority), 0) + 1)
                last[what, priority] = turn
                waiting.append((-priority, turn, made.job_id, what))
                continue
            expected = sorted(waiting)[:what]
            claimed = [one.job for one in queue.claim(Wish("w", ("default",), what))]
            assert [one.job_id for one in claimed] == [id_ for *_, id_, _ in expected]
            for one in expected:
                waiting.remove(one)
                clock[-one[0]] = max(clock.get(-one[0], 0), one[1])
                for other in USERS:
                    owed = passed_over.get((one[3], other), 0) + 1
                    behind = one[0] == 0 and any(left[0] == 0 and left[3] == other for left in waiting)
                    passed_over[one[3], other] = owed if behind and other != one[3] else 0
                    passed_over[other, one[3]] = 0
                    assert passed_over[one[3], other] <= 2
        assert not waiting
        with store.read() as connection:
            assert connection.execute(select(queue_jobs).where(queue_jobs.c.worker_id.is_(None))).all() == []
    finally:
        backend.close()


def test_a_claim_waits_for_a_free_slot_and_is_made_at_once_when_there_is_one(store: Store) -> None:
    queue = own(store)
    desk = Desk(held=True)
    submit(store, queue, *(job(number) for number in range(3)))
    with working(queue, desk) as worker:
        desk.await_began(1)
        desk.let()
        desk.await_done(3)
        assert worker.stop(WAIT) == []
    assert desk.most == 1
