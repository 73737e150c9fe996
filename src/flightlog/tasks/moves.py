"""One move of a task: the row by its version, what ledger, outbox and dead letters have to know of it, and its events."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import msgspec
from sqlalchemy import bindparam, insert, update

from flightlog.clock import Clock
from flightlog.errors import MoveIllegal, VersionConflict
from flightlog.events.envelope import Event
from flightlog.ids import Ids
from flightlog.journal.append import Journal
from flightlog.outbox.put import put
from flightlog.store.contract import Tx
from flightlog.store.prepared import Prepared
from flightlog.tasks.pipeline import CANCELED, ENDS, FAILED, QUEUED, SUCCEEDED, Pipeline
from flightlog.tasks.story import COMMITTED, HELD, RELEASED, Call, Ended, Intake, clean, story
from flightlog.tasks.table import tasks
from flightlog.tasks.task import Task

TOPICS = {SUCCEEDED: "task.succeeded", FAILED: "task.failed", CANCELED: "task.canceled"}


class Ledger(Protocol):
    """What is held for a task under way, and how that ends; in the transaction of the move."""

    def hold(self, tx: Tx, user_id: str, task_id: str, source: str, units: int, now_ns: int) -> None: ...
    def commit(self, tx: Tx, user_id: str, task_id: str, source: str, units: int, now_ns: int) -> None: ...
    def release(self, tx: Tx, user_id: str, task_id: str, source: str, units: int, now_ns: int) -> None: ...


class Letters(Protocol):
    """Who keeps what failed for good, in the transaction of the move."""

    def put(self, tx: Tx, task: Task, now_ns: int) -> object:
        """`task` failed. It is handed over as it was then: in the state where it failed, with its last worker, and the error."""

    def resolve(self, tx: Tx, task: Task, now_ns: int) -> object:
        """`task` succeeded in a later round than its first: what it failed of before is settled."""


@dataclass(frozen=True)
class Mover:
    """Moves tasks inside a transaction of the caller. Nothing else writes their state.

    Every event, and every error and reason that is kept, passes `intake` first.
    """

    journal: Journal
    ledger: Ledger
    clock: Clock
    ids: Ids
    intake: Intake | None = None
    letters: Letters | None = None

    def create(self, tx: Tx, task: Task, call: Call | None = None) -> Task:
        """Put a new task in, hold what it may use, and have it told. Raises QuotaExceeded."""
        values = msgspec.structs.asdict(task)
        _INSERT.run(tx, **values | _as_json(values))
        self.ledger.hold(tx, task.user_id, task.task_id, task.source, task.units, task.created_at)
        self._tell(tx, "task.created", task)
        self._record(tx, story(None, task, call=call, ledger=HELD))
        return task

    def move(
        self,
        tx: Tx,
        task: Task,
        pipeline: Pipeline,
        to: str,
        *,
        available_at: int | None = None,
        why: str | None = None,
        call: Call | None = None,
        ended: Ended | None = None,
        begins: bool = False,
        **changes: Any,
    ) -> Task:
        """The task in its next state. `changes` are other fields of it. `available_at` is when a task that goes back to QUEUED is
        to be worked on. The others are what its story tells, see `story`.

        Raises MoveIllegal where the pipeline has no such move, VersionConflict where somebody else moved it since it was read.
        """
        if not pipeline.allows(task.state, to):
            raise MoveIllegal(task_id=task.task_id, before=task.state, after=to)
        now = max(self.clock.now_ns(), task.updated_at)
        changes |= {"state": to, "version": task.version + 1, "updated_at": now}
        if to in ENDS or to == QUEUED:
            changes |= {"worker_id": None, "began_at": None}
        if to in ENDS:
            changes["finished_at"] = now
        moved = self._write(tx, task, changes)
        entry = self._enter(tx, task, moved)
        if to in TOPICS:
            self._tell(tx, TOPICS[to], moved)
        elif to == QUEUED and task.state != pipeline.initial:
            self._tell(tx, "task.requeued", moved, available_at)
        self._record(tx, story(task, moved, why=why, call=call, ended=ended, begins=begins, ledger=entry))
        if self.letters is not None:
            self._post(tx, self.letters, task, moved)
        return moved

    def note(self, tx: Tx, task: Task, **changes: Any) -> Task:
        """Change fields that are not its state, such as progress. Raises VersionConflict."""
        return self._write(tx, task, changes)

    def tell_again(self, tx: Tx, task: Task, now_ns: int, available_at: int) -> None:
        """Have a task that waits handed to the queue once more, as an attempt that it has not been handed over as yet."""
        put(
            tx, event_id=f"{task.task_id}-{task.version}.{task.attempt_no}", topic="task.requeued", task_id=task.task_id,
            now_ns=now_ns, available_at=available_at, state=task.state, queue=task.queue, attempt_no=task.attempt_no,
            version=task.version, user_id=task.user_id, priority=task.priority,
        )  # fmt: skip

    def clean(self, task: Task, said: dict[str, Any]) -> dict[str, Any]:
        """What may be kept of an error or a reason."""
        return clean(self.intake, task, said)

    def _write(self, tx: Tx, task: Task, changes: dict[str, Any]) -> Task:
        write = _update_of(tuple(changes))
        if not write.run(tx, key=task.task_id, read=task.version, **changes | _as_json(changes)).rowcount:
            raise VersionConflict(task_id=task.task_id, version=task.version)
        return msgspec.structs.replace(task, **changes)

    def _enter(self, tx: Tx, before: Task, after: Task) -> str | None:
        """What the ledger has to know of this move, and which entry that was."""
        account = after.user_id, after.task_id, after.source, after.units, after.updated_at
        if after.state == SUCCEEDED:
            self.ledger.commit(tx, *account)
            return COMMITTED
        if after.state in ENDS:
            self.ledger.release(tx, *account)
            return RELEASED
        if before.state in ENDS:
            self.ledger.hold(tx, *account)
            return HELD
        return None

    def _post(self, tx: Tx, letters: Letters, before: Task, after: Task) -> None:
        if after.state == FAILED:
            as_it_failed = msgspec.structs.replace(after, state=before.state, worker_id=before.worker_id)
            letters.put(tx, as_it_failed, after.updated_at)
        elif after.state == SUCCEEDED and after.round_no > 1:
            letters.resolve(tx, after, after.updated_at)

    def _tell(self, tx: Tx, topic: str, task: Task, available_at: int | None = None) -> None:
        put(
            tx, event_id=f"{task.task_id}-{task.version}", topic=topic, task_id=task.task_id, now_ns=task.updated_at,
            available_at=available_at, state=task.state, queue=task.queue, attempt_no=task.attempt_no, version=task.version,
            user_id=task.user_id, priority=task.priority,
        )  # fmt: skip

    def _record(self, tx: Tx, events: list[Event]) -> None:
        if self.intake is not None:
            events = [self.intake.prepare(event) for event in events]
        self.journal.append_in(tx, events)


_INSERT = Prepared(insert(tasks))


@lru_cache(maxsize=64)  # one for each kind of move
def _update_of(names: tuple[str, ...]) -> Prepared:
    """Writes these columns of a task that is at the version which was read."""
    is_read = tasks.c.task_id == bindparam("key"), tasks.c.version == bindparam("read")
    return Prepared(update(tasks).where(*is_read).values({name: bindparam(name) for name in names}))


def _as_json(values: dict[str, Any]) -> dict[str, Any]:
    """The fields that the table keeps as JSON."""
    return {
        name: None if values[name] is None and name != "input" else msgspec.json.encode(values[name]).decode()
        for name in ("input", "results", "result", "error")
        if name in values
    }
