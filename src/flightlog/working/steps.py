"""What the code of a step is handed: its task, what was done before, and how to say how it is getting on."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flightlog.clock import Clock
from flightlog.errors import TaskNotFound, Unavailable, VersionConflict
from flightlog.recorder.client import Recorder
from flightlog.recorder.context import Scope, enter, leave
from flightlog.recorder.run import Run
from flightlog.tasks.commands import Tasks
from flightlog.tasks.raised import Overtaken
from flightlog.tasks.task import Task

# Each is a transaction: code that says so a thousand times a second is heard five times.
PROGRESS_SECONDS_MIN = 0.2
PROGRESS_STEP_MIN = 0.05  # so much more is heard at once
FLUSH_SECONDS_MAX = 0.5  # what is not in the store by then is in the spool, and comes later


class StepRecorder(Run):
    """The task's run, as its steps record into it: its beginning and its end are the task's own, and are recorded by it."""

    def __init__(self, recorder: Recorder, task: Task) -> None:
        super().__init__(
            recorder,
            task.state,
            run_id=task.run_id,
            project=recorder.cleaned("project", task.project) or "default",
            actor=recorder.cleaned("actor", task.user_id),
            source=task.pipeline,
            task_id=task.task_id,
            trace_id=task.trace_id,
            span_id=task.step_span_id,
            parent_span_id=task.root_span_id,
            attributes=None,
            input=None,
        )
        self._recorder = recorder
        self._started_ns = recorder.clock.monotonic_ns()
        self.recorded = False

    def start(self) -> Run:
        """It was started when the task was submitted."""
        self.recorded = True
        return self

    def emit(self, type: str, payload: object = None, **fields: Any) -> str:  # noqa: A002 - the envelope's own word
        """Record an event of the task's run, inside the step's span; `Recorder.emit` says which fields there are."""
        self.recorded = True
        return super().emit(type, payload, **fields)

    def finish(self, status: str = "succeeded", output: object = None, error: BaseException | None = None) -> None:
        """It is finished when the task is over."""

    def flush(self, timeout: float | None = None) -> bool:
        """True when everything recorded so far is in the store; False when `timeout` seconds were not enough."""
        return self._recorder.flush(timeout)

    @contextmanager
    def current(self) -> Iterator[None]:
        """Whatever records in here, also by `flightlog.current_run()`, records into this run; it is known to be alive meanwhile."""
        self._recorder.run_opened(self)
        entered = enter(Scope(self, self.span_id))
        try:
            yield
        finally:
            leave(entered)
            self._recorder.run_closed(self)


class TaskRun:
    """One attempt of one step of a task, as its code sees it. It may be handed to other threads of the step.

    `results` are those of the steps that are done, by state, as JSON gives them back. `deadline_at` is in nanoseconds since 1970.
    """

    def __init__(self, task: Task, tasks: Tasks, clock: Clock, recorder: Callable[[], Recorder]) -> None:
        self.id = task.task_id
        self.pipeline = task.pipeline
        self.state = task.state
        self.user_id = task.user_id
        self.project = task.project
        self.attempt_no = task.attempt_no
        self.input: Any = task.input
        self.results: dict[str, Any] = task.results
        self.deadline_at = task.deadline_at
        self._task = task
        self._tasks = tasks
        self._clock = clock
        self._make = recorder
        self._recorder: StepRecorder | None = None
        self._lock = threading.Lock()
        self._told_ns: int | None = None
        self._told = task.progress / 1_000

    @property
    def recorder(self) -> StepRecorder:
        """Records into the task's run, as `flightlog.open` gives one: emit, span, tool, llm, patch and so on. What was recorded is
        on the disk when the call returns, and in the store when the step ends.
        """
        with self._lock:
            if self._recorder is None:
                self._recorder = StepRecorder(self._make(), self._task)
            return self._recorder

    def progress(self, share: float) -> None:
        """Say how far the whole task is, from 0 to 1. It never goes back. Raises Overtaken, as `check` does."""
        if isinstance(share, bool) or not isinstance(share, int | float) or not math.isfinite(share):
            raise ValueError(f"progress is a share from 0 to 1, not {share!r}")
        share = min(max(float(share), 0.0), 1.0)
        now = self._clock.monotonic_ns()
        with self._lock:
            is_early = self._told_ns is not None and now - self._told_ns < PROGRESS_SECONDS_MIN * 1e9
            if share <= self._told or (is_early and share - self._told < PROGRESS_STEP_MIN):
                return
            self._told_ns, self._told = now, share
        try:
            self._tasks.progress(self._task, share)
        except (VersionConflict, TaskNotFound):
            raise self._overtaken() from None
        except Unavailable:
            pass  # the next one says it; nobody's work depends on it

    def check(self) -> None:
        """Raise Overtaken when going on is in vain: the task was canceled, its deadline has passed, or it was taken for dead and
        given to another worker. Cheap enough for every turn of a loop that takes a millisecond.
        """
        if self.deadline_at is not None and self.deadline_at <= self._clock.now_ns():
            raise Overtaken("the deadline has passed")
        try:
            task = self._tasks.get(self.id)
        except TaskNotFound:
            raise self._overtaken() from None
        except Unavailable:
            return  # nobody can say so now
        if task.attempt_no != self.attempt_no or task.version != self._task.version:
            raise self._overtaken()

    def _overtaken(self) -> Overtaken:
        return Overtaken(f"attempt {self.attempt_no} of task {self.id} is not its present one any more")

    @contextmanager
    def recording(self) -> Iterator[None]:
        """The scope in which the step's code runs; at its end, what it recorded is seen into the store."""
        recorder = self.recorder
        try:
            with recorder.current():
                yield
        finally:
            if recorder.recorded:
                recorder.flush(FLUSH_SECONDS_MAX)
