"""A platform on a store, with pipelines that tests write down where they need them, and ways to wait for what it does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flightlog.clock import Clock, SystemClock
from flightlog.config import Settings
from flightlog.ids import SystemIds
from flightlog.ingest.batch import Intake
from flightlog.journal.append import Journal
from flightlog.recorder.drain import Drain
from flightlog.recorder.redact import Redactor
from flightlog.runs.project import RunProjector
from flightlog.store.contract import Store
from flightlog.tasks.commands import Asked
from flightlog.tasks.pipeline import Pipeline, Retries, Step
from flightlog.tasks.task import Task
from flightlog.working.platform import Platform, WorkerPlan
from flightlog.working.recording import WorkerRecorder

QUICK = Retries(attempts_max=3, seconds_base=0.01)
WAIT_SECONDS = 20.0


def steps(
    name: str = "walk", retries: Retries = QUICK, queue: str = "default", **run: Callable[[Any], Any]
) -> Pipeline:
    """A pipeline with these steps, in their order, each under the name of its state."""
    made = tuple(Step(state, function, retries) for state, function in run.items())
    return Pipeline(name, ("QUEUED", *run), made, retries, queue)


def make_platform(
    store: Store,
    folder: Path,
    *pipelines: Pipeline,
    alone: bool = True,
    worker_id: str | None = "embedded",
    clock: Clock | None = None,
    drain: Drain | None = None,
    concurrency: int = 4,
    **given: Any,
) -> Platform:
    settings = Settings(**{"worker_sweep_seconds": 0.05, "worker_drain_seconds": 5.0} | given)
    clock = clock or SystemClock()
    journal = Journal(store, [RunProjector()], clock=clock)
    plan = None
    if worker_id is not None:
        recorder = WorkerRecorder(folder, settings, SystemClock(), SystemIds(), drain=drain)
        plan = WorkerPlan(worker_id, worker_id, recorder, concurrency=concurrency)
    return Platform(
        store, journal, Intake(Redactor.from_settings(settings), settings), settings,
        pipelines={made.name: made for made in pipelines}, alone=alone, worker=plan, clock=clock, chance=lambda: 0.5,
    )  # fmt: skip


@contextmanager
def running(platform: Platform) -> Iterator[Platform]:
    platform.start()
    try:
        yield platform
    finally:
        platform.hurry()
        platform.stop(0)


def submit(platform: Platform, pipeline: str = "walk", **given: Any) -> Task:
    return platform.tasks.submit(Asked(**{"pipeline": pipeline, "input": {}, "user_id": "ann"} | given))[0]


def wait_until(store: Store, holds: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
    """What `holds` gives, once that is something: asked again after each commit."""
    signal = store.commits()
    ended = threading.Event()
    timer = threading.Timer(seconds, ended.set)
    timer.start()
    try:
        while True:
            seen = signal.seen
            found = holds()
            if found:
                return found
            assert not ended.is_set(), "it did not come to pass"
            signal.wait(seen, 0.2)
    finally:
        timer.cancel()


def wait_over(platform: Platform, task: Task) -> Task:
    def over() -> Task | None:
        found = platform.tasks.get(task.task_id)
        return found if found.is_over else None

    found: Task = wait_until(platform.store, over)
    return found


def wait_in(platform: Platform, task: Task, state: str) -> Task:
    def there() -> Task | None:
        found = platform.tasks.get(task.task_id)
        return found if found.state == state else None

    found: Task = wait_until(platform.store, there)
    return found


class Gate:
    """A step that says when it is there, and waits to be let through."""

    def __init__(self, result: Any = None) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()
        self.result = result
        self.times = 0

    def __call__(self, task: Any) -> Any:
        self.times += 1
        self.reached.set()
        assert self.open.wait(WAIT_SECONDS)
        return self.result

    def wait(self) -> None:
        assert self.reached.wait(WAIT_SECONDS)
