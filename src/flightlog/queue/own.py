"""The store's own queue: two tables, and one transaction for a claim.

Fair between users by start-time fair queueing (P. Goyal, H. Vin, H. Cheng: Start-time Fair Queuing, SIGCOMM 1996): a job's turn is
the highest turn that was claimed so far, or one after its user's last if that is more. Jobs go in the order of priority, turn, id:
whoever has little to do is next, however much another user has put in before. Each priority of a queue has turns of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Table,
    bindparam,
    delete,
    false,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from flightlog.clock import Clock
from flightlog.config import Settings
from flightlog.queue.claiming import Claimed, Claimer, Wish
from flightlog.queue.port import Job, QueueStats, WorkerOffer
from flightlog.queue.table import queue_jobs, queue_turns
from flightlog.store.contract import Dialect, Store, Tx
from flightlog.store.lookout import Lookout
from flightlog.store.prepared import Prepared

CLOCK = ""  # the user under which a queue's own turn is kept
NOBODY = " "  # a user without a name, who must not be taken for the clock
FORGOTTEN_AT_ONCE = 500  # users whose turn has passed

_job, _turn = queue_jobs.c, queue_turns.c
_INSERT: Mapping[Dialect, Callable[[Table], Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_SET_TURN = {
    dialect: Prepared(
        (put := insert(queue_turns)).on_conflict_do_update(
            index_elements=[_turn.queue, _turn.user_id], set_={"turn": put.excluded.turn}
        )
    )
    for dialect, insert in _INSERT.items()
}
_TURN = Prepared(select(_turn.turn).where(_turn.queue == bindparam("lane"), _turn.user_id == bindparam("user")))
_ENTERED = ("job_id", "queue", "task_id", "attempt_no", "user_id", "priority", "turn", "submitted_at")
_NEXT = (
    select(queue_jobs)
    .where(_job.queue == bindparam("of"), _job.worker_id.is_(None))
    .order_by(_job.priority.desc(), _job.turn, _job.job_id)
    .limit(bindparam("most"))
)
_CLAIMED = ("job_id", "worker_id", "claimed_at")
_DROP = delete(queue_jobs).where(
    _job.job_id == bindparam("id"), _job.worker_id == bindparam("by"), _job.claimed_at == bindparam("at")
)


class OwnQueue:
    """See port.Queue. One per process and store; any number of processes on PostgreSQL."""

    def __init__(self, store: Store, clock: Clock, settings: Settings) -> None:
        self.store = store
        self._clock = clock
        self._settings = settings
        self._claimers: tuple[Claimer, ...] = ()
        self._joining = threading.Lock()

    # ── in the caller's transaction ──────────────────────────────────────────────────────────────────────────────

    def submit(self, tx: Tx, job: Job, now_ns: int) -> None:
        self.submit_all(tx, [job], now_ns)

    def submit_all(self, tx: Tx, jobs: Sequence[Job], now_ns: int) -> None:
        entered = self.enter_all(tx, jobs, now_ns)
        for queue in {job.queue for job in jobs if job.job_id in entered}:
            self._hint(queue)

    def enter(self, tx: Tx, job: Job, now_ns: int) -> int | None:
        """Write the job down: its turn, or None where it is known already."""
        return self.enter_all(tx, [job], now_ns).get(job.job_id)

    def enter_all(self, tx: Tx, jobs: Sequence[Job], now_ns: int) -> dict[str, int]:
        """Write jobs down: the turns of those that were not known, by their ids. One after the other, as they come."""
        place = queue_jobs.columns.keys().index("job_id")
        known = {row[place] for row in tx.find_rows(queue_jobs, "job_id", [job.job_id for job in jobs])}
        last: dict[tuple[str, str], int] = {}  # the turns of these lines and users, as far as they were asked for
        given: dict[str, int] = {}
        set_: set[tuple[str, str]] = set()
        rows: list[tuple[Any, ...]] = []
        for job in jobs:
            if job.job_id in known or job.job_id in given:
                continue
            clock, mine = (
                (_lane(job.queue, job.priority), CLOCK),
                (_lane(job.queue, job.priority), job.user_id or NOBODY),
            )
            for whose in (clock, mine):
                if whose not in last:
                    last[whose] = self._turn_of(tx, *whose) or 0
            last[mine] = given[job.job_id] = max(last[clock], last[mine] + 1)
            set_.add(mine)
            rows.append(
                (job.job_id, job.queue, job.task_id, job.attempt_no, job.user_id, job.priority, last[mine], now_ns)
            )
        tx.insert_rows(queue_jobs, _ENTERED, rows)
        for lane, user in sorted(set_):
            self._set_turn(tx, lane, user, last[lane, user])
        return given

    @staticmethod
    def _turn_of(tx: Tx, lane: str, user: str) -> int | None:
        row = _TURN.run(tx, lane=lane, user=user).fetchone()
        return None if row is None else int(row[0])

    def cancel(self, tx: Tx, job_id: str) -> bool:
        gone = delete(queue_jobs).where(_job.job_id == job_id, _job.worker_id.is_(None))
        return bool(tx.sql.execute(gone).rowcount)

    def resume(self, tx: Tx, worker_id: str, now_ns: int) -> int:
        waiting = update(queue_jobs).where(_job.worker_id == worker_id).values(worker_id=None, claimed_at=None)
        count = tx.sql.execute(waiting).rowcount
        if count:
            self._hint(None)
        return count

    # ── working ──────────────────────────────────────────────────────────────────────────────────────────────────

    def run_worker(self, worker: WorkerOffer, work: Callable[[Job], None]) -> Claimer:
        lookout = Lookout(self.store.commits(), self._settings.queue_sweep_seconds)
        claimer = Claimer(self, worker, work, lookout)
        with self._joining:
            self._claimers = (*self._claimers, claimer)
        claimer.start()
        return claimer

    def left(self, claimer: Claimer) -> None:
        """This worker claims no more."""
        with self._joining:
            self._claimers = tuple(other for other in self._claimers if other is not claimer)

    def waits(self, queues: Sequence[str]) -> bool:
        """Whether a job waits in one of these queues; a read."""
        wanted = or_(false(), *(_job.queue == queue for queue in queues))
        with self.store.read() as connection:
            return connection.execute(select(1).where(_job.worker_id.is_(None), wanted).limit(1)).first() is not None

    def claim(self, wish: Wish) -> list[Claimed]:
        """Take jobs, and let go of those that are done, in one transaction."""
        return self.store.write(lambda tx: self._claim(tx, wish))

    def forget_turns(self) -> int:
        """Drop the turns of users that have passed, which say nothing any more; how many. Writes only where there are such."""
        with self.store.read() as connection:
            passed = connection.execute(_passed()).all()
        if passed:
            self.store.write(lambda tx: _forget(tx, tx.sql.execute(_passed()).all()))
        return len(passed)

    def stats(self, connection: Connection) -> list[QueueStats]:
        claimed = func.count(_job.worker_id)
        oldest = func.min(_job.submitted_at).filter(_job.worker_id.is_(None))
        found = select(_job.queue, func.count() - claimed, claimed, oldest).group_by(_job.queue).order_by(_job.queue)
        return [QueueStats(*row) for row in connection.execute(found)]

    # ── the claim ────────────────────────────────────────────────────────────────────────────────────────────────

    def _claim(self, tx: Tx, wish: Wish) -> list[Claimed]:
        if wish.finished:
            tx.sql.execute(_DROP, [{"id": id_, "by": wish.worker_id, "at": at} for id_, at in wish.finished])
        if wish.kept is not None:
            self._let_go(tx, wish.worker_id, wish.kept)
        return self.take(tx, wish.worker_id, self._choose(tx, wish) if wish.most > 0 else [])

    def take(self, tx: Tx, worker_id: str, rows: Sequence[Any]) -> list[Claimed]:
        """These waiting rows are the worker's, and the clock of their lines is at their turns."""
        if not rows:
            return []
        now = self._clock.now_ns()
        tx.update_rows(queue_jobs, _CLAIMED, [(row.job_id, worker_id, now) for row in rows])
        highest: dict[str, int] = {}
        for row in rows:
            lane = _lane(row.queue, row.priority)
            highest[lane] = max(highest.get(lane, 0), row.turn)
        for lane, turn in highest.items():
            known = self._turn_of(tx, lane, CLOCK)
            if known is None or known < turn:
                self._set_turn(tx, lane, CLOCK, turn)
        return [Claimed(_job_of(row), now) for row in rows]

    def _choose(self, tx: Tx, wish: Wish) -> list[Any]:
        """The next of each queue in turn, until there are as many as were wished for."""
        waiting = [list(tx.sql.execute(_NEXT, {"of": queue, "most": wish.most})) for queue in wish.queues]
        longest = max(map(len, waiting), default=0)
        return [rows[place] for place in range(longest) for rows in waiting if place < len(rows)][: wish.most]

    def _let_go(self, tx: Tx, worker_id: str, kept: frozenset[str]) -> None:
        held = tx.sql.scalars(select(_job.job_id).where(_job.worker_id == worker_id)).all()
        stray = [(id_, None, None) for id_ in held if id_ not in kept]
        if stray:
            tx.update_rows(queue_jobs, _CLAIMED, stray)
            self._hint(None)

    def _set_turn(self, tx: Tx, lane: str, user: str, turn: int) -> None:
        _SET_TURN[self.store.dialect].run(tx, queue=lane, user_id=user, turn=turn)

    def _hint(self, queue: str | None) -> None:
        for claimer in self._claimers:
            claimer.hint(queue)


def _lane(queue: str, priority: int) -> str:
    """Where turns are counted: jobs of another priority are not in the same line."""
    return queue if priority == 0 else f"{queue}\x1f{priority}"


def _passed() -> Any:
    clock = queue_turns.alias()
    behind = _turn.queue == clock.c.queue, clock.c.user_id == CLOCK, _turn.turn < clock.c.turn
    return select(_turn.queue, _turn.user_id).where(*behind, _turn.user_id != CLOCK).limit(FORGOTTEN_AT_ONCE)


def _forget(tx: Tx, passed: Sequence[Any]) -> None:
    if passed:
        gone = delete(queue_turns).where(_turn.queue == bindparam("lane"), _turn.user_id == bindparam("user"))
        tx.sql.execute(gone, [{"lane": row.queue, "user": row.user_id} for row in passed])


def _job_of(row: Any) -> Job:
    return Job(row.job_id, row.queue, row.task_id, row.attempt_no, row.user_id, row.priority)
