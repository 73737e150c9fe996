"""What does a claim cost? The store's own queue beside DBOS, on the same store, by the same walk.

A task's way without the task: a message is put into the outbox in a transaction of its own, the dispatcher hands it to the queue, a
worker claims the job, does nothing, and the job is gone. First many at once from four threads, then one at a time into an idle
system: how long after its commit the work begins. DBOS polls 20 times a second, as the adapter has it.

    python bench/queues.py [--jobs 2000] [--singles 100] [--concurrency 8] [--stores sqlite,postgresql]
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from flightlog.clock import SystemClock
from flightlog.config import Settings
from flightlog.outbox.dispatch import Dispatcher
from flightlog.outbox.put import put
from flightlog.queue.handover import TOPICS, handover
from flightlog.queue.make import make_queue
from flightlog.queue.port import Job, WorkerOffer
from flightlog.store.contract import Store
from flightlog.store.engine import open_store
from lib.postgres import database
from lib.table import print_table, quantile

PUTTERS = 4
WAIT_SECONDS = 600.0
PAUSE_SECONDS = 0.02  # so that each single one meets a system at rest


class Course:
    """One engine at work on one store."""

    def __init__(self, store: Store, engine: str, concurrency: int) -> None:
        self._store = store
        self._clock = SystemClock()
        settings = Settings(queue_engine=engine)
        queue = make_queue(store, self._clock, settings)
        self._began: dict[str, float] = {}
        self._done = threading.Semaphore(0)
        self._worker = queue.run_worker(WorkerOffer("bench", ("default",), concurrency), self._work)
        self._dispatcher = Dispatcher(store, dict.fromkeys(TOPICS, handover(queue)), self._clock, settings)
        self._dispatcher.start()
        self._number = 0

    def close(self) -> None:
        self._dispatcher.stop(10)
        self._worker.stop(10)

    def _work(self, job: Job) -> None:
        self._began[job.task_id] = time.perf_counter()
        self._done.release()

    def _put(self, task_id: str) -> float:
        """When it was committed."""
        self._store.write(
            lambda tx: put(
                tx, event_id=task_id, topic=TOPICS[0], task_id=task_id, now_ns=self._clock.now_ns(), queue="default",
                attempt_no=1, user_id=f"u{len(task_id)}", priority=0,
            )
        )  # fmt: skip
        return time.perf_counter()

    def _names(self, count: int) -> list[str]:
        self._number += count
        return [f"t{number:08d}" for number in range(self._number - count, self._number)]

    def _await(self, count: int) -> None:
        for _ in range(count):
            if not self._done.acquire(timeout=WAIT_SECONDS):
                raise SystemExit("a job was lost")

    def rate(self, jobs: int) -> tuple[float, float]:
        """Jobs a second, and milliseconds of CPU for each."""
        names = self._names(jobs)
        began, cpu = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(PUTTERS) as pool:
            list(pool.map(self._put, names))
        self._await(jobs)
        return jobs / (time.perf_counter() - began), 1_000 * (time.process_time() - cpu) / jobs

    def latencies(self, singles: int) -> list[float]:
        """Milliseconds from the commit of a message to the beginning of its work."""
        found = []
        for name in self._names(singles):
            committed = self._put(name)
            self._await(1)
            found.append(1_000 * (self._began[name] - committed))
            time.sleep(PAUSE_SECONDS)
        return sorted(found)


@contextmanager
def opened(kind: str) -> Iterator[Store]:
    with ExitStack() as stack:
        if kind == "sqlite":
            target: str | Path = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        else:
            target = stack.enter_context(database())
        store = open_store(target, writable=True)
        stack.callback(store.close)
        yield store


def measure(kind: str, engine: str, given: argparse.Namespace) -> tuple[float, float, float, float]:
    with opened(kind) as store:
        course = Course(store, engine, given.concurrency)
        try:
            course.rate(min(given.jobs, 50))  # connections, compiled statements
            slow = course.latencies(given.singles)
            rate, cpu = course.rate(given.jobs)
        finally:
            course.close()
    return rate, cpu, quantile(slow, 0.5), quantile(slow, 0.95)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2_000)
    parser.add_argument("--singles", type=int, default=100)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--stores", default="sqlite,postgresql")
    given = parser.parse_args()
    rows = []
    for kind in given.stores.split(","):
        own, dbos = (measure(kind, engine, given) for engine in ("own", "dbos"))
        show: Callable[[float], str] = "{:,.1f}".format
        names = ("jobs/s", "CPU a job, ms", "pick-up p50, ms", "pick-up p95, ms")
        rows += [
            [kind, name, show(ours), show(theirs), f"{ours / theirs:.2f}"]
            for name, ours, theirs in zip(names, own, dbos, strict=True)
        ]
    title = f"The store's own queue beside DBOS: {given.jobs:,} jobs that do nothing, {given.concurrency} at once"
    print_table(title, ["store", "what", "own", "dbos", "own ÷ dbos"], rows)


if __name__ == "__main__":
    main()
