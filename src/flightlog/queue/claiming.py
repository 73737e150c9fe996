"""A worker's threads: one that claims jobs, and those that do them."""

from __future__ import annotations

import logging
import queue as queues
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from flightlog.errors import FlightlogError
from flightlog.queue.port import Job, WorkerOffer
from flightlog.store.lookout import Lookout

log = logging.getLogger("flightlog.queue")

RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 0.1, 5.0  # between claims while the store is in trouble
AGAIN_SECONDS_MIN, AGAIN_SECONDS_MAX = 1.0, 30.0  # before a job is done again whose work raised
FLUSH_SECONDS = 0.1  # how long the row of a job that is done waits for the next claim to take it along
FORGET_SECONDS = 60.0


class Finished(NamedTuple):
    """A claim that is done with. Its time tells it from a later claim of the same job."""

    job_id: str
    claimed_at: int


class Claimed(NamedTuple):
    """A job that is ours since then."""

    job: Job
    claimed_at: int


class Wish(NamedTuple):
    """What a worker asks for in one transaction: up to `most` jobs of these queues, the first of which is first in turn.

    `finished` are those of its claims that are done. `kept` are all that it knows of: given where it can't be sure what an earlier
    transaction did, and then other jobs that are claimed for it wait again.
    """

    worker_id: str
    queues: tuple[str, ...]
    most: int
    finished: Sequence[Finished] = ()
    kept: frozenset[str] | None = None


class Source(Protocol):
    """Where a claimer takes jobs from."""

    def waits(self, queues: Sequence[str]) -> bool:
        """Whether a job waits in one of these queues; a read."""

    def claim(self, wish: Wish) -> list[Claimed]:
        """Take jobs, and let go of those that are done, in one transaction."""

    def forget_turns(self) -> int:
        """Drop what says nothing any more of whose turn it is."""

    def left(self, claimer: Claimer) -> None:
        """It claims no more."""


class Claimer:
    """See port.RunningWorker. While all slots are taken it waits for one; while some are free, for a commit that brings a job."""

    def __init__(self, source: Source, worker: WorkerOffer, work: Callable[[Job], None], lookout: Lookout) -> None:
        self.worker = worker
        self.error: str | None = None
        self._source = source
        self._work = work
        self._lookout = lookout
        self._moved = threading.Condition()  # guards the two below, and is told of each change
        self._running: dict[str, Claimed] = {}
        self._finished: list[Finished] = []
        self._finished_at = 0.0  # when the last of these was done
        self._inbox: queues.SimpleQueue[Claimed | None] = queues.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._unsure = False  # whether a claim may have been stored whose answer we never got
        self._turn = 0
        self._forgot_at = time.monotonic()
        self._claiming = threading.Thread(target=self._loop, name=f"flightlog-claim-{worker.worker_id}", daemon=True)

    # ── for callers ──────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        self._claiming.start()

    def hint(self, queue: str | None) -> None:
        """The transaction that this is called in brings a job of this queue, or of any."""
        if queue is None or queue in self.worker.queues:
            self._lookout.hint()

    @property
    def running(self) -> list[Job]:
        with self._moved:
            return [claimed.job for claimed in self._running.values()]

    def stop(self, timeout_seconds: float) -> list[Job]:
        until = time.monotonic() + timeout_seconds
        first = not self._stopping.is_set()
        self._stopping.set()
        self._lookout.poke()
        with self._moved:
            self._moved.notify_all()
        self._claiming.join(timeout_seconds)
        if first:
            self._source.left(self)
            for _ in self._threads:
                self._inbox.put(None)
        with self._moved:
            self._moved.wait_for(lambda: not self._running, max(0.0, until - time.monotonic()))
        if not self._claiming.is_alive():
            self._leave()
        return self.running

    # ── the claiming thread ──────────────────────────────────────────────────────────────────────────────────────

    def _loop(self) -> None:
        more, look, retry = False, True, RETRY_SECONDS_MIN
        while (free := self._wait_for_slot()) > 0:
            try:
                if look or more:
                    # A claim is written after what hinted at it, so it need not look first.
                    more = self._lookout.begin() or more or self._source.waits(self.worker.queues)
                if more or self._is_late():
                    more, look, retry = self._claim(free), True, RETRY_SECONDS_MIN
                    continue
                self._forget()
            except Exception as error:
                self._trouble(error)
                self._stopping.wait(retry)
                retry = min(retry * 2, RETRY_SECONDS_MAX)
                continue
            look = self._lookout.rest(FLUSH_SECONDS if self._running or self._finished else None)

    def _wait_for_slot(self) -> int:
        """How many are free, at least one; 0 at the end."""
        with self._moved:
            self._moved.wait_for(self._has_slot)
            return 0 if self._stopping.is_set() else self.worker.concurrency - len(self._running)

    def _has_slot(self) -> bool:
        return self._stopping.is_set() or len(self._running) < self.worker.concurrency

    def _is_late(self) -> bool:
        """Whether a job was done a while ago and no claim came by to say so."""
        return bool(self._finished) and time.monotonic() - self._finished_at >= FLUSH_SECONDS

    def _claim(self, most: int) -> bool:
        """Claim and begin; whether there may be more: all that were asked for were there."""
        with self._moved:
            finished = list(self._finished)
            known = frozenset(self._running)
        place = self._turn % max(1, len(self.worker.queues))
        queues_in_turn = self.worker.queues[place:] + self.worker.queues[:place]
        wish = Wish(self.worker.worker_id, queues_in_turn, most, finished, known if self._unsure else None)
        claimed = self._source.claim(wish)
        self._unsure, self.error = False, None
        with self._moved:
            del self._finished[: len(finished)]
        if claimed:
            self._turn = self.worker.queues.index(claimed[-1].job.queue) + 1
            self._begin(claimed)
            self._lookout.found()
        return bool(claimed) and len(claimed) == most

    def _begin(self, claimed: list[Claimed]) -> None:
        if self._stopping.is_set():
            self._unsure = True  # nobody has begun them: they wait again
            return
        with self._moved:
            self._running.update({one.job.job_id: one for one in claimed})
            lacking = min(len(self._running), self.worker.concurrency) - len(self._threads)
        for _ in range(lacking):
            thread = threading.Thread(target=self._do_jobs, name=f"flightlog-work-{self.worker.worker_id}", daemon=True)
            self._threads.append(thread)
            thread.start()
        for one in claimed:
            self._inbox.put(one)

    def _leave(self) -> None:
        """At the end: what is done is dropped, what was claimed and not begun waits again."""
        if not self._finished and not self._unsure:
            return
        try:
            self._claim(0)
        except Exception as error:
            self._trouble(error)

    def _forget(self) -> None:
        if time.monotonic() - self._forgot_at >= FORGET_SECONDS:
            self._forgot_at = time.monotonic()
            self._source.forget_turns()

    def _trouble(self, error: Exception) -> None:
        said = error.message if isinstance(error, FlightlogError) else type(error).__name__
        if said != self.error:
            log.warning("worker %s can't claim: %s", self.worker.worker_id, said)
        self._unsure, self.error = True, said

    # ── the threads that do the jobs ─────────────────────────────────────────────────────────────────────────────

    def _do_jobs(self) -> None:
        while (claimed := self._inbox.get()) is not None:
            if not self._do(claimed):
                return
            with self._moved:
                del self._running[claimed.job.job_id]
                self._finished.append(Finished(claimed.job.job_id, claimed.claimed_at))
                self._finished_at = time.monotonic()
                self._moved.notify_all()

    def _do(self, claimed: Claimed) -> bool:
        """Do it, again where the work raised; False where the end came before it was done."""
        pause = AGAIN_SECONDS_MIN
        while True:
            try:
                self._work(claimed.job)
            except BaseException as error:
                log.warning("job %s raised %s and is done again", claimed.job.job_id, type(error).__name__)
            else:
                return True
            if self._stopping.wait(pause):
                return False
            pause = min(pause * 2, AGAIN_SECONDS_MAX)
