"""The exam of queues: every promise of `queue/port.py`, for every engine on every store."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from flightlog.queue.port import Job, Queue, QueueStats
from flightlog.store.contract import Store, Tx
from tests.contract.backends import Backend
from tests.contract.engines import ENGINES, WAIT, Desk, job, own, stats, submit, working

# DBOS polls and starts a runtime for each test: its whole exam is for `make torture`, a sample is in test_queue_dbos.py.
SITTING = [pytest.param("dbos", marks=pytest.mark.torture), "own"]


@pytest.fixture(params=SITTING)
def queue(request: pytest.FixtureRequest, store: Store) -> Queue:
    return ENGINES[request.param](store)


def names(jobs: list[Job]) -> list[str]:
    return [one.task_id for one in jobs]


# ── putting in and taking out ────────────────────────────────────────────────────────────────────────────────────────


def test_a_job_is_handed_over_as_it_was_put_in_and_is_gone_when_it_is_done(queue: Queue, store: Store) -> None:
    desk = Desk()
    given = Job("t7.3", "default", "t7", 3, "ann", 5)
    with working(queue, desk):
        submit(store, queue, given)
        assert desk.await_done(1) == [given]
    assert stats(store, queue) == []


def test_a_worker_is_woken_by_the_commit_that_brings_a_job(queue: Queue, store: Store) -> None:
    desk = Desk()
    with working(queue, desk):
        for number in range(5):  # it is at rest before each of these, and no sweep is near
            submit(store, queue, job(number))
            desk.await_done(number + 1)


def test_what_is_rolled_back_was_never_in_the_queue(queue: Queue, store: Store) -> None:
    def fail(tx: Tx) -> None:
        queue.submit(tx, job(1), 1)
        raise RuntimeError("no")

    desk = Desk()
    with working(queue, desk):
        with pytest.raises(RuntimeError, match="no"):
            store.write(fail)
        submit(store, queue, job(2))
        desk.await_done(1)
    assert names(desk.began) == ["t00002"]


def test_the_same_job_id_is_one_job_while_it_waits_and_while_it_runs(queue: Queue, store: Store) -> None:
    submit(store, queue, job(1), job(1))
    submit(store, queue, job(1, user="bob"))
    desk = Desk(held=True)
    with working(queue, desk, slots=4):
        desk.await_began(1)
        submit(store, queue, job(1))
        submit(store, queue, job(2))
        desk.await_began(2)
        desk.let()
    assert names(desk.began) == ["t00001", "t00002"]
    assert desk.began[0].user_id == "ann"


def test_eight_threads_that_put_the_same_jobs_in_put_each_in_once(queue: Queue, store: Store) -> None:
    jobs = [job(number, user=f"u{number % 3}") for number in range(40)]

    def put(start: int) -> None:
        for step in range(len(jobs)):
            submit(store, queue, jobs[(start * 5 + step) % len(jobs)])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(8)))
    assert [found.waiting for found in stats(store, queue)] == [40]


def test_a_job_that_waits_can_be_taken_back_and_one_that_runs_can_not(queue: Queue, store: Store) -> None:
    desk = Desk(held=True)
    with working(queue, desk):
        submit(store, queue, job(1))
        desk.await_began(1)
        submit(store, queue, job(2), job(3))
        assert store.write(lambda tx: queue.cancel(tx, "t00002.1")) is True
        assert store.write(lambda tx: queue.cancel(tx, "t00002.1")) is False
        assert store.write(lambda tx: queue.cancel(tx, "t00001.1")) is False
        assert store.write(lambda tx: queue.cancel(tx, "t00009.1")) is False
        desk.let()
        desk.await_done(2)
    assert names(desk.began) == ["t00001", "t00003"]


def test_what_is_in_the_queue_can_be_told(queue: Queue, store: Store) -> None:
    assert stats(store, queue) == []
    submit(store, queue, job(1), job(2), job(3), job(4, queue="other"))
    desk = Desk(held=True)
    with working(queue, desk):
        desk.await_began(1)
        assert stats(store, queue) == [QueueStats("default", 2, 1, 1_001), QueueStats("other", 1, 0, 1_003)]
        desk.let()
        desk.await_done(3)
    assert stats(store, queue) == [QueueStats("other", 1, 0, 1_003)]


# ── order ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_jobs_of_one_user_are_done_in_the_order_in_which_they_came(queue: Queue, store: Store) -> None:
    submit(store, queue, *(job(number) for number in range(20)))
    desk = Desk()
    with working(queue, desk):
        desk.await_done(20)
    assert names(desk.began) == [f"t{number:05d}" for number in range(20)]


def test_the_single_job_of_one_user_is_next_however_many_another_has_put_in(queue: Queue, store: Store) -> None:
    submit(store, queue, *(job(number, user="flood") for number in range(300)))
    desk = Desk(held=True)
    with working(queue, desk):
        desk.await_began(1)
        submit(store, queue, job(5_000, user="single"))
        desk.let()
        began = desk.await_began(3)
    assert [one.user_id for one in began[:2]] == ["flood", "single"]


def test_users_with_much_to_do_take_turns(queue: Queue, store: Store) -> None:
    submit(store, queue, *(job(number, user="ann") for number in range(30)))
    submit(store, queue, *(job(100 + number, user="bob") for number in range(10)))
    desk = Desk()
    with working(queue, desk):
        desk.await_done(40)
    first = Counter(one.user_id for one in desk.began[:20])
    assert first == {"ann": 10, "bob": 10}


def test_a_higher_priority_comes_first_whoever_asks(queue: Queue, store: Store) -> None:
    submit(store, queue, job(1), job(2), job(3, priority=-1), job(4, priority=9), job(5, user="bob", priority=10))
    desk = Desk()
    with working(queue, desk):
        desk.await_done(5)
    assert names(desk.began) == ["t00005", "t00004", "t00001", "t00002", "t00003"]


def test_an_urgent_job_behind_a_flood_does_not_put_others_behind_the_flood(queue: Queue, store: Store) -> None:
    submit(store, queue, *(job(number, user="flood") for number in range(50)))
    submit(store, queue, job(900, user="flood", priority=1))
    desk = Desk(held=True)
    with working(queue, desk):
        assert names(desk.await_began(1)) == ["t00900"]
        submit(store, queue, job(901, user="single"))
        desk.let()
        desk.await_began(3)
    assert "single" in [one.user_id for one in desk.began[1:3]]


def test_two_queues_of_a_worker_are_claimed_in_turn(queue: Queue, store: Store) -> None:
    for name, first in (("a", 0), ("b", 100)):
        submit(store, queue, *(job(first + number, queue=name) for number in range(20)))
    desk = Desk()
    with working(queue, desk, queues=("a", "b")):
        desk.await_done(40)
    first = Counter(one.queue for one in desk.began[:20])
    assert min(first["a"], first["b"]) >= 7, first  # DBOS looks into each queue by a clock of its own


def test_a_worker_takes_only_what_is_in_its_queues(queue: Queue, store: Store) -> None:
    submit(store, queue, job(1, queue="other"), job(2))
    desk = Desk()
    with working(queue, desk):
        desk.await_done(1)
    assert names(desk.began) == ["t00002"]
    assert [found.queue for found in stats(store, queue)] == ["other"]


# ── workers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_worker_does_as_many_at_once_as_it_offered_and_no_more(queue: Queue, store: Store) -> None:
    submit(store, queue, *(job(number) for number in range(12)))
    desk = Desk(held=True)
    with working(queue, desk, slots=4) as worker:
        desk.await_began(4)
        assert len(worker.running) == 4
        desk.let()
        desk.await_done(12)
    assert desk.most == 4


def test_a_job_whose_work_raises_is_kept_and_done_again(
    queue: Queue, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flightlog.queue.claiming.AGAIN_SECONDS_MIN", 0.001)
    again = threading.Event()
    seen: list[str] = []

    def work(job: Job) -> None:
        seen.append(job.task_id)
        if len(seen) < 3:
            raise SystemExit("no")
        again.set()

    with working(queue, work):
        submit(store, queue, job(1))
        assert again.wait(WAIT)
    assert seen == ["t00001"] * 3
    assert stats(store, queue) == []


def test_a_worker_that_stops_ends_what_it_does_and_takes_no_more(queue: Queue, store: Store) -> None:
    submit(store, queue, *(job(number) for number in range(5)))
    desk = Desk(held=True)
    with working(queue, desk, slots=2) as worker:
        desk.await_began(2)
        left = worker.stop(0.01)
        assert sorted(names(left)) == ["t00000", "t00001"]
        desk.let()
        assert worker.stop(WAIT) == []
        assert worker.stop(WAIT) == []
    assert len(desk.began) == 2
    assert stats(store, queue) == [QueueStats("default", 3, 0, 1_002)]


def test_what_a_dead_worker_had_is_done_by_another_before_what_came_later(queue: Queue, store: Store) -> None:
    dead = Desk(held=True)
    submit(store, queue, *(job(number) for number in range(4)))
    with working(queue, dead, name="dead", slots=2) as worker:
        dead.await_began(2)
        worker.stop(0.01)
        assert store.write(lambda tx: queue.resume(tx, "dead", 9)) == 2
        assert store.write(lambda tx: queue.resume(tx, "dead", 9)) == 0
        heir = Desk()
        with working(queue, heir, name="heir"):
            heir.await_done(4)
        dead.let()
    assert names(heir.began) == [f"t{number:05d}" for number in range(4)]
    assert stats(store, queue) == []


def test_what_others_have_is_left_to_them_when_a_worker_dies(queue: Queue, store: Store) -> None:
    desk = Desk(held=True)
    submit(store, queue, job(1))
    with working(queue, desk, name="alive"):
        desk.await_began(1)
        assert store.write(lambda tx: queue.resume(tx, "dead", 9)) == 0
        desk.let()
    assert len(desk.began) == 1


@pytest.fixture
def second_store(store: Store, backend: Backend) -> Store:
    """What another process would have open: the database where several may write, this very store where only one may."""
    return backend.open() if store.dialect == "postgresql" else store


def test_eight_workers_never_get_the_same_job(store: Store, second_store: Store) -> None:
    """With the store's own engine: DBOS has one worker in a process."""
    queues = [own(store), own(second_store)]
    desk = Desk()
    workers = [working(queues[number % 2], desk, name=f"w{number}", slots=2) for number in range(8)]
    with ExitStack() as stack:
        for worker in workers:
            stack.enter_context(worker)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: submit(store, queues[0], job(n, user=f"u{n % 5}")), range(160)))
        desk.await_done(160)
    assert sorted(names(desk.began)) == [f"t{number:05d}" for number in range(160)]
    assert stats(store, queues[0]) == []
