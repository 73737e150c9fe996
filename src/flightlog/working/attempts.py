"""Doing one attempt of a task: its steps in turn, and whatever becomes of them, stored."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import msgspec

from flightlog.clock import Clock
from flightlog.config import Settings
from flightlog.errors import (
    PipelineNotFound,
    StoreGone,
    StoreUncertain,
    TaskNotFound,
    Unavailable,
    VersionConflict,
)
from flightlog.events.payload import describe_error
from flightlog.queue.port import Job
from flightlog.recorder.client import Recorder
from flightlog.tasks.commands import Tasks
from flightlog.tasks.faults import DEADLINE
from flightlog.tasks.pipeline import Step
from flightlog.tasks.raised import Overtaken, Unrecoverable, retry_after_of
from flightlog.tasks.task import Task
from flightlog.working.steps import TaskRun

log = logging.getLogger("flightlog.working")

STORE_RETRY_SECONDS, STORE_RETRY_SECONDS_MAX = 0.05, 2.0
BROKEN_RETRY_SECONDS_MAX = 30.0
# A job of a pipeline that this worker does not know waits for one that does: others may have been started anew already.
ASIDE_SECONDS, ASIDE_SECONDS_MAX = 5.0, 600.0


class Leaving(Exception):
    """The worker leaves before something could be stored: whose it is then, others find out."""


class Attempts:
    """Does the jobs of one worker, from any number of threads.

    What an attempt came to is stored however long the store is in trouble, until `leave` is called; or it is found that the task
    was canceled, or given to another, and then nothing is stored, quietly.
    """

    def __init__(
        self, tasks: Tasks, recorder: Callable[[], Recorder], clock: Clock, settings: Settings, worker_id: str
    ) -> None:
        self._tasks = tasks
        self._recorder = recorder
        self._clock = clock
        self._settings = settings
        self._worker_id = worker_id
        self._leaving = threading.Event()

    def leave(self) -> None:
        """Nobody waits for the store any more."""
        self._leaving.set()

    def work(self, job: Job) -> None:
        """Do an attempt to its end. Raises nothing that its task or the store can be blamed for."""
        try:
            task = self._begin(job)
            while task is not None and not task.is_over and task.attempt_no == job.attempt_no:
                task = self._step(task)
        except Leaving:
            log.warning("task %s is left to others: the store did not answer", job.task_id)

    # ── one step ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _step(self, task: Task) -> Task | None:
        """Do the step that the task is in; the task as it is then, or None where this attempt is not its present one any more."""
        if task.deadline_at is not None and task.deadline_at <= self._clock.now_ns():
            return self._give_up(task, dict(DEADLINE))
        step = self._tasks.pipeline_of(task.pipeline).step_of(task.state)
        if step is None:
            return self._store(task, lambda: self._tasks.done(task, None))
        try:
            result = self._run(task, step)
        except Overtaken as error:
            return self._overtaken(task, error)
        except BaseException as error:  # also SystemExit: a step ends its attempt, never its worker
            return self._failed(task, error)
        try:
            return self._store(task, lambda: self._tasks.done(task, result))
        except Leaving:
            raise
        except Exception as error:  # it can't be stored that it is done; that it failed of that may be
            return self._failed(task, error)

    def _run(self, task: Task, step: Step) -> Any:
        run = TaskRun(task, self._tasks, self._clock, self._recorder)
        with run.recording():
            result = step.run(run)
            return as_json(result, self._settings.task_result_bytes_max)

    def _failed(self, task: Task, error: BaseException) -> Task | None:
        fault = fault_of(error)
        if isinstance(error, Unrecoverable):
            return self._give_up(task, fault)
        wait = retry_after_of(error)
        return self._store(task, lambda: self._tasks.failed(task, fault, wait_seconds=wait), stubborn=True)

    def _give_up(self, task: Task, fault: dict[str, Any]) -> Task | None:
        fault["unrecoverable"] = True
        return self._store(task, lambda: self._tasks.failed(task, fault, final=True), stubborn=True)

    def _overtaken(self, task: Task, error: Overtaken) -> Task | None:
        """Quiet, where it is true. Code that raises it for reasons of its own would else leave a task that nobody works on."""
        found = self._patiently(lambda: self._tasks.get(task.task_id))
        if found.version != task.version or found.attempt_no != task.attempt_no:
            return None
        if task.deadline_at is not None and task.deadline_at <= self._clock.now_ns():
            return self._give_up(task, dict(DEADLINE))
        return self._failed(task, error)

    # ── the beginning ────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, job: Job) -> Task | None:
        try:
            return self._patiently(lambda: self._tasks.begin(job.task_id, job.attempt_no, self._worker_id))
        except (VersionConflict, TaskNotFound):
            return None
        except PipelineNotFound as error:
            fault = {"kind": "PipelineNotFound", "message": error.message, "unrecoverable": True}
        try:
            self._patiently(
                lambda: self._tasks.set_aside(job.task_id, job.attempt_no, fault, ASIDE_SECONDS, ASIDE_SECONDS_MAX)
            )
        except (VersionConflict, TaskNotFound):
            pass
        return None

    # ── storing ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _store(self, task: Task, write: Callable[[], Task], *, stubborn: bool = False) -> Task | None:
        """What became of the step, stored once; None where it is not ours to store any more. See `_patiently`."""
        doubtful = False

        def attempt() -> Task:
            nonlocal doubtful
            try:
                return write()
            except StoreUncertain:
                doubtful = True
                raise

        try:
            return self._patiently(attempt, stubborn=stubborn)
        except TaskNotFound:
            return None
        except VersionConflict:
            if not doubtful:
                return None
        # The write whose fate was not known may have been the one that moved it: nobody else moves a task within an attempt.
        found = self._patiently(lambda: self._tasks.get(task.task_id))
        is_ours = found.attempt_no == task.attempt_no and found.version == task.version + 1
        return found if is_ours else None

    def _patiently(self, ask: Callable[[], Task], *, stubborn: bool = False) -> Task:
        """Ask the store until it answers. Raises Leaving when the worker leaves before that.

        `stubborn` also where the store refuses: something is broken that a person has to mend, and to give up would have the code
        of the step run again and again.
        """
        wait, said = STORE_RETRY_SECONDS, ""
        while True:
            try:
                return ask()
            except (VersionConflict, TaskNotFound, PipelineNotFound):
                raise
            except (Unavailable, StoreGone):  # a file that was replaced is opened anew by whoever keeps the store
                longest = STORE_RETRY_SECONDS_MAX
            except Exception as error:
                if not stubborn:
                    raise
                longest = BROKEN_RETRY_SECONDS_MAX
                if said != str(error):
                    said = str(error)
                    log.error("what a task came to can't be stored, and is kept: %s: %s", type(error).__name__, said)
            if self._leaving.wait(wait):
                raise Leaving from None
            wait = min(wait * 2, longest)


def as_json(result: Any, bytes_max: int) -> Any:
    """What a step returned, as every later step will see it. Raises Unrecoverable where JSON can't hold it, or it is too large.

    >>> as_json({1: (2, 3)}, 100)
    {'1': [2, 3]}
    """
    try:
        encoded = msgspec.json.encode(result)
    except Exception as error:
        raise Unrecoverable(f"the step returned something that JSON can't hold: {error}") from None
    if len(encoded) > bytes_max:
        raise Unrecoverable(
            f"the step returned {len(encoded)} bytes of JSON, and task_result_bytes_max is {bytes_max}; "
            "put large things elsewhere and return where"
        )
    return msgspec.json.decode(encoded)


def fault_of(error: BaseException) -> dict[str, Any]:
    """What is kept of an exception: `{kind, message, stack, …}`, in text that every store can hold."""
    fault: dict[str, Any] = _storable(describe_error(error))
    return fault


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")
    if isinstance(value, dict):
        return {key: _storable(one) for key, one in value.items()}
    return [_storable(one) for one in value] if isinstance(value, list) else value
