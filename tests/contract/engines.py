"""The queues that sit the exam, and how a test watches a worker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import text

from flightlog.clock import SystemClock
from flightlog.config import Settings
from flightlog.queue.own import OwnQueue
from flightlog.queue.port import Job, Queue, QueueStats, RunningWorker, WorkerOffer
from flightlog.store.contract import Store, Tx

NEVER = 600.0  # seconds between sweeps: whoever starts sooner was woken
WAIT = 20.0


def own(store: Store, sweep_seconds: float = NEVER) -> OwnQueue:
    return OwnQueue(store, SystemClock(), Settings(queue_sweep_seconds=sweep_seconds))


def dbos(store: Store, sweep_seconds: float = NEVER) -> Queue:
    from flightlog.queue.dbos import DbosQueue

    if store.dialect == "postgresql":  # its schema is not among those that are emptied between tests
        store.write(lambda tx: tx.sql.execute(text("DROP SCHEMA IF EXISTS dbos CASCADE")).rowcount)
    return DbosQueue(store, SystemClock(), Settings(queue_engine="dbos"))


ENGINES: dict[str, Callable[[Store], Queue]] = {"own": own, "dbos": dbos}


def job(number: int, user: str = "ann", queue: str = "default", attempt: int = 1, priority: int = 0) -> Job:
    return Job(f"t{number:05d}.{attempt}", queue, f"t{number:05d}", attempt, user, priority)


def submit(store: Store, queue: Queue, *jobs: Job) -> None:
    """In transactions of fifty, submitted at 1,000, 1,001 and so on."""

    def put(tx: Tx, first: int) -> None:
        for number, one in enumerate(jobs[first : first + 50]):
            queue.submit(tx, one, 1_000 + first + number)

    for first in range(0, len(jobs), 50):
        store.write(lambda tx, first=first: put(tx, first))


def stats(store: Store, queue: Queue) -> list[QueueStats]:
    with store.read() as connection:
        return queue.stats(connection)


class Desk:
    """Work that a test follows: which jobs began, in which order, and how many were at work at once."""

    def __init__(self, *, held: bool = False) -> None:
        self.began: list[Job] = []
        self.done: list[Job] = []
        self.most = 0
        self._at_work = 0
        self._moved = threading.Condition()
        self._let = threading.Event()
        if not held:
            self._let.set()

    def __call__(self, job: Job) -> None:
        with self._moved:
            self.began.append(job)
            self._at_work += 1
            self.most = max(self.most, self._at_work)
            self._moved.notify_all()
        assert self._let.wait(WAIT)
        with self._moved:
            self._at_work -= 1
            self.done.append(job)
            self._moved.notify_all()

    def let(self) -> None:
        """What is held goes on."""
        self._let.set()

    def await_began(self, count: int) -> list[Job]:
        with self._moved:
            assert self._moved.wait_for(lambda: len(self.began) >= count, WAIT), f"only {len(self.began)} of {count}"
            return list(self.began)

    def await_done(self, count: int) -> list[Job]:
        with self._moved:
            assert self._moved.wait_for(lambda: len(self.done) >= count, WAIT), f"only {len(self.done)} of {count}"
            return list(self.done)


@contextmanager
def working(
    queue: Queue,
    work: Callable[[Job], None],
    *,
    name: str = "w1",
    queues: tuple[str, ...] = ("default",),
    slots: int = 1,
) -> Iterator[RunningWorker]:
    """A worker at work; stopped at the end."""
    worker = queue.run_worker(WorkerOffer(name, queues, slots), work)
    try:
        yield worker
    finally:
        worker.stop(WAIT)
