"""One move of a task: the row by its version, what ledger, outbox and dead letters have to know of it, and its events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import msgspec
from sqlalchemy import bindparam, insert, update

from flightlog.clock import Clock
from flightlog.errors import MoveIllegal, VersionConflict
from flightlog.events.envelope import Event
from flightlog.ids import Ids
from flightlog.journal.append import Journal
from flightlog.outbox.put import NewMessage, new_message, put, put_all
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
    def hold_all(self, tx: Tx, held: Sequence[tuple[str, str, str, int, int]]) -> Sequence[Exception | None]:
        """Several, each as `(user_id, task_id, source, units, now_ns)`: for each None, or why nothing is held for it."""

    def commit(self, tx: Tx, user_id: str, task_id: str, source: str, units: int, now_ns: int) -> None: ...
    def release(self, tx: Tx, user_id: str, task_id: str, source: str, units: int, now_ns: int) -> None: ...
    def end_all(self, tx: Tx, ended: Sequence[tuple[str, str, str, str, int, int]]) -> None:
        """Several that are committed or released: each as `(entry, user_id, task_id, source, units, now_ns)`."""


class Letters(Protocol):
    """Who keeps what failed for good, in the transaction of the move."""

    def put(self, tx: Tx, task: Task, now_ns: int) -> object:
        """`task` failed. It is handed over as it was then: in the state where it failed, with its last worker, and the error."""

    def resolve(self, tx: Tx, task: Task, now_ns: int) -> object:
        """`task` succeeded in a later round than its first: what it failed of before is settled."""


class Move(NamedTuple):
    """A move as it is to be written down: the task before and after, the columns that differ, and what others have to know of it.
    `entry` is that of the ledger.
    """

    before: Task
    after: Task
    changes: dict[str, Any]
    entry: str | None
    message: NewMessage | None
    events: list[Event]


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

    def beginning(self, task: Task, call: Call | None = None) -> list[Event]:
        """The events that tell of a new task; nothing is written."""
        return self._cleaned(story(None, task, call=call, ledger=HELD))

    def create_all(self, tx: Tx, new: Sequence[tuple[Task, list[Event]]]) -> list[Exception | None]:
        """Put new tasks in, each with its `beginning`, hold what they may use, and have them told: for each None, or why it is not
        there, as QuotaExceeded.
        """
        holds = [(task.user_id, task.task_id, task.source, task.units, task.created_at) for task, _ in new]
        refused = list(self.ledger.hold_all(tx, holds))
        taken = [one for one, why in zip(new, refused, strict=True) if why is None]
        rows = [msgspec.structs.asdict(task) for task, _ in taken]
        if len(rows) == 1:
            _INSERT.run(tx, **rows[0] | _as_json(rows[0]))
        elif rows:
            names = tuple(rows[0])
            tx.insert_rows(tasks, names, [tuple((row | _as_json(row))[name] for name in names) for row in rows])
        put_all(tx, [_message("task.created", task) for task, _ in taken])
        if taken:
            self.journal.append_in(tx, [event for _, events in taken for event in events])
        return refused

    def plan(
        self,
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
    ) -> Move:
        """The move of a task into its next state; nothing is written.

        `changes` are other fields of it. `available_at` is when a task that goes back to QUEUED is to be worked on. The others are
        what its story tells, see `story`. Raises MoveIllegal where the pipeline has no such move.
        """
        if not pipeline.allows(task.state, to):
            raise MoveIllegal(task_id=task.task_id, before=task.state, after=to)
        now = max(self.clock.now_ns(), task.updated_at)
        changes |= {"state": to, "version": task.version + 1, "updated_at": now}
        if to in ENDS or to == QUEUED:
            changes |= {"worker_id": None, "began_at": None}
        if to in ENDS:
            changes["finished_at"] = now
        moved = msgspec.structs.replace(task, **changes)
        entry = _entry(task, moved)
        message = None
        if to in TOPICS:
            message = _message(TOPICS[to], moved)
        elif to == QUEUED and task.state != pipeline.initial:
            message = _message("task.requeued", moved, available_at)
        events = story(task, moved, why=why, call=call, ended=ended, begins=begins, ledger=entry)
        return Move(task, moved, changes, entry, message, events)

    def move(self, tx: Tx, task: Task, pipeline: Pipeline, to: str, **said: Any) -> Task:
        """Plan a move, and apply it: the task in its next state. Raises what both raise."""
        return self.apply(tx, [self.plan(task, pipeline, to, **said)])

    def apply(self, tx: Tx, moves: Sequence[Move]) -> Task:
        """Write moves down, all of a kind at once: rows, ledger, outbox, events, letters. The task that the last of them moved.

        Several moves of one task follow one another. Raises VersionConflict where a task was moved since it was read.
        """
        self._write(tx, moves)
        _enter(tx, self.ledger, moves)
        put_all(tx, [move.message for move in moves if move.message is not None])
        self._record(tx, [event for move in moves for event in move.events])
        if self.letters is not None:
            for move in moves:
                _post(tx, self.letters, move.before, move.after)
        return moves[-1].after

    def note(self, tx: Tx, task: Task, **changes: Any) -> Task:
        """Change fields that are not its state, such as progress. Raises VersionConflict."""
        _write_one(tx, task, changes)
        return msgspec.structs.replace(task, **changes)

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

    @staticmethod
    def _write(tx: Tx, moves: Sequence[Move]) -> None:
        """The rows, each once. Where there are many, whoever applies them has read them in this transaction."""
        first: dict[str, Task] = {}
        changed: dict[str, dict[str, Any]] = {}
        for move in moves:
            first.setdefault(move.after.task_id, move.before)
            changed.setdefault(move.after.task_id, {}).update(move.changes)
        alike: dict[tuple[str, ...], list[str]] = {}
        for task_id, changes in changed.items():
            alike.setdefault(tuple(sorted(changes)), []).append(task_id)
        for names, task_ids in alike.items():
            if len(task_ids) == 1:
                _write_one(tx, first[task_ids[0]], {name: changed[task_ids[0]][name] for name in names})
                continue
            rows = [_row_of(task_id, names, changed[task_id]) for task_id in task_ids]
            if tx.update_rows(tasks, ("task_id", *names), rows) != len(rows):
                raise VersionConflict(task_id=task_ids[0], version=first[task_ids[0]].version)

    def _record(self, tx: Tx, events: list[Event]) -> None:
        self.journal.append_in(tx, self._cleaned(events))

    def _cleaned(self, events: list[Event]) -> list[Event]:
        return events if self.intake is None else [self.intake.prepare(event) for event in events]


def _entry(before: Task, after: Task) -> str | None:
    """What the ledger has to know of a move."""
    if after.state == SUCCEEDED:
        return COMMITTED
    if after.state in ENDS:
        return RELEASED
    return HELD if before.state in ENDS else None


def _enter(tx: Tx, ledger: Ledger, moves: Sequence[Move]) -> None:
    entries = [
        (move.entry, (task.user_id, task.task_id, task.source, task.units, task.updated_at))
        for move in moves
        if move.entry is not None and (task := move.after)
    ]
    if len(entries) > 1 and all(entry != HELD for entry, _ in entries):
        ledger.end_all(tx, [(entry, *account) for entry, account in entries])
        return
    enter = {HELD: ledger.hold, COMMITTED: ledger.commit, RELEASED: ledger.release}
    for entry, account in entries:
        enter[entry](tx, *account)


def _post(tx: Tx, letters: Letters, before: Task, after: Task) -> None:
    if after.state == FAILED:
        as_it_failed = msgspec.structs.replace(after, state=before.state, worker_id=before.worker_id)
        letters.put(tx, as_it_failed, after.updated_at)
    elif after.state == SUCCEEDED and after.round_no > 1:
        letters.resolve(tx, after, after.updated_at)


def _message(topic: str, task: Task, available_at: int | None = None) -> NewMessage:
    return new_message(
        event_id=f"{task.task_id}-{task.version}", topic=topic, task_id=task.task_id, now_ns=task.updated_at,
        available_at=available_at, state=task.state, queue=task.queue, attempt_no=task.attempt_no, version=task.version,
        user_id=task.user_id, priority=task.priority,
    )  # fmt: skip


def _write_one(tx: Tx, task: Task, changes: dict[str, Any]) -> None:
    write = _update_of(tuple(changes))
    if not write.run(tx, key=task.task_id, read=task.version, **changes | _as_json(changes)).rowcount:
        raise VersionConflict(task_id=task.task_id, version=task.version)


def _row_of(task_id: str, names: tuple[str, ...], changes: dict[str, Any]) -> tuple[Any, ...]:
    said = changes | _as_json(changes)
    return (task_id, *(said[name] for name in names))


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
