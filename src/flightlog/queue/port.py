"""What every queue promises. Whoever gives it jobs or does them knows this page and nothing of the engine behind it.

A queue is durable, fair, and forgets what is done. What a task is, whether it may be tried again, and whose attempt counts is
not its business: that is in the tasks' own table. The exam in `tests/contract/test_queue.py` is written against these promises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
from sqlalchemy import Connection

from flightlog.store.contract import Tx


class Job(msgspec.Struct, frozen=True):
    """One attempt of a task. `job_id` is `<task id>.<attempt no>`; of a higher `priority` it comes before all lower ones."""

    job_id: str
    queue: str
    task_id: str
    attempt_no: int
    user_id: str
    priority: int = 0


class QueueStats(msgspec.Struct, frozen=True):
    """What a queue has in it now. `oldest_at`: when the oldest waiting job was submitted, in nanoseconds; None where none waits."""

    queue: str
    waiting: int
    running: int
    oldest_at: int | None


class WorkerOffer(msgspec.Struct, frozen=True):
    """Who takes jobs: from which queues, in turn, and how many at once. No two that live at once have the same id."""

    worker_id: str
    queues: tuple[str, ...]
    concurrency: int


class RunningWorker(Protocol):
    """A worker whose threads have been started."""

    error: str | None  # why it could not claim just now, if it could not: it goes on trying

    @property
    def running(self) -> list[Job]:
        """What it is at now."""

    def stop(self, timeout_seconds: float) -> list[Job]:
        """Claim nothing more and wait so long for what runs; what still runs then, of which the queue knows as claimed.

        Safe to call twice: the second call waits again. What is left over stays claimed until `resume`.
        """


class Queue(Protocol):
    """One engine over one store."""

    def submit(self, tx: Tx, job: Job, now_ns: int) -> None:
        """Have the job wait, once the caller's transaction is committed. The same job id again is nothing, while it is known."""

    def submit_all(self, tx: Tx, jobs: Sequence[Job], now_ns: int) -> None:
        """The same for several, in their order."""

    def cancel(self, tx: Tx, job_id: str) -> bool:
        """A job that waits is gone: True. One that runs, or is not known, is left alone: its worker finds out by its fence."""

    def resume(self, tx: Tx, worker_id: str, now_ns: int) -> int:
        """What a dead worker had claimed waits again; how many that were. Its place in the order is the one it had."""

    def run_worker(self, worker: WorkerOffer, work: Callable[[Job], None]) -> RunningWorker:
        """Start threads that claim jobs and do `work` with each, and return. A job is claimed by one worker.

        When `work` returns, the job is done and gone: what an error means to its task, `work` itself has stored. While it raises,
        whatever it is, the worker keeps the job and does it again after a pause.
        """

    def stats(self, connection: Connection) -> list[QueueStats]:
        """Every queue that has jobs in it, by name."""
