"""Writing dead letters, in the transaction of what failed, and settling them in that of what succeeds after all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update

from flightlog.deadletters.fingerprint import fingerprint
from flightlog.deadletters.table import IS_UNDER_WAY, dead_letters, replay_items
from flightlog.events.envelope import FLAG_WITHHELD, Event
from flightlog.journal.append import Journal
from flightlog.store.contract import Tx

TASK, OUTBOX = "task", "outbox"
SOURCES = (TASK, OUTBOX)
OPEN, REPLAYED, RESOLVED = "OPEN", "REPLAYED", "RESOLVED"
STATUSES = (OPEN, REPLAYED, RESOLVED)
ERROR, UNRECOVERABLE, POISON, DEADLINE, UNDELIVERED = "error", "unrecoverable", "poison", "deadline", "undelivered"
CAUSES = (ERROR, UNRECOVERABLE, POISON, DEADLINE, UNDELIVERED)
MESSAGE_CHARS_MAX = 2_000
EVENT_SOURCE = "tasks"
EVENT_PREFIX = "dead-letter-"  # of the id of the event that tells of a letter


class FailedTask(Protocol):
    """A task as it failed: in the state where it did, with the worker that had it last, and the error."""

    @property
    def task_id(self) -> str: ...
    @property
    def pipeline(self) -> str: ...
    @property
    def queue(self) -> str: ...
    @property
    def project(self) -> str: ...
    @property
    def user_id(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def attempt_no(self) -> int: ...
    @property
    def tries(self) -> int: ...
    @property
    def deaths(self) -> int: ...
    @property
    def round_no(self) -> int: ...
    @property
    def input(self) -> Any: ...
    @property
    def error(self) -> dict[str, Any] | None: ...
    @property
    def worker_id(self) -> str | None: ...
    @property
    def trace_id(self) -> str: ...
    @property
    def root_span_id(self) -> str: ...


class DeadMessage(Protocol):
    """A message of the outbox that is given up."""

    @property
    def event_id(self) -> str: ...
    @property
    def topic(self) -> str: ...
    @property
    def task_id(self) -> str: ...
    @property
    def attempts(self) -> int: ...


class Intake(Protocol):
    """The care that events get before they are stored: secrets out, size within its limit."""

    def prepare(self, event: Event) -> Event: ...


FindTask = Callable[[Connection, str], FailedTask | None]


class DeadLetters:
    """Writes letters. Every task that goes to FAILED is one, whatever the cause; one that is canceled is none.

    `find_task` gives the task of a message, of which the message itself knows little.
    """

    def __init__(self, journal: Journal, intake: Intake, find_task: FindTask | None = None) -> None:
        self._journal = journal
        self._intake = intake
        self._find_task = find_task

    def put(self, tx: Tx, task: FailedTask, now_ns: int) -> str:
        """The letter of a task that failed, and the event on its run that tells of it; the letter's id.

        What this task failed of before was done again by now, and is not open any more.
        """
        error = task.error or {}
        replay_of, replays = self._before(tx, task, now_ns) if task.round_no > 1 else (None, 0)
        row = _of_task(task) | {
            "letter_id": f"{task.task_id}.{task.round_no}",
            "source": TASK,
            "cause": cause_of(error),
            "event_id": None,
            "topic": None,
            "round_no": task.round_no,
            "attempts": task.attempt_no,
            "failed_at": now_ns,
            "replay_of": replay_of,
            "replays": replays,
        }
        said = _text(error.get("kind")) or "error", _text(error.get("message"))
        return self._write(tx, row, said, (task.pipeline, task.state), task.trace_id, task.root_span_id)

    def put_message(self, tx: Tx, message: DeadMessage, error: Mapping[str, Any] | str, now_ns: int) -> str:
        """The same for a message of the outbox that nobody takes. `error` is what its handler said last."""
        task = self._find_task(tx.sql, message.task_id) if self._find_task is not None else None
        died_before, replay_of, replays = self._died_before(tx, message)
        row = (_NO_TASK if task is None else _of_task(task)) | {
            "letter_id": f"{message.event_id}.{died_before + 1}",
            "source": OUTBOX,
            "cause": UNDELIVERED,
            "task_id": message.task_id,
            "event_id": message.event_id,
            "topic": message.topic,
            "round_no": died_before + 1,
            "attempts": message.attempts,
            "failed_at": now_ns,
            "replay_of": replay_of,
            "replays": replays,
        }
        said = _said(error)
        trace = (None, None) if task is None else (task.trace_id, task.root_span_id)
        return self._write(tx, row, said, (row["pipeline"], message.topic), *trace)

    def resolve(self, tx: Tx, task: Any, now_ns: int) -> None:
        """`task` succeeded in a later round than its first: what it failed of before is settled."""
        tx.sql.execute(_RESOLVE, {"of_task": task.task_id, "at": now_ns})

    # ── how it is done ───────────────────────────────────────────────────────────────────────────────────────────

    def _before(self, tx: Tx, task: FailedTask, now_ns: int) -> tuple[str | None, int]:
        """The letter that this round is a replay of, and how long the chain is by now. Letters before it are open no more."""
        tx.sql.execute(_DONE_AGAIN, {"of_task": task.task_id, "at": now_ns})
        last = max(self._chain(tx, task.task_id, None), key=lambda link: link.round_no, default=None)
        return (None, 0) if last is None else (last.letter_id, last.replays + 1)

    def _died_before(self, tx: Tx, message: DeadMessage) -> tuple[int, str | None, int]:
        """How often this message died before, of which letter that was the last, and how long the chain is by now."""
        last = max(self._chain(tx, message.task_id, message.event_id), key=lambda link: link.round_no, default=None)
        return (0, None, 0) if last is None else (last.round_no, last.letter_id, last.replays + 1)

    @staticmethod
    def _chain(tx: Tx, task_id: str, event_id: str | None) -> list[Any]:
        """The letters of this task, or of this message of it, so far. One that was deleted when it was replayed is known by the
        plan that did it.
        """
        links = [link for asked in _LINKS for link in tx.sql.execute(asked, {"of_task": task_id})]
        return [link for link in links if link.event_id == event_id]

    def _write(
        self,
        tx: Tx,
        row: dict[str, Any],
        said: tuple[str, str],
        where: tuple[str | None, ...],
        trace_id: str | None,
        span_id: str | None,
    ) -> str:
        """Store the letter and its event, of which both know the message only as it may be stored."""
        kind, message = self._clean(row, said)
        row |= {"kind": kind, "message": message, "fingerprint": fingerprint(kind, message, *where)}
        row |= {"status": OPEN, "changed_at": row["failed_at"], "plan_id": None}
        tx.sql.execute(insert(dead_letters), row)
        told = {name: row[name] for name in _TOLD if row[name] is not None}
        event = Event(
            event_id=EVENT_PREFIX + row["letter_id"],
            type="dead_letter",
            created_at=row["failed_at"],
            run_id=row["task_id"],
            project=row["project"],
            name=row["pipeline"] or row["topic"],
            level="error",
            source=EVENT_SOURCE,
            actor=row["user_id"],
            task_id=row["task_id"],
            trace_id=trace_id,
            span_id=span_id,
            payload=msgspec.Raw(msgspec.json.encode(told)),
        )
        self._journal.append_in(tx, [self._intake.prepare(event)])
        return str(row["letter_id"])

    def _clean(self, row: dict[str, Any], said: tuple[str, str]) -> tuple[str, str]:
        """Kind and message without secrets, the message no longer than a letter's may be."""
        body = msgspec.Raw(msgspec.json.encode({"kind": said[0], "message": said[1]}))
        event = Event(event_id=row["letter_id"], type="error", created_at=row["failed_at"], payload=body)
        kept = self._intake.prepare(event)
        found = msgspec.json.decode(bytes(kept.payload))
        if kept.flags & FLAG_WITHHELD:
            return "withheld", _text(found.get("withheld"))
        return _text(found.get("kind"))[:128], _text(found.get("message"))[:MESSAGE_CHARS_MAX]


def cause_of(error: Mapping[str, Any]) -> str:
    """Why a task failed for good: one of CAUSES.

    >>> cause_of({"kind": "poison"}), cause_of({"kind": "OSError"}), cause_of({"kind": "Unrecoverable"})
    ('poison', 'error', 'unrecoverable')
    """
    kind = _text(error.get("kind"))
    if kind in (POISON, DEADLINE):
        return kind
    return UNRECOVERABLE if error.get("unrecoverable") or kind == "Unrecoverable" else ERROR


_TOLD = (
    "letter_id", "source", "cause", "kind", "message", "fingerprint", "pipeline", "queue", "state", "topic", "event_id",
    "round_no", "attempts", "tries", "deaths", "worker_id", "input_digest", "replay_of", "replays",
)  # fmt: skip
_NO_TASK: dict[str, Any] = {
    "pipeline": None, "queue": None, "state": None, "user_id": None, "project": "default", "tries": 0, "deaths": 0,
    "worker_id": None, "input_digest": None,
}  # fmt: skip
_OF_TASK = (dead_letters.c.task_id == bindparam("of_task"), dead_letters.c.source == TASK)
_DONE_AGAIN = (
    update(dead_letters)
    .where(*_OF_TASK, dead_letters.c.status == OPEN)
    .values(status=REPLAYED, changed_at=bindparam("at"))
)
_RESOLVE = (
    update(dead_letters)
    .where(*_OF_TASK, dead_letters.c.status != RESOLVED)
    .values(status=RESOLVED, changed_at=bindparam("at"))
)


_LINK = ("letter_id", "event_id", "round_no", "replays")
_LINKS = (
    select(*(dead_letters.c[name] for name in _LINK)).where(dead_letters.c.task_id == bindparam("of_task")),
    select(*(replay_items.c[name] for name in _LINK)).where(
        replay_items.c.task_id == bindparam("of_task"), IS_UNDER_WAY
    ),
)


def _of_task(task: FailedTask) -> dict[str, Any]:
    return {
        "task_id": task.task_id, "pipeline": task.pipeline, "queue": task.queue, "state": task.state,
        "user_id": task.user_id, "project": task.project, "tries": task.tries, "deaths": task.deaths,
        "worker_id": task.worker_id, "input_digest": digest_of(task.input),
    }  # fmt: skip


def digest_of(given: Any) -> str:
    """What two inputs have in common that are the same."""
    return "sha256:" + sha256(msgspec.json.encode(given, order="sorted")).hexdigest()


def _said(error: Mapping[str, Any] | str) -> tuple[str, str]:
    if isinstance(error, str):
        kind, colon, rest = error.partition(": ")
        return (kind, rest) if colon and kind.isidentifier() else ("undelivered", error)
    return _text(error.get("kind")) or "undelivered", _text(error.get("message"))


def _text(said: Any) -> str:
    """Text that both databases can hold: no halves of surrogate pairs, no zero characters."""
    if said is None:
        return ""
    text = said if isinstance(said, str) else msgspec.json.encode(said).decode("utf-8", "replace")
    return text.encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")
