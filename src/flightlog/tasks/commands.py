"""What can be asked of tasks. Each command is one transaction: the task, the ledger, the outbox and the events, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from flightlog.config import Settings
from flightlog.errors import MoveIllegal, PipelineNotFound, TaskInputTooLarge, VersionConflict
from flightlog.store.contract import Store, Tx
from flightlog.tasks import keys
from flightlog.tasks.moves import Mover
from flightlog.tasks.pipeline import CANCELED, FAILED, QUEUED, SUCCEEDED, Pipeline, Retries
from flightlog.tasks.task import Task, read_task

SECOND_NS = 1_000_000_000
SUBMIT = "POST /v1/tasks"
PROGRESS_WHOLE = 1_000


@dataclass(frozen=True)
class Asked:
    """What a user asks for. `body` is the request as it came, by which the same key means the same request."""

    pipeline: str
    input: Any
    user_id: str
    project: str = "default"
    key: str | None = None
    body: bytes = b""
    priority: int = 0
    units: int = 1
    deadline_at: int | None = None


class Tasks:
    """The commands over one store. `chance` gives a number from 0 to 1, for how long a failed attempt waits."""

    def __init__(
        self, store: Store, mover: Mover, pipelines: Mapping[str, Pipeline], settings: Settings, chance: Any
    ) -> None:
        self.store = store
        self.pipelines = pipelines
        self._mover = mover
        self._settings = settings
        self._chance = chance

    # ── for users ────────────────────────────────────────────────────────────────────────────────────────────────

    def submit(self, asked: Asked) -> tuple[Task, bool]:
        """The task, and whether it is new: the same key with the same body is the task that it made before.

        Raises PipelineNotFound, TaskInputTooLarge, KeyInvalid, KeyMisused and QuotaExceeded; then nothing is stored.
        """
        pipeline = self.pipeline_of(asked.pipeline)
        size = len(msgspec.json.encode(asked.input))
        if size > self._settings.task_input_bytes_max:
            raise TaskInputTooLarge(bytes=size, bytes_max=self._settings.task_input_bytes_max)
        key = None if asked.key is None else keys.check_key(asked.key)
        digest = keys.digest_of(asked.body)
        return self.store.write(lambda tx: self._submit(tx, asked, pipeline, key, digest))

    def _submit(self, tx: Tx, asked: Asked, pipeline: Pipeline, key: str | None, digest: str) -> tuple[Task, bool]:
        now = self._mover.clock.now_ns()
        if key is not None:
            known = keys.known_answer(tx, asked.user_id, key, SUBMIT, digest, now)
            if known is not None:
                return read_task(tx.sql, known), False
        task = self._mover.create(tx, self._new(asked, pipeline, now))
        if key is not None:
            keys.keep_answer(tx, asked.user_id, key, SUBMIT, digest, task.task_id, now, self._kept_ns)
        return task, True

    def _new(self, asked: Asked, pipeline: Pipeline, now: int) -> Task:
        return Task(
            task_id=self._mover.ids.run_id(now), pipeline=pipeline.name, queue=pipeline.queue, project=asked.project,
            user_id=asked.user_id, state=pipeline.initial, version=1, attempt_no=1, tries=0, deaths=0, round_no=1,
            priority=asked.priority, units=asked.units, input=asked.input, results={}, progress=0, result=None,
            result_until=None, error=None, reason=None, deadline_at=asked.deadline_at, worker_id=None, began_at=None,
            created_at=now, updated_at=now, finished_at=None,
        )  # fmt: skip

    def cancel(self, task_id: str, *, user_id: str, key: str | None = None, reason: str | None = None) -> Task:
        """End a task that is under way. Raises TaskNotFound, MoveIllegal where it is over, KeyMisused."""
        return self._act(task_id, "cancel", user_id, key, lambda tx, task: self._cancel(tx, task, reason))

    def retry(self, task_id: str, *, user_id: str, key: str | None = None, reason: str | None = None) -> Task:
        """Have a task that failed or was canceled done again, from its first step on: a new round, held for anew.

        Raises TaskNotFound, MoveIllegal where it is under way or has succeeded, QuotaExceeded, KeyMisused.
        """
        return self._act(task_id, "retry", user_id, key, lambda tx, task: self._retry(tx, task, reason))

    def _act(self, task_id: str, action: str, user_id: str, key: str | None, act: Any) -> Task:
        key = None if key is None else keys.check_key(key)

        def work(tx: Tx) -> Task:
            now = self._mover.clock.now_ns()
            if key is not None and keys.known_action(tx, user_id, key, task_id, action, now) is not None:
                return read_task(tx.sql, task_id)
            moved: Task = act(tx, read_task(tx.sql, task_id))
            if key is not None:
                keys.keep_action(tx, user_id, key, task_id, action, str(moved.version), now, self._kept_ns)
            return moved

        return self.store.write(work)

    def _cancel(self, tx: Tx, task: Task, reason: str | None) -> Task:
        return self._mover.move(tx, task, self.pipeline_of(task.pipeline), CANCELED, reason=reason)

    def _retry(self, tx: Tx, task: Task, reason: str | None) -> Task:
        if not task.is_over:
            raise MoveIllegal(task_id=task.task_id, before=task.state, after=QUEUED)
        return self._mover.move(
            tx, task, self.pipeline_of(task.pipeline), QUEUED, reason=reason, attempt_no=task.attempt_no + 1, tries=0,
            deaths=0, round_no=task.round_no + 1, results={}, progress=0, error=None, finished_at=None,
        )  # fmt: skip

    # ── for workers ──────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, task_id: str, attempt_no: int) -> Task:
        """The task in the state in which it is worked on. Raises VersionConflict where this attempt is not its present one."""

        def work(tx: Tx) -> Task:
            task = self._mine(tx, task_id, attempt_no)
            pipeline = self.pipeline_of(task.pipeline)
            while task.state != QUEUED and pipeline.states.index(task.state) < pipeline.states.index(QUEUED):
                task = self._mover.move(tx, task, pipeline, pipeline.next_of(task.state))
            if task.state != QUEUED:
                return task  # begun before, by a worker that was stopped and goes on
            to = next((state for state in self._left(pipeline) if state not in task.results), SUCCEEDED)
            for state in self._left(pipeline):
                task = self._mover.move(tx, task, pipeline, state)
                if state == to:
                    break
            return task if to != SUCCEEDED else self._succeed(tx, task, pipeline)

        return self.store.write(work)

    @staticmethod
    def _left(pipeline: Pipeline) -> tuple[str, ...]:
        return pipeline.states[pipeline.states.index(QUEUED) + 1 :]

    def done(self, task: Task, result: Any) -> Task:
        """A step is done: its result is kept, and the task goes to its next state, or succeeds with it."""

        def work(tx: Tx) -> Task:
            held = self._mine(tx, task.task_id, task.attempt_no)
            pipeline = self.pipeline_of(held.pipeline)
            results = {**held.results, held.state: result}
            places = self._left(pipeline)
            progress = max(held.progress, PROGRESS_WHOLE * (places.index(held.state) + 1) // (len(places) + 1))
            to = pipeline.next_of(held.state)
            if to == SUCCEEDED:
                return self._succeed(tx, msgspec.structs.replace(held, results=results), pipeline)
            return self._mover.move(tx, held, pipeline, to, results=results, progress=progress)

        return self.store.write(work)

    def _succeed(self, tx: Tx, task: Task, pipeline: Pipeline) -> Task:
        now = self._mover.clock.now_ns()
        last = self._left(pipeline)[-1] if self._left(pipeline) else None
        return self._mover.move(
            tx, task, pipeline, SUCCEEDED, results=task.results, progress=PROGRESS_WHOLE, error=None,
            result=task.results.get(last) if last else None,
            result_until=now + int(self._settings.task_result_seconds * SECOND_NS),
        )  # fmt: skip

    def failed(
        self, task: Task, error: dict[str, Any], *, final: bool = False, wait_seconds: float | None = None
    ) -> Task:
        """An attempt failed: it goes back to the queue for later, or FAILED where it was the last or nothing can help.

        `wait_seconds` is what the other side asked for (`Retry-After`); shorter than our own wait it is not.
        """

        def work(tx: Tx) -> Task:
            held = self._mine(tx, task.task_id, task.attempt_no)
            pipeline = self.pipeline_of(held.pipeline)
            step = pipeline.step_of(held.state)
            retries: Retries = step.retries if step is not None else pipeline.retries
            tries = held.tries + 1
            if final or tries >= retries.attempts_max:
                return self._mover.move(tx, held, pipeline, FAILED, error=error, tries=tries)
            wait = max(retries.delay_seconds(tries, self._chance()), wait_seconds or 0.0)
            return self._mover.move(
                tx, held, pipeline, QUEUED, error=error, tries=tries, attempt_no=held.attempt_no + 1,
                available_at=self._mover.clock.now_ns() + int(wait * SECOND_NS),
            )  # fmt: skip

        return self.store.write(work)

    def lost(self, task_id: str, attempt_no: int) -> Task:
        """Its worker died over it: another takes it, unless it is the one that they die of."""

        def work(tx: Tx) -> Task:
            held = self._mine(tx, task_id, attempt_no)
            pipeline = self.pipeline_of(held.pipeline)
            deaths = held.deaths + 1
            if deaths >= self._settings.task_deaths_max:
                poison = {"kind": "poison", "message": f"{deaths} workers died while they worked on it"}
                return self._mover.move(tx, held, pipeline, FAILED, error=poison, deaths=deaths)
            if held.state == QUEUED:
                return self._mover.note(tx, held, deaths=deaths)
            return self._mover.move(tx, held, pipeline, QUEUED, deaths=deaths, attempt_no=held.attempt_no + 1)

        return self.store.write(work)

    def progress(self, task: Task, share: float) -> Task:
        """How far it is, from 0 to 1. It never goes back."""

        def work(tx: Tx) -> Task:
            held = self._mine(tx, task.task_id, task.attempt_no)
            return self._mover.note(
                tx, held, progress=max(held.progress, min(int(share * PROGRESS_WHOLE), PROGRESS_WHOLE - 1))
            )

        return self.store.write(work)

    def _mine(self, tx: Tx, task_id: str, attempt_no: int) -> Task:
        """The task, if this attempt is its present one: whoever was overtaken finds out here, and stops quietly."""
        task = read_task(tx.sql, task_id)
        if task.attempt_no != attempt_no or task.is_over:
            raise VersionConflict(task_id=task_id, version=task.version)
        return task

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────

    def get(self, task_id: str) -> Task:
        """Raises TaskNotFound."""
        with self.store.read() as connection:
            return read_task(connection, task_id)

    def pipeline_of(self, name: str) -> Pipeline:
        """Raises PipelineNotFound."""
        try:
            return self.pipelines[name]
        except KeyError:
            raise PipelineNotFound(name=name, known=", ".join(sorted(self.pipelines)) or "none") from None

    @property
    def _kept_ns(self) -> int:
        return int(self._settings.idempotency_seconds * SECOND_NS)
