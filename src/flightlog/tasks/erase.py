"""The part of an erasure that tasks hold: what the work was given and what came of it goes; that there was a task, whose and how it
ended stays.

A task under way needs its input. So it is not erased: it is canceled first, or waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, case, func, null, select, update

from flightlog.errors import TaskUnderWay
from flightlog.journal.filter import EventFilter
from flightlog.journal.lookup import chunks, rows_at
from flightlog.outbox.table import outbox_events
from flightlog.store.contract import Tx
from flightlog.tasks import keys
from flightlog.tasks.pipeline import ENDS
from flightlog.tasks.table import IS_OPEN, idempotency_keys, task_action_idempotency, tasks
from flightlog.tasks.task import ERASED

ERASED_ERROR = {"kind": ERASED, "message": ERASED}
# What others said of a run: a comment that goes takes nothing of the task.
ABOUT = frozenset({"audit", "feedback", "dead_letter_replayed"})

_HELD = tuple(tasks.c[name] for name in ("input", "results", "result", "error", "reason"))
_ERASED_INPUT = msgspec.json.encode(ERASED).decode()
_EMPTY: dict[str, Any] = {
    "input": _ERASED_INPUT,
    "results": "{}",
    "result": None,
    "result_until": None,
    "error": case((tasks.c.error.is_(None), null()), else_=msgspec.json.encode(ERASED_ERROR).decode()),
    "reason": case((tasks.c.reason.is_(None), null()), else_=ERASED),
}


def erase(tx: Tx, ids: Sequence[int]) -> None:
    """Forget what tasks share with the payloads of these events: those of a task's run take all that its row holds."""
    empty(tx, _runs_of(tx.sql, ids))


def empty(tx: Tx, task_ids: Collection[str]) -> int:
    """Forget what these tasks were given, what came of them, and what answers under their keys say; how many there were."""
    found = 0
    for some in chunks(sorted(task_ids)):
        mine = tasks.c.task_id.in_(some)
        owners = tx.sql.execute(select(tasks.c.task_id, tasks.c.user_id, tasks.c.created_at).where(mine)).all()
        if owners:
            found += tx.sql.execute(update(tasks).where(mine).values(_EMPTY)).rowcount
            keys.forget_words(tx, owners, {"error": ERASED_ERROR, "reason": ERASED})
    return found


def guard_of(connection: Connection) -> Callable[[Sequence[int]], None] | None:
    """What raises TaskUnderWay where one of some events is of a task that is not over; None where all are."""
    if connection.execute(select(tasks.c.task_id).where(IS_OPEN).limit(1)).first() is None:
        return None

    def check(ids: Sequence[int]) -> None:
        for some in chunks(sorted(_runs_of(connection, ids))):
            asked = select(tasks.c.task_id, tasks.c.state).where(IS_OPEN, tasks.c.task_id.in_(some)).limit(1)
            for task_id, state in connection.execute(asked):
                raise TaskUnderWay(task_id=task_id, state=state)

    return check


def _runs_of(connection: Connection, ids: Sequence[int]) -> set[str]:
    return {
        run_id
        for _, type_, run_id in rows_at(connection, ("id", "type", "run_id"), ids)
        if run_id and type_ not in ABOUT
    }


# ── tasks that are kept longer than their events ─────────────────────────────────────────────────────────────────────


def left_over(connection: Connection, wanted: EventFilter, count: int) -> list[tuple[str, str]]:
    """At most so many tasks that are over, hold something, and whose events pass a filter, be they there or not: the id of each,
    and what it holds.

    Only what is true of all events of a task's run is asked of it: the run, the task, its user and project, and the time at
    which it was asked for. A filter that asks for more finds none.
    """
    asked = _asked(wanted)
    rows = () if asked is None else connection.execute(asked.limit(count))
    return [(task_id, "".join(text for text in held if text)) for task_id, *held in rows]


def _asked(wanted: EventFilter) -> Select[Any] | None:
    known = {name: getattr(wanted, name) for name in ("run_id", "task_id", "actors", "project", "since", "until")}
    if wanted != EventFilter(**known):
        return None
    asked = (
        select(tasks.c.task_id, *_HELD)
        .where(tasks.c.state.in_(ENDS), tasks.c.input != _ERASED_INPUT)
        .order_by(tasks.c.task_id)
    )
    for name, column in (("run_id", tasks.c.task_id), ("task_id", tasks.c.task_id), ("project", tasks.c.project)):
        if known[name] is not None:
            asked = asked.where(column == known[name])
    if wanted.actors:
        asked = asked.where(tasks.c.user_id.in_(wanted.actors))
    if wanted.since is not None:
        asked = asked.where(tasks.c.created_at >= wanted.since)
    if wanted.until is not None:
        asked = asked.where(tasks.c.created_at < wanted.until)
    return asked


def stands(connection: Connection, piece: str) -> bool:
    """Whether this piece of an erased payload also stands in what stays of tasks: in a task that was not erased, or among the
    states and numbers that messages and answers under keys consist of.
    """
    answers = (idempotency_keys.c.answer, task_action_idempotency.c.answer)
    place_of = func.instr if connection.dialect.name == "sqlite" else func.strpos
    asked = [select(column).where(place_of(column, piece) > 0) for column in (outbox_events.c.payload, *answers)]
    asked += [select(column).where(place_of(column, piece) > 0, tasks.c.input != _ERASED_INPUT) for column in _HELD]
    return any(connection.execute(one.limit(1)).first() is not None for one in asked)
