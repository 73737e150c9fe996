"""Looking after tasks: those of dead workers are given to others, those past their deadline end, and what is over is dropped."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from sqlalchemy import delete, insert, select

from flightlog.clock import Clock
from flightlog.config import Settings
from flightlog.errors import FlightlogError, TaskNotFound, VersionConflict
from flightlog.queue.port import Queue
from flightlog.store.contract import Store, Tx
from flightlog.tasks.commands import Tasks
from flightlog.tasks.due import due_tasks
from flightlog.tasks.remove import BEGINNING, Holds, Place, remove
from flightlog.working import roster
from flightlog.working.table import leases

log = logging.getLogger("flightlog.working")

SECOND_NS = 1_000_000_000
LEASE = "reaper"
LEASE_SECONDS = 10.0
TIDY_SECONDS = 60.0  # results and keys whose time is over wait so long
REMOVE_SECONDS = (
    3600.0  # how often it is begun to look for tasks that were kept long enough, those that are held among them
)
FORGET_SECONDS = 24 * 3600.0  # how long workers that ended are shown
RETRY_SECONDS_MAX = 5.0


class Reaper:
    """Any number of these may run: one at a time holds the lease. That only saves work: each move is fenced by itself.

    A worker is dead when `seen_at` has not changed for `worker_silent_seconds` by the clock of whoever looks: the clocks of
    two machines are not compared. With `alone`, nobody else works on this store, and so whoever did is dead.
    `holds` says which tasks are kept however old they are, `more` is what else has to be looked after, by one process at a time.
    """

    def __init__(
        self,
        store: Store,
        tasks: Tasks,
        queue: Queue,
        clock: Clock,
        settings: Settings,
        holder: str,
        *,
        alone: bool,
        holds: Holds,
        more: Sequence[Callable[[], object]] = (),
    ) -> None:
        self._store = store
        self._tasks = tasks
        self._queue = queue
        self._clock = clock
        self._settings = settings
        self._holder = holder
        self._alone = alone
        self._holds = holds
        self._more = more
        self._silent: dict[str, tuple[int, int]] = {}  # by worker: `seen_at`, and when we saw it first
        self._looked_ns: int | None = None
        self._tidied_ns: int | None = None
        self._removed_ns: int | None = None
        self._removed_to: Place | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.error: str | None = None

    # ── the thread ───────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Begin. Doing it twice changes nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="flightlog-reaper", daemon=True)
            self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """End after what is under way, and let another have the lease. Safe to call twice."""
        first = not self._stop.is_set()
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_seconds)
            if first and not self._alone:
                self._let_go()

    def _loop(self) -> None:
        wait = self._settings.worker_sweep_seconds
        while not self._stop.wait(wait):
            try:
                self.tick()
                self.error, wait = None, self._settings.worker_sweep_seconds
            except Exception as error:
                said = error.message if isinstance(error, FlightlogError) else f"{type(error).__name__}: {error}"
                if said != self.error:
                    log.warning("tasks are not looked after: %s", said)
                self.error, wait = said, min(max(wait, 0.1) * 2, RETRY_SECONDS_MAX)

    # ── one round ────────────────────────────────────────────────────────────────────────────────────────────────

    def recover(self) -> None:
        """At the start of a process that has the store to itself: all who had something are dead."""
        with self._store.read() as connection:
            dead = roster.holders(connection)
            alive = {row.worker_id for row in roster.list_workers(connection) if row.state in roster.ALIVE}
        for worker_id in sorted(dead | alive):
            self._bury(worker_id)

    def tick(self) -> None:
        """Look once. Raises what the store raises."""
        dead = [] if self._alone else self._dead()
        if not self._alone and not self._lead():
            return
        for worker_id in dead:
            log.warning("worker %s is dead: what it had is given to others", worker_id)
            self._bury(worker_id)
        self._expire()
        self._remove()
        for look_after in self._more:
            look_after()

    def _dead(self) -> list[str]:
        """Who has been silent for too long, and who has something and is not among those who live."""
        now = self._clock.monotonic_ns()
        with self._store.read() as connection:
            rows = roster.list_workers(connection)
            having = roster.holders(connection)
        limit = int(self._settings.worker_silent_seconds * SECOND_NS)
        # Who did not look for long, because the store did not answer or the machine slept, has not heard the others either.
        if self._looked_ns is None or now - self._looked_ns > limit // 2:
            self._silent.clear()
        self._looked_ns = now
        living = {row.worker_id: row.seen_at for row in rows if row.state in roster.ALIVE}
        self._silent = {
            worker_id: known if (known := self._silent.get(worker_id)) and known[0] == seen_at else (seen_at, now)
            for worker_id, seen_at in living.items()
        }
        silent = {worker_id for worker_id, (_, since) in self._silent.items() if now - since >= limit}
        return sorted(silent | (having - living.keys()))

    def _bury(self, worker_id: str) -> None:
        """Its tasks are lost, its jobs wait again. Done twice, or by two, it is done once."""
        with self._store.read() as connection:
            had = roster.tasks_of(connection, worker_id)
        for task_id, attempt_no in had:
            try:
                self._tasks.lost(task_id, attempt_no)
            except (VersionConflict, TaskNotFound):
                continue  # somebody was quicker
        now = self._clock.now_ns()

        def resume(tx: Tx) -> None:
            self._queue.resume(tx, worker_id, now)
            roster.mark(tx, [worker_id], roster.DEAD)

        self._store.write(resume)

    def _expire(self) -> None:
        now, moment = self._clock.now_ns(), self._clock.monotonic_ns()
        if self._tidied_ns is None or moment - self._tidied_ns >= TIDY_SECONDS * SECOND_NS:
            self._tidied_ns = moment
            self._store.write(lambda tx: roster.forget(tx, now - int(FORGET_SECONDS * SECOND_NS)))
            self._tasks.expire(now)
            return
        with self._store.read() as connection:
            is_due = bool(due_tasks(connection, now, 1))
        if is_due:
            self._tasks.expire(now)

    def _remove(self) -> None:
        """A piece of the tasks that were kept long enough: all at once, an old store would keep us from everything else."""
        moment = self._clock.monotonic_ns()
        if self._removed_to is None:
            if self._removed_ns is not None and moment - self._removed_ns < REMOVE_SECONDS * SECOND_NS:
                return
            self._removed_ns, self._removed_to = moment, BEGINNING
        before = self._clock.now_ns() - int(self._settings.task_kept_seconds * SECOND_NS)
        _, self._removed_to = remove(self._store, before, self._holds, self._removed_to)

    # ── the lease ────────────────────────────────────────────────────────────────────────────────────────────────

    def _lead(self) -> bool:
        """Whether this is the one process that looks after all: it holds the lease, or takes one that ran out."""
        now = self._clock.now_ns()
        with self._store.read() as connection:
            held = connection.execute(select(leases).where(leases.c.name == LEASE)).first()
        if held is not None and held.until > now:
            if held.holder != self._holder:
                return False
            if held.until - now > LEASE_SECONDS * SECOND_NS / 2:
                return True
        return self._store.write(lambda tx: self._take(tx, now))

    def _take(self, tx: Tx, now: int) -> bool:
        held = tx.sql.execute(select(leases).where(leases.c.name == LEASE)).first()
        if held is not None and held.until > now and held.holder != self._holder:
            return False
        tx.sql.execute(delete(leases).where(leases.c.name == LEASE))
        tx.sql.execute(
            insert(leases).values(name=LEASE, holder=self._holder, until=now + int(LEASE_SECONDS * SECOND_NS))
        )
        return True

    def _let_go(self) -> None:
        mine = delete(leases).where(leases.c.name == LEASE, leases.c.holder == self._holder)
        try:
            self._store.write(lambda tx: tx.sql.execute(mine).rowcount, 1.0)
        except FlightlogError:
            pass  # it runs out by itself
