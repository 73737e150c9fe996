"""The events that tell of a move: the move, the step that it ends or begins, the ledger's entry, the run's first and last."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

import msgspec

from flightlog.events.envelope import Event
from flightlog.tasks.pipeline import CANCELED, ENDS, FAILED, START, SUCCEEDED
from flightlog.tasks.task import Task

RUN_STATUS = {SUCCEEDED: "succeeded", FAILED: "failed", CANCELED: "canceled"}
SOURCE = "tasks"
HELD, COMMITTED, RELEASED = "HELD", "COMMITTED", "RELEASED"

_encode = msgspec.json.encode


class Intake(Protocol):
    """The care that events get before they are stored: secrets out, size within its limit."""

    def prepare(self, event: Event) -> Event: ...


@dataclass(frozen=True)
class Call:
    """A request by which somebody moves a task: `name` as in `POST /v1/tasks`, when it came in, and what it calls itself."""

    name: str
    request_id: str | None
    began_at: int


@dataclass(frozen=True)
class Ended:
    """How the step ended that a task leaves: with what came out of it, or with what went wrong. `level` is how loud that is."""

    output: Any = None
    error: dict[str, Any] | None = None
    level: str = "info"


def clean(intake: Intake | None, task: Task, said: dict[str, Any]) -> dict[str, Any]:
    """What is kept of an error or a reason: without secrets, and within the limit of a payload."""
    if intake is None:
        return said
    event = Event(event_id=task.task_id, type="error", created_at=task.updated_at, payload=msgspec.Raw(_encode(said)))
    kept: dict[str, Any] = msgspec.json.decode(intake.prepare(event).payload)
    if "withheld" in kept:
        return {"kind": said.get("kind"), "message": kept["withheld"]} if "kind" in said else {}
    return kept


def story(
    before: Task | None,
    after: Task,
    *,
    why: str | None = None,
    call: Call | None = None,
    ended: Ended | None = None,
    begins: bool = False,
    ledger: str | None = None,
) -> list[Event]:
    """The events of one move, in the order in which they are to be read.

    `ended` where the task leaves a step, `begins` where it enters one; `ledger` is the entry that was made. The worker is who
    had the task before or has it now.
    """
    tell = _Teller(before or after, after, None if call is None else call.request_id)
    if call is not None:
        tell.call(call)
    if before is None:
        tell.say("run_started", {"name": after.pipeline, "input": after.input}, name=after.pipeline)
    if ended is not None and before is not None:
        tell.step_finished(before, ended)
    tell.moved(START if before is None else before.state, why)
    if ledger is not None:
        entry = {"status": ledger, "source": after.source, "units": after.units, "user_id": after.user_id}
        tell.say("ledger_entry", entry, name=after.pipeline)
    if begins:
        tell.step_started()
    if after.state in ENDS:
        tell.run_finished()
    return tell.events


class _Teller:
    """Collects the events of one move."""

    def __init__(self, before: Task, after: Task, correlation_id: str | None) -> None:
        self.events: list[Event] = []
        self._task = after
        self._worker_id = after.worker_id or before.worker_id
        self._correlation_id = correlation_id

    def say(self, type_: str, payload: dict[str, Any], **envelope: Any) -> None:
        task = self._task
        said = {
            "span_id": task.root_span_id, "correlation_id": self._correlation_id, "created_at": task.updated_at,
            "event_id": f"{task.task_id}-{task.version}-{type_}",
        } | envelope  # fmt: skip
        self.events.append(
            Event(
                type=type_,
                run_id=task.run_id,
                project=task.project,
                source=SOURCE,
                actor=task.user_id,
                task_id=task.task_id,
                trace_id=task.trace_id,
                payload=msgspec.Raw(_encode({key: value for key, value in payload.items() if value is not None})),
                **said,
            )
        )

    def moved(self, before: str, why: str | None) -> None:
        task = self._task
        said = {
            "from": before, "to": task.state, "attempt_no": task.attempt_no, "version": task.version, "reason": why,
            "worker_id": self._worker_id, "progress": task.progress / 1_000,
        }  # fmt: skip
        self.say("task_transition", said, name=task.pipeline)

    def call(self, call: Call) -> None:
        task = self._task
        self.say(
            "span_finished", {"operation": "request"}, name=call.name, status="ok",
            event_id=f"{task.task_id}-{task.version}-request", span_id=_digest(f"{task.task_id}.request.{task.version}"),
            parent_span_id=task.root_span_id, duration_ns=max(task.updated_at - call.began_at, 0),
        )  # fmt: skip

    def step_started(self) -> None:
        task = self._task
        self.say("span_started", {"attributes": self._attributes(task)}, **_of_step(task))

    def step_finished(self, before: Task, ended: Ended) -> None:
        said = {
            "operation": "step",
            "attributes": self._attributes(before),
            "output": ended.output,
            "error": ended.error,
        }
        self.say(
            "span_finished", said, status="ok" if ended.error is None else "error", level=ended.level,
            duration_ns=max(self._task.updated_at - before.updated_at, 0), **_of_step(before),
        )  # fmt: skip

    def run_finished(self) -> None:
        task = self._task
        said = {"output": task.result} if task.state == SUCCEEDED else {"error": task.error}
        self.say(
            "run_finished", said, name=task.pipeline, status=RUN_STATUS[task.state],
            level="error" if task.state == FAILED else "info", duration_ns=max(task.updated_at - task.created_at, 0),
        )  # fmt: skip

    def _attributes(self, task: Task) -> dict[str, Any]:
        return {"kind": "step", "attempt_no": task.attempt_no, "worker_id": self._worker_id}


def _of_step(task: Task) -> dict[str, Any]:
    return {"name": task.state, "span_id": task.step_span_id, "parent_span_id": task.root_span_id}


def _digest(words: str) -> str:
    return sha256(words.encode()).hexdigest()[:16]
