"""What can be asked of tasks. Each command is one transaction: the task, the ledger, the outbox and the events, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from flightlog.config import Settings
from flightlog.errors import MoveIllegal, PipelineNotFound, TaskErased, TaskInputTooLarge, VersionConflict
from flightlog.store.contract import Store, Tx
from flightlog.tasks import keys
from flightlog.tasks.asked import Asked as Asked
from flightlog.tasks.asked import new_task
from flightlog.tasks.due import drop_results, due_tasks, is_over
from flightlog.tasks.faults import CANCELED_STEP, DEADLINE, HANDED_BACK, LOST
from flightlog.tasks.moves import Move, Mover
from flightlog.tasks.pipeline import CANCELED, ENDS, FAILED, QUEUED, SUCCEEDED, Pipeline, Retries
from flightlog.tasks.story import Call, Ended
from flightlog.tasks.submitting import Submit, Submits, as_answered
from flightlog.tasks.task import Task, answer_of, read_task, task_in
from flightlog.tasks.together import Moves, Request

Action = Literal["cancel", "retry"]

SECOND_NS = 1_000_000_000
PROGRESS_WHOLE = 1_000
REASON_CHARS_MAX = 500
EXPIRE_TASKS_MAX = 20  # in one transaction, each with its events: some milliseconds
EXPIRE_ROWS_MAX = 500


class Expired(NamedTuple):
    """How many were over: tasks, results and keys."""

    tasks: int
    results: int
    keys: int


class Tasks:
    """The commands over one store. `chance` gives a number from 0 to 1, for how long a failed attempt waits."""

    def __init__(
        self, store: Store, mover: Mover, pipelines: Mapping[str, Pipeline], settings: Settings, chance: Any
    ) -> None:
        self.store = store
        self.pipelines = pipelines
        self._mover = mover
        self._together = Moves(store, mover)
        self._submits = Submits(store, mover, int(settings.idempotency_seconds * SECOND_NS))
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
        task = new_task(asked, pipeline, self._mover.ids, self._mover.clock.now_ns())
        events = self._mover.beginning(task, asked.call)
        return self._submits.ask(Submit(task, events, key, keys.digest_of(asked.body)))

    def cancel(self, task_id: str, *, user_id: str, key: str | None = None, reason: str | None = None) -> Task:
        """End a task that is under way. Raises TaskNotFound, MoveIllegal where it is over, KeyMisused."""
        return self.act(task_id, "cancel", user_id=user_id, key=key, reason=reason)[0]

    def retry(self, task_id: str, *, user_id: str, key: str | None = None, reason: str | None = None) -> Task:
        """Have a task that failed or was canceled done again, from its first step on: a new round, held for anew.

        A deadline that is over by then is dropped. Raises TaskNotFound, MoveIllegal where it is under way or has succeeded,
        TaskErased where its input was erased, QuotaExceeded, KeyMisused.
        """
        return self.act(task_id, "retry", user_id=user_id, key=key, reason=reason)[0]

    def retry_in(self, tx: Tx, task_id: str, reason: str | None = None) -> Task:
        """`retry` inside a transaction of the caller."""
        return self._retry(tx, task_in(tx, task_id), reason, None)

    def act(
        self,
        task_id: str,
        action: Action,
        *,
        user_id: str | None = None,
        key: str | None = None,
        reason: str | None = None,
        call: Call | None = None,
    ) -> tuple[Task, bool]:
        """Cancel or retry a task; and whether that is new, or was asked for before under the same key, which is one of `user_id`
        (of the task's own user where none is given). Raises what `cancel` and `retry` raise.
        """
        key = None if key is None else keys.check_key(key)
        do = self._cancel if action == "cancel" else self._retry

        def work(tx: Tx) -> tuple[Task, bool]:
            now = self._mover.clock.now_ns()
            task = task_in(tx, task_id)
            whose = task.user_id if user_id is None else user_id
            known = None if key is None else keys.known_action(tx, whose, key, task_id, action, now)
            if known is not None:
                return as_answered(tx, known), False
            moved = do(tx, task, reason, call)
            if key is not None:
                keys.keep_action(tx, whose, key, task_id, action, answer_of(moved), now, self._kept_ns)
            return moved, True

        return self.store.write(work)

    def _cancel(self, tx: Tx, task: Task, reason: str | None, call: Call | None) -> Task:
        said = self._mover.clean(task, {"reason": reason}).get("reason")
        return self._leave(tx, task, CANCELED, CANCELED_STEP, "info", why=said, call=call, reason=said)

    def _retry(self, tx: Tx, task: Task, reason: str | None, call: Call | None) -> Task:
        if not task.is_over:
            raise MoveIllegal(task_id=task.task_id, before=task.state, after=QUEUED)
        if task.is_erased:
            raise TaskErased(task_id=task.task_id)
        said = self._mover.clean(task, {"reason": reason}).get("reason")
        is_due = task.deadline_at is not None and task.deadline_at <= self._mover.clock.now_ns()
        return self._mover.move(
            tx, task, self._rules(task), QUEUED, why=said, call=call, reason=said, attempt_no=task.attempt_no + 1, tries=0,
            deaths=0, round_no=task.round_no + 1, results={}, progress=0, error=None, finished_at=None,
            deadline_at=None if is_due else task.deadline_at,
        )  # fmt: skip

    def _leave(self, tx: Tx, task: Task, to: str, fault: dict[str, Any], level: str, **changes: Any) -> Task:
        return self._mover.apply(tx, [self._leaving(task, to, fault, level, **changes)])

    def _leaving(self, task: Task, to: str, fault: dict[str, Any], level: str, **changes: Any) -> Move:
        """A move out of wherever it is, for a reason that lies outside of its step; the step, if it is in one, ended by that."""
        ended = Ended(error=fault, level=level) if task.began_at is not None else None
        return self._mover.plan(task, self._rules(task), to, ended=ended, **changes)

    def _rules(self, task: Task) -> Pipeline:
        """The moves that it may make. Of what only its worker knows it may fail, be canceled and done again."""
        known = self.pipelines.get(task.pipeline)
        if known is not None and task.state in known.moves:
            return known
        return Pipeline(task.pipeline, (QUEUED,) if task.state in (QUEUED, *ENDS) else (QUEUED, task.state))

    # ── for workers ──────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, task_id: str, attempt_no: int, worker_id: str) -> Task:
        """The task in the state in which this worker works on it; or over, where nothing is left to do or its deadline has passed.

        Raises VersionConflict where this attempt is not its present one, or another worker's.
        """

        def plan(task: Task) -> list[Move]:
            _check_mine(task, attempt_no)
            if task.began_at is not None:
                if task.worker_id != worker_id:
                    raise VersionConflict(task_id=task_id, version=task.version)
                return []  # begun before, by a worker that was stopped and goes on
            now = self._mover.clock.now_ns()
            if task.deadline_at is not None and task.deadline_at <= now:
                said = DEADLINE["message"]
                return [self._mover.plan(task, self._rules(task), FAILED, why=said, error=DEADLINE)]
            return self._begin(task, self.pipeline_of(task.pipeline), {"worker_id": worker_id, "began_at": now})

        return self._together.ask(Request(task_id, plan))

    def _begin(self, task: Task, pipeline: Pipeline, whose: dict[str, Any]) -> list[Move]:
        gone = [state for state in (task.state, *task.results) if state not in pipeline.states]
        if gone:
            message = (
                f"the pipeline {pipeline.name!r} has no state {gone[0]} any more, in which this task was; "
                "retry it to have it done from the beginning, as the pipeline is now"
            )
            changed = {"kind": "pipeline_changed", "message": message, "unrecoverable": True}
            return [self._mover.plan(task, self._rules(task), FAILED, why=message, error=changed)]
        moves: list[Move] = []
        while task.state != QUEUED:
            moves.append(self._mover.plan(task, pipeline, pipeline.next_of(task.state)))
            task = moves[-1].after
        for state in self._left(pipeline):
            is_left = state not in task.results
            moves.append(self._mover.plan(task, pipeline, state, begins=is_left, **whose))
            task = moves[-1].after
            if is_left:
                return moves
        return [*moves, self._succeed(task, pipeline)]

    @staticmethod
    def _left(pipeline: Pipeline) -> tuple[str, ...]:
        return pipeline.states[pipeline.states.index(QUEUED) + 1 :]

    def done(self, task: Task, result: Any) -> Task:
        """A step is done: its result is kept, and the task goes to its next state, or succeeds with it."""

        def plan(held: Task) -> list[Move]:
            _check_mine(held, task.attempt_no, task.version)
            if held.began_at is None:
                raise VersionConflict(task_id=task.task_id, version=task.version)
            pipeline = self.pipeline_of(held.pipeline)
            results = {**held.results, held.state: result}
            places = self._left(pipeline)
            progress = max(held.progress, PROGRESS_WHOLE * (places.index(held.state) + 1) // (len(places) + 1))
            to, ended = pipeline.next_of(held.state), Ended(output=result)
            if to == SUCCEEDED:
                return [self._succeed(msgspec.structs.replace(held, results=results), pipeline, ended)]
            return [self._mover.plan(held, pipeline, to, ended=ended, begins=True, results=results, progress=progress)]

        return self._together.ask(Request(task.task_id, plan))

    def _succeed(self, task: Task, pipeline: Pipeline, ended: Ended | None = None) -> Move:
        now = self._mover.clock.now_ns()
        last = self._left(pipeline)[-1] if self._left(pipeline) else None
        return self._mover.plan(
            task, pipeline, SUCCEEDED, ended=ended, results=task.results, progress=PROGRESS_WHOLE, error=None,
            result=task.results.get(last) if last else None,
            result_until=now + int(self._settings.task_result_seconds * SECOND_NS),
        )  # fmt: skip

    def failed(
        self, task: Task, error: dict[str, Any], *, final: bool = False, wait_seconds: float | None = None
    ) -> Task:
        """An attempt failed: it goes back to the queue for later, or FAILED where it was the last or nothing can help.

        `wait_seconds` is what the other side asked for (`Retry-After`); shorter than our own wait it is not.
        """

        def plan(held: Task) -> list[Move]:
            _check_mine(held, task.attempt_no, task.version)
            said = self._mover.clean(held, error)
            pipeline = self._rules(held)
            step = pipeline.step_of(held.state)
            retries: Retries = step.retries if step is not None else pipeline.retries
            tries = held.tries + 1
            why = str(said.get("message") or said.get("kind") or "")[:REASON_CHARS_MAX]
            if final or tries >= retries.attempts_max:
                return [self._leaving(held, FAILED, said, "error", why=why, error=said, tries=tries)]
            wait = max(retries.delay_seconds(tries, self._chance()), wait_seconds or 0.0)
            back = self._leaving(
                held, QUEUED, said, "error", why=why, error=said, tries=tries, attempt_no=held.attempt_no + 1,
                available_at=self._mover.clock.now_ns() + int(wait * SECOND_NS),
            )  # fmt: skip
            return [back]

        return self._together.ask(Request(task.task_id, plan))

    def lost(self, task_id: str, attempt_no: int) -> Task:
        """Its worker died over it: another takes it, unless it is the one that they die of.

        Raises VersionConflict where this attempt is not its present one.
        """

        def work(tx: Tx) -> Task:
            held = self._mine(tx, task_id, attempt_no)
            deaths = held.deaths + 1
            if deaths >= self._settings.task_deaths_max:
                poison = {"kind": "poison", "message": f"{deaths} workers died while they worked on it"}
                return self._leave(
                    tx, held, FAILED, poison, "error", why=poison["message"], error=poison, deaths=deaths
                )
            if held.began_at is None:
                return self._mover.note(tx, held, deaths=deaths)
            return self._leave(
                tx, held, QUEUED, LOST, "error", why=LOST["message"], deaths=deaths, attempt_no=held.attempt_no + 1
            )

        return self.store.write(work)

    def hand_back(self, task_id: str, attempt_no: int) -> Task:
        """Its worker stops and can't wait for it: another takes it at once. It counts as no try and no death.

        Raises VersionConflict where this attempt is not its present one.
        """

        def work(tx: Tx) -> Task:
            held = self._mine(tx, task_id, attempt_no)
            if held.began_at is None:
                return held
            return self._leave(
                tx, held, QUEUED, HANDED_BACK, "info", why=HANDED_BACK["message"], attempt_no=held.attempt_no + 1
            )

        return self.store.write(work)

    def set_aside(
        self, task_id: str, attempt_no: int, error: dict[str, Any], seconds: float, seconds_max: float
    ) -> Task:
        """The worker that claimed it does not know its pipeline: after `seconds` it is claimed again, by one that does, unless it
        has waited for `seconds_max` in all. Then it is FAILED of `error`.

        Raises VersionConflict where this attempt is not its present one, or begun.
        """

        def work(tx: Tx) -> Task:
            held = self._mine(tx, task_id, attempt_no)
            if held.began_at is not None:
                raise VersionConflict(task_id=task_id, version=held.version)
            now = self._mover.clock.now_ns()
            if now - held.updated_at >= seconds_max * SECOND_NS:
                said = self._mover.clean(held, error)
                return self._mover.move(tx, held, self._rules(held), FAILED, why=said.get("message"), error=said)
            aside = self._mover.note(tx, held, attempt_no=held.attempt_no + 1)
            self._mover.tell_again(tx, aside, now, now + int(seconds * SECOND_NS))
            return aside

        return self.store.write(work)

    def expire(self, now_ns: int) -> Expired:
        """End what is past its deadline, drop results and keys whose time is over. Small transactions, one after another; none
        where nothing is over.
        """
        with self.store.read() as connection:
            late, kept, known = is_over(connection, now_ns)
        rows = EXPIRE_ROWS_MAX
        return Expired(
            tasks=self._in_batches(EXPIRE_TASKS_MAX, lambda tx: self._expire_tasks(tx, now_ns)) if late else 0,
            results=self._in_batches(rows, lambda tx: drop_results(tx, now_ns, rows)) if kept else 0,
            keys=self._in_batches(rows, lambda tx: keys.forget_keys(tx, now_ns, rows)) if known else 0,
        )

    def _in_batches(self, rows_max: int, drop: Callable[[Tx], int]) -> int:
        total = 0
        while True:
            found = self.store.write(drop)
            total += found
            if found < rows_max:
                return total

    def _expire_tasks(self, tx: Tx, now_ns: int) -> int:
        due = due_tasks(tx.sql, now_ns, EXPIRE_TASKS_MAX)
        said = DEADLINE["message"]
        late = [self._leaving(task, FAILED, DEADLINE, "error", why=said, error=DEADLINE) for task in due]
        if late:
            self._mover.apply(tx, late)
        return len(due)

    def progress(self, task: Task, share: float) -> Task:
        """How far it is, from 0 to 1. It never goes back."""

        def work(tx: Tx) -> Task:
            held = self._mine(tx, task.task_id, task.attempt_no)
            return self._mover.note(
                tx, held, progress=max(held.progress, min(int(share * PROGRESS_WHOLE), PROGRESS_WHOLE - 1))
            )

        return self.store.write(work)

    @staticmethod
    def _mine(tx: Tx, task_id: str, attempt_no: int) -> Task:
        task = task_in(tx, task_id)
        _check_mine(task, attempt_no)
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


def _check_mine(task: Task, attempt_no: int, version: int | None = None) -> None:
    """Whether this attempt is its present one: whoever was overtaken finds out here, and stops quietly.

    With `version` it is also where it was when it was read: what became of a step is not stored twice.
    """
    if task.attempt_no != attempt_no or task.is_over or task.version != (version or task.version):
        raise VersionConflict(task_id=task.task_id, version=task.version)
