"""The same queue with DBOS for an engine: it keeps the order of what waits, wakes the worker and hands it one job after another.

Which jobs there are, who has them and whose turn it is stays in our own tables, in the caller's transaction: DBOS's public API
can neither cancel nor resume in one. A workflow of DBOS is therefore an errand: it names a job, and the job's own row says whether
it is still to be done. A second errand for the same job finds the row taken, or gone, and ends. See docs/why/queue.md.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions
from sqlalchemy import Connection, Engine, QueuePool, create_engine, select

from flightlog.clock import Clock
from flightlog.config import Settings
from flightlog.errors import FlightlogError, SettingInvalid
from flightlog.ids import uuid7
from flightlog.queue import claiming
from flightlog.queue.claiming import AGAIN_SECONDS_MAX, RETRY_SECONDS_MIN, Claimed, Finished, Wish
from flightlog.queue.own import OwnQueue
from flightlog.queue.port import Job, QueueStats, WorkerOffer
from flightlog.queue.table import queue_jobs
from flightlog.store.contract import Store, Tx

log = logging.getLogger("flightlog.queue")

NAME = "flightlog"  # of the application and of its version, which never changes: a new version would strand old rows
ERRAND = "flightlog_job"
POLL_SECONDS = 0.05
BUSY_MS = 30_000
PRIORITY_MAX, TURN_BITS = 31, 25  # DBOS has one whole number below 2^31 to sort by, the smallest first
PRUNE_SECONDS, PRUNED_AT_ONCE = 5.0, 500
LIVE = ["ENQUEUED", "PENDING", "DELAYED"]
OVER = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]

_job = queue_jobs.c


class DbosQueue:
    """See port.Queue. DBOS has one runtime per process, so there is one worker in a process."""

    def __init__(self, store: Store, clock: Clock, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self.book = OwnQueue(store, clock, settings)
        self._clock = clock
        self._engine = make_engine(store, settings)
        if store.writable:  # who only reads what waits writes nothing
            DBOS.migrate(address_of(store))
        self.client = DBOSClient(system_database_engine=self._engine, application_name=NAME, lazy=True)

    @property
    def engine(self) -> Engine:
        return self._engine

    def close(self) -> None:
        """Let go of the connections that are not the store's."""
        self.client.destroy()
        self._engine.dispose()

    def submit(self, tx: Tx, job: Job, now_ns: int) -> None:
        turn = self.book.enter(tx, job, now_ns)
        if turn is not None:
            self.send(tx, job, turn, now_ns)

    def submit_all(self, tx: Tx, jobs: Sequence[Job], now_ns: int) -> None:
        for job in jobs:
            self.submit(tx, job, now_ns)

    def send(self, tx: Tx, job: Job, turn: int, now_ns: int) -> None:
        """An errand for this job, in this transaction."""
        before = tx.sql.get_execution_options().get("schema_translate_map")
        options: EnqueueOptions = {
            "workflow_name": ERRAND,
            "workflow_id": f"{job.job_id}.{uuid7(now_ns)}",
            "queue_name": _queue_name(job.queue),
            "app_version": NAME,
            "priority": sort_key(job.priority, turn),
        }
        self.client.enqueue_in_transaction(tx.sql, options, job.job_id)
        tx.sql.execution_options(schema_translate_map=before)  # DBOS leaves its own on the writer's connection

    def cancel(self, tx: Tx, job_id: str) -> bool:
        return self.book.cancel(tx, job_id)

    def resume(self, tx: Tx, worker_id: str, now_ns: int) -> int:
        rows = tx.sql.execute(select(queue_jobs).where(_job.worker_id == worker_id)).all()
        count = self.book.resume(tx, worker_id, now_ns)
        for row in [*rows, *self._errands_of(tx, worker_id)]:
            self.send(tx, _job_of(row), row.turn, now_ns)
        return count

    def _errands_of(self, tx: Tx, worker_id: str) -> list[Any]:
        """Jobs whose errand the dead worker had begun, and not come to the job itself."""
        found = self.client.list_workflows(
            status="PENDING", name=ERRAND, executor_id=worker_id, load_input=False, load_output=False
        )
        ids = {_job_id(one.workflow_id) for one in found}
        return [row for row in _waiting(tx.sql) if row.job_id in ids]

    def send_again(self) -> None:
        """Send an errand for every job that waits without one: another engine took it in, or its errand was lost."""
        live = self.client.list_workflows(status=LIVE, name=ERRAND, load_input=False, load_output=False)
        known = {_job_id(one.workflow_id) for one in live}
        with self.store.read() as connection:
            lost = [row for row in _waiting(connection) if row.job_id not in known]

        def send(tx: Tx) -> None:
            for row in lost:
                self.send(tx, _job_of(row), row.turn, self._clock.now_ns())

        if lost:
            self.store.write(send)

    def take(self, job_id: str, worker_id: str) -> Claimed | None:
        """The job is ours; None where it is not to be had any more."""

        def work(tx: Tx) -> Claimed | None:
            row = tx.sql.execute(select(queue_jobs).where(_job.job_id == job_id, _job.worker_id.is_(None))).first()
            return None if row is None else self.book.take(tx, worker_id, [row])[0]

        return self.store.write(work)

    def run_worker(self, worker: WorkerOffer, work: Callable[[Job], None]) -> DbosWorker:
        """Raises SettingInvalid where this process has a worker on DBOS already."""
        return DbosWorker(self, worker, work)

    def stats(self, connection: Connection) -> list[QueueStats]:
        return self.book.stats(connection)

    def prune(self) -> int:
        """Drop what DBOS keeps of errands that are over; how many."""
        over = self.client.list_workflows(
            status=OVER, name=ERRAND, limit=PRUNED_AT_ONCE, load_input=False, load_output=False
        )
        if over:
            self.client.delete_workflows([one.workflow_id for one in over])
        return len(over)


_working: DbosWorker | None = None
_starting = threading.Lock()


@DBOS.workflow(name=ERRAND, max_recovery_attempts=None)
def _errand(job_id: str) -> None:
    if _working is not None:
        _working.do(job_id)


class DbosWorker:
    """See port.RunningWorker."""

    def __init__(self, queue: DbosQueue, worker: WorkerOffer, work: Callable[[Job], None]) -> None:
        global _working
        self.worker = worker
        self.error: str | None = None
        self._queue = queue
        self._work = work
        self._slots = threading.Semaphore(worker.concurrency)  # DBOS counts for each queue, we for all
        self._moved = threading.Condition()
        self._running: dict[str, Job] = {}
        self._declined: list[str] = []
        self._stopping = threading.Event()
        with _starting:
            if _working is not None:
                raise SettingInvalid(
                    name="queue_engine", value="dbos", reason="DBOS has one worker per process, and this one has one"
                )
            _working = self
        try:
            self._launch()
        except BaseException:
            _working = None
            raise
        self._pruning = threading.Thread(target=self._prune, name="flightlog-dbos-prune", daemon=True)
        self._pruning.start()

    def _launch(self) -> None:
        names = [_queue_name(queue) for queue in self.worker.queues]
        for name in names:
            self._queue.client.register_queue(
                name,
                worker_concurrency=self.worker.concurrency,
                polling_interval_sec=POLL_SECONDS,
                application_name=NAME,
            )
        config: DBOSConfig = {
            "name": NAME,
            "application_version": NAME,
            "executor_id": self.worker.worker_id,
            "system_database_engine": self._queue.engine,
            "run_migrations": False,  # they were run when the queue was made
            "log_level": "ERROR",
            "enable_otlp": False,
        }
        DBOS(config=config)
        DBOS.listen_queues(names)
        DBOS.launch()
        self._queue.send_again()

    @property
    def running(self) -> list[Job]:
        with self._moved:
            return list(self._running.values())

    def stop(self, timeout_seconds: float) -> list[Job]:
        global _working
        until = time.monotonic() + timeout_seconds
        self._stopping.set()
        with self._moved:
            self._moved.wait_for(lambda: not self._running, timeout_seconds)
        with _starting:
            if _working is self:
                DBOS.destroy()
                _working = None
                self._pruning.join(max(0.1, until - time.monotonic()))
                self._hand_back()
                self._queue.engine.dispose()  # the store that closes next is the last one out
        return self.running

    def _hand_back(self) -> None:
        """What was ours to fetch and was not fetched has a new errand, for whoever comes next."""
        if self._declined:
            try:
                self._queue.send_again()
            except FlightlogError as error:
                self.error = error.message

    # ── in DBOS's threads ────────────────────────────────────────────────────────────────────────────────────────

    def do(self, job_id: str) -> None:
        """Fetch the job and do it. To return ends the errand, and only that."""
        with self._slots:
            claimed = self._until_done(lambda: self._take(job_id))
            if claimed is None:
                return
            try:
                if self._do_work(claimed.job):
                    done = Wish(self.worker.worker_id, (), 0, [Finished(job_id, claimed.claimed_at)])
                    self._until_done(lambda: self._queue.book.claim(done))
            finally:
                with self._moved:
                    self._running.pop(job_id, None)
                    self._moved.notify_all()

    def _take(self, job_id: str) -> Claimed | None:
        if self._stopping.is_set():
            self._declined.append(job_id)
            return None
        claimed = self._queue.take(job_id, self.worker.worker_id)
        if claimed is not None:
            with self._moved:
                self._running[job_id] = claimed.job
        return claimed

    def _until_done(self, act: Callable[[], Any]) -> Any:
        """Again and again while the store is in trouble: an errand that ends by an error would be the last of its job."""
        retry = RETRY_SECONDS_MIN
        while True:
            try:
                done = act()
                self.error = None
                return done
            except FlightlogError as error:
                self.error = error.message
                if self._stopping.wait(retry):
                    return None
                retry = min(retry * 2, claiming.RETRY_SECONDS_MAX)

    def _do_work(self, job: Job) -> bool:
        pause = claiming.AGAIN_SECONDS_MIN
        while True:
            try:
                self._work(job)
            except BaseException as error:
                log.warning("job %s raised %s and is done again", job.job_id, type(error).__name__)
            else:
                return True
            if self._stopping.wait(pause):
                return False
            pause = min(pause * 2, AGAIN_SECONDS_MAX)

    def _prune(self) -> None:
        while not self._stopping.wait(PRUNE_SECONDS):
            try:
                while self._queue.prune() == PRUNED_AT_ONCE:
                    pass
            except Exception as error:
                log.warning("errands that are over are not pruned: %s", type(error).__name__)


def sort_key(priority: int, turn: int) -> int:
    """Our order as DBOS sorts: the higher priority first, then the turn. Beyond the bounds of either, by time of coming.

    >>> sort_key(5, 7) < sort_key(0, 1) < sort_key(0, 2) < sort_key(-5, 1)
    True
    """
    band = PRIORITY_MAX - max(-PRIORITY_MAX, min(priority, PRIORITY_MAX))
    return (band << TURN_BITS) + min(turn, (1 << TURN_BITS) - 1) + 1


def address_of(store: Any) -> str:
    """Where DBOS finds the store's database, password and all: never to be shown."""
    if store.dialect == "sqlite":
        return f"sqlite:///{store.path}"
    return str(store.address.set(drivername="postgresql").render_as_string(hide_password=False))


def make_engine(store: Any, settings: Settings) -> Engine:
    """Connections for DBOS itself: on SQLite with our own library and pragmas, so that it stays in WAL mode."""
    if store.dialect == "postgresql":
        return create_engine(store.address, pool_pre_ping=True, pool_size=10, max_overflow=20)

    def connect() -> sqlite3.Connection:
        driver = sqlite3.connect(
            f"{store.path.as_uri()}?mode=rw", uri=True, isolation_level="IMMEDIATE", check_same_thread=False
        )
        for pragma in (
            f"busy_timeout = {BUSY_MS}", "journal_mode = WAL", f"synchronous = {settings.sqlite_synchronous}",
            "foreign_keys = ON", "secure_delete = ON", "temp_store = MEMORY",
        ):  # fmt: skip
            driver.execute(f"PRAGMA {pragma}")
        return driver

    return create_engine("sqlite://", creator=connect, poolclass=QueuePool, pool_size=10, max_overflow=20)


def _queue_name(queue: str) -> str:
    return f"{NAME}.{queue}"


def _job_id(workflow_id: str) -> str:
    return workflow_id.rpartition(".")[0]


def _job_of(row: Any) -> Job:
    return Job(row.job_id, row.queue, row.task_id, row.attempt_no, row.user_id, row.priority)


def _waiting(connection: Connection) -> list[Any]:
    return list(connection.execute(select(queue_jobs).where(_job.worker_id.is_(None))))
