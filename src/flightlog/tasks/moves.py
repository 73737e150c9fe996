"""One move of a task: the row by its version, what the ledger and the outbox have to know of it, and the events that tell it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from sqlalchemy import insert, update

from flightlog.clock import Clock
from flightlog.errors import MoveIllegal, VersionConflict
from flightlog.events.envelope import Event
from flightlog.ids import Ids
from flightlog.journal.append import Journal
from flightlog.outbox.put import put
from flightlog.store.contract import Tx
from flightlog.tasks.pipeline import CANCELED, ENDS, FAILED, QUEUED, START, SUCCEEDED, Pipeline
from flightlog.tasks.table import tasks
from flightlog.tasks.task import Task

RUN_STATUS = {SUCCEEDED: "succeeded", FAILED: "failed", CANCELED: "canceled"}
TOPICS = {SUCCEEDED: "task.succeeded", FAILED: "task.failed", CANCELED: "task.canceled"}
SOURCE = "tasks"


class Ledger(Protocol):
    """What is held for a task under way, and how that ends; in the transaction of the move."""

    def hold(self, tx: Tx, user_id: str, task_id: str, source: str, units: int, now_ns: int) -> None: ...
    def commit(self, tx: Tx, user_id: str, task_id: str, source: str, units: int, now_ns: int) -> None: ...
    def release(self, tx: Tx, user_id: str, task_id: str, source: str, units: int, now_ns: int) -> None: ...


@dataclass(frozen=True)
class Mover:
    """Moves tasks inside a transaction of the caller. Nothing else writes their state."""

    journal: Journal
    ledger: Ledger
    clock: Clock
    ids: Ids

    def create(self, tx: Tx, task: Task) -> Task:
        """Put a new task in, hold what it may use, and have it told. Raises QuotaExceeded."""
        values = msgspec.structs.asdict(task)
        tx.sql.execute(insert(tasks).values(**values | _as_json(values)))
        self.ledger.hold(tx, task.user_id, task.task_id, task.source, task.units, task.created_at)
        self._tell(tx, "task.created", task)
        self._record(tx, task, START, task.created_at)
        return task

    def move(
        self, tx: Tx, task: Task, pipeline: Pipeline, to: str, *, available_at: int | None = None, **changes: Any
    ) -> Task:
        """The task in its next state. `changes` are other fields of it. `available_at` is when a task that goes back to QUEUED is
        to be worked on.

        Raises MoveIllegal where the pipeline has no such move, VersionConflict where somebody else moved it since it was read.
        """
        if not pipeline.allows(task.state, to):
            raise MoveIllegal(task_id=task.task_id, before=task.state, after=to)
        now = max(self.clock.now_ns(), task.updated_at)
        changes |= {"state": to, "version": task.version + 1, "updated_at": now}
        if to in ENDS:
            changes["finished_at"] = now
        moved = self._write(tx, task, changes)
        if to == SUCCEEDED:
            self.ledger.commit(tx, moved.user_id, moved.task_id, moved.source, moved.units, now)
        elif to in ENDS:
            self.ledger.release(tx, moved.user_id, moved.task_id, moved.source, moved.units, now)
        elif task.state in ENDS:
            self.ledger.hold(tx, moved.user_id, moved.task_id, moved.source, moved.units, now)
        if to in TOPICS:
            self._tell(tx, TOPICS[to], moved)
        elif to == QUEUED and task.state != pipeline.initial:
            self._tell(tx, "task.requeued", moved, available_at)
        self._record(tx, moved, task.state, now)
        return moved

    def note(self, tx: Tx, task: Task, **changes: Any) -> Task:
        """Change fields that are not its state, such as progress. Raises VersionConflict."""
        return self._write(tx, task, changes | {"updated_at": max(self.clock.now_ns(), task.updated_at)})

    def _write(self, tx: Tx, task: Task, changes: dict[str, Any]) -> Task:
        written = tx.sql.execute(
            update(tasks)
            .where(tasks.c.task_id == task.task_id, tasks.c.version == task.version)
            .values(**changes | _as_json(changes))
        ).rowcount
        if not written:
            raise VersionConflict(task_id=task.task_id, version=task.version)
        return msgspec.structs.replace(task, **changes)

    def _tell(self, tx: Tx, topic: str, task: Task, available_at: int | None = None) -> None:
        put(
            tx, event_id=f"{task.task_id}-{task.version}", topic=topic, task_id=task.task_id, now_ns=task.updated_at,
            available_at=available_at, state=task.state, queue=task.queue, attempt_no=task.attempt_no, version=task.version,
            user_id=task.user_id, priority=task.priority,
        )  # fmt: skip

    def _record(self, tx: Tx, task: Task, before: str, now: int) -> None:
        """One event for each move, and around the first and the last the beginning and the end of the run."""
        said: dict[str, Any] = {
            "from": before, "to": task.state, "attempt_no": task.attempt_no, "version": task.version,
        }  # fmt: skip
        if task.reason is not None:
            said["reason"] = task.reason
        events = [self._event(task, "task_transition", said, now)]
        if before == START:
            events.insert(0, self._event(task, "run_started", {"name": task.pipeline, "input": task.input}, now))
        elif task.is_over:
            end: dict[str, Any] = {"output": task.result} if task.state == SUCCEEDED else {"error": task.error}
            events.append(self._event(task, "run_finished", end, now, status=RUN_STATUS[task.state]))
        self.journal.append_in(tx, events)

    def _event(self, task: Task, type_: str, payload: dict[str, Any], now: int, status: str | None = None) -> Event:
        return Event(
            event_id=f"{task.task_id}-{task.version}-{type_}",
            type=type_,
            created_at=now,
            run_id=task.run_id,
            project=task.project,
            name=task.pipeline,
            source=SOURCE,
            actor=task.user_id,
            task_id=task.task_id,
            status=status,
            payload=msgspec.Raw(
                msgspec.json.encode({key: value for key, value in payload.items() if value is not None})
            ),
        )


def _as_json(values: dict[str, Any]) -> dict[str, Any]:
    """The fields that the table keeps as JSON."""
    return {
        name: None if values[name] is None else msgspec.json.encode(values[name]).decode()
        for name in ("input", "results", "result", "error")
        if name in values
    }
