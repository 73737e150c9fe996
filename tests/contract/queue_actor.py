"""A process with a worker that is killed over its work: `python -m tests.contract.queue_actor TARGET ENGINE`."""

from __future__ import annotations

import os
import sys
import threading

from flightlog.clock import SystemClock
from flightlog.config import Settings
from flightlog.queue.make import make_queue
from flightlog.queue.port import Job, WorkerOffer
from flightlog.store.engine import open_store


def main(target: str, engine: str) -> None:
    store = open_store(target, writable=True)
    queue = make_queue(store, SystemClock(), Settings(queue_engine=engine))

    def work(job: Job) -> None:
        os.write(sys.stdout.fileno(), f"{job.job_id}\n".encode())  # in one piece, beside another thread's
        threading.Event().wait()

    queue.run_worker(WorkerOffer("embedded", ("default",), 2), work)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
