"""One thread owns the write connection. Work arrives by queue, is committed in groups, and is answered one by one.

Nothing here knows which database it is: a Session is the few steps that a database takes differently.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from flightlog.errors import StoreBusy, StoreUnavailable, StoreUncertain
from flightlog.store.contract import Tx

T = TypeVar("T")

# Where a job stands. The caller may withdraw it as long as its commit has not begun.
_WAITING, _COMMITTING, _DONE, _WITHDRAWN = range(4)

IDLE_SECONDS = 0.01  # longer than from one part of a request to its next
CAREFUL_GROUPS = 16  # after a write failed in a group without savepoints, so many groups have them


class Session(Protocol):
    """The write connection, as the writer thread uses it."""

    # Whether a savepoint costs so much that writes which share a commit are tried without any first.
    savepoints_are_dear: bool

    def begin(self) -> Tx:
        """Start a transaction. Raises BlockedByOther while another process has the write lock."""

    def savepoint(self) -> None: ...
    def keep(self) -> None:
        """What was done since the savepoint stays part of the transaction."""

    def undo(self) -> bool:
        """What was done since the savepoint is undone. False when the database has ended the whole transaction."""

    def commit(self) -> None: ...
    def rollback(self) -> None:
        """Undo everything. Never raises: a connection that can't is given up, and the next begin opens a new one."""

    def tidy(self) -> None:
        """Nobody waits: do now what would keep somebody waiting later. Never raises."""

    def explain(self, error: BaseException) -> BaseException:
        """The database's error in Flightlog's words; other errors as they are."""


class BlockedByOther(Exception):
    """Another process is writing. Not ours to report while somebody still has time to wait."""


class _Job(Generic[T]):
    __slots__ = ("done", "error", "fn", "in_transaction", "state", "value")

    def __init__(self, fn: Callable[..., T], in_transaction: bool) -> None:
        self.fn = fn
        self.in_transaction = in_transaction
        self.state = _WAITING
        self.value: T | None = None
        self.error: BaseException | None = None
        self.done = threading.Event()


class Writer:
    """The writer thread. `write` and `call` may be used from any other thread."""

    def __init__(self, session: Session, *, group_max: int, on_commit: Callable[[], None], name: str) -> None:
        self._session = session
        self._group_max = max(1, group_max)
        self._on_commit = on_commit
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._moves = threading.Lock()  # guards every move between the states of every job
        self._closed = False
        self._held: _Job[Any] | None = None
        self._careful = 0  # groups that are yet to have savepoints although these are dear
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    # ── for callers ──────────────────────────────────────────────────────────────────────────────────────────────

    def write(self, fn: Callable[[Tx], T], timeout: float) -> T:
        """See Store.write."""
        return self._ask(_Job(fn, in_transaction=True), timeout)

    def call(self, fn: Callable[[], T], timeout: float) -> T:
        """Run `fn` on the writer thread outside any transaction; for opening and closing the connection."""
        return self._ask(_Job(fn, in_transaction=False), timeout)

    def close(self) -> None:
        """Finish what is queued, then end the thread. Later writes are refused. Safe to call twice."""
        with self._moves:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _ask(self, job: _Job[T], timeout: float) -> T:
        if threading.current_thread() is self._thread:
            raise RuntimeError("a function on the writer thread can't wait for another write; use its Tx")
        with self._moves:
            if self._closed:
                raise StoreUnavailable(reason="the store is closed")
            self._jobs.put(job)
        try:
            answered = job.done.wait(timeout)
        except BaseException:  # Ctrl-C while waiting: not stored, as far as that can still be
            self._withdraw(job)
            raise
        if not answered:
            if self._withdraw(job):
                raise StoreBusy(timeout_seconds=timeout)
            # Its commit has begun and can't be called back. As long again is the grace; then the truth is "not known".
            if not job.done.wait(max(timeout, 1.0)):
                raise StoreUncertain(timeout_seconds=timeout + max(timeout, 1.0))
        if job.error is not None:
            raise job.error
        return job.value  # type: ignore[return-value]  # done without an error means that there is a value

    def _withdraw(self, job: _Job[Any]) -> bool:
        with self._moves:
            if job.state == _WAITING:
                job.state = _WITHDRAWN
            return job.state == _WITHDRAWN

    # ── on the thread ────────────────────────────────────────────────────────────────────────────────────────────

    def _loop(self) -> None:
        while (group := self._next_group()) is not None:
            if group[0].in_transaction:
                self._run(group)
            else:
                self._run_call(group[0])

    def _next_group(self) -> list[_Job[Any]] | None:
        """The writes that are queued now, up to the group's size, or one call; None at the end."""
        first = self._held or self._next_job()
        self._held = None
        if first is None:
            return None
        group = [first]
        while first.in_transaction and len(group) < self._group_max:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)  # nothing comes after it
                break
            if not job.in_transaction:
                self._held = job  # in its turn: after what was asked for before it
                break
            group.append(job)
        return group

    def _next_job(self) -> _Job[Any] | None:
        """The next in the queue; what can wait is done before it, where nobody comes for a while."""
        try:
            return self._jobs.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            self._session.tidy()
            return self._jobs.get()

    def _run(self, jobs: list[_Job[Any]]) -> None:
        """Commit these jobs together; when the group as a whole fails, one by one, so that each gets its own answer."""
        while jobs := [job for job in jobs if job.state == _WAITING]:
            try:
                committed = self._try(jobs)
            except BlockedByOther:
                continue  # callers withdraw when their time is up
            except StoreUncertain as error:
                for job in jobs:  # to run them again might do them twice
                    _finish(job, error=error)
                return
            except BaseException as error:
                if len(jobs) > 1:
                    for job in jobs:
                        self._run([job])
                else:
                    _finish(jobs[0], error=self._session.explain(error))
                return
            if committed:
                self._on_commit()
                return

    def _try(self, jobs: list[_Job[Any]]) -> bool:
        """One transaction. False when it was undone: nothing to keep, or a job was withdrawn and others go again."""
        if len(jobs) > 1 and self._session.savepoints_are_dear:
            if not self._careful:
                return self._try_hopefully(jobs)
            self._careful -= 1
        tx = self._session.begin()
        try:
            # A job alone needs no savepoint, which copies every page that it touches: when it fails, all of it is undone.
            values = [(job, self._step(job, tx) if len(jobs) > 1 else (job.fn(tx),)) for job in jobs]
            kept = [(job, value[0]) for job, value in values if value is not None]
            return self._commit(kept)
        except BaseException:
            self._give_up(jobs)
            raise

    def _try_hopefully(self, jobs: list[_Job[Any]]) -> bool:
        """One transaction without savepoints. False when one of them failed: all is undone, and they go again with care."""
        tx = self._session.begin()
        try:
            kept = [(job, job.fn(tx)) for job in jobs if job.state == _WAITING]  # who withdrew is not run any more
        except BaseException:
            self._give_up(jobs)
            self._careful = CAREFUL_GROUPS
            return False
        try:
            return self._commit(kept)
        except BaseException:
            self._give_up(jobs)
            raise

    def _commit(self, kept: list[tuple[_Job[Any], Any]]) -> bool:
        if not kept or not self._seal([job for job, _ in kept]):
            self._session.rollback()
            return False
        self._session.commit()
        for job, value in kept:
            _finish(job, value=value)
        return True

    def _give_up(self, jobs: list[_Job[Any]]) -> None:
        """Undo all; what was about to be committed may be withdrawn again."""
        self._session.rollback()
        with self._moves:
            for job in jobs:
                if job.state == _COMMITTING:
                    job.state = _WAITING

    def _step(self, job: _Job[Any], tx: Tx) -> tuple[Any] | None:
        """Run one job in its savepoint: its value in a tuple, or None when it failed, was undone and answered."""
        if job.state != _WAITING:
            return None
        self._session.savepoint()
        try:
            value = job.fn(tx)
            self._session.keep()
        except BaseException as error:
            if not self._session.undo():
                raise
            _finish(job, error=self._session.explain(error))
            return None
        return (value,)

    def _seal(self, jobs: list[_Job[Any]]) -> bool:
        """From here nobody can withdraw. False when somebody already has."""
        with self._moves:
            if any(job.state != _WAITING for job in jobs):
                return False
            for job in jobs:
                job.state = _COMMITTING
        return True

    def _run_call(self, job: _Job[Any]) -> None:
        with self._moves:
            if job.state != _WAITING:
                return
            job.state = _COMMITTING
        try:
            _finish(job, value=job.fn())
        except BaseException as error:
            _finish(job, error=self._session.explain(error))


def _finish(job: _Job[Any], *, value: Any = None, error: BaseException | None = None) -> None:
    job.value, job.error = value, error
    if job.state != _WITHDRAWN:
        job.state = _DONE
    job.done.set()
