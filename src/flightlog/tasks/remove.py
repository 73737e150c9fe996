"""Removing tasks that are over, once they were kept long enough; a few at a time. The ledger and the events of their runs stay."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from sqlalchemy import Connection, delete, select, tuple_

from flightlog.store.contract import Store, Tx
from flightlog.tasks import keys
from flightlog.tasks.pipeline import ENDS
from flightlog.tasks.table import tasks

ROWS_MAX = 500  # looked at, and at most so many deleted, in one transaction


class Holds(Protocol):
    """Who knows which tasks are under a legal hold."""

    def __call__(self, connection: Connection, task_ids: Collection[str]) -> Collection[str]:
        """Those of these, at most ROWS_MAX, that are to be kept however old they are."""


Place = tuple[int, str]  # in the walk along all tasks: when one was asked for, and its id
BEGINNING: Place = (-1, "")


def remove(store: Store, before_ns: int, holds: Holds, after: Place = BEGINNING) -> tuple[int, Place | None]:
    """Remove a piece of the tasks that were over before then, with the keys of requests about them, in the order in which they were
    asked for: how many, and the place to go on after; None where the walk is at its end.

    Whoever is asked about one of them says that there is no such task.
    """
    c = tasks.c
    # No task was over before it was asked for: the walk ends at the first that is too young.
    asked = (
        select(c.created_at, c.task_id, c.state, c.finished_at)
        .where(c.created_at < before_ns, tuple_(c.created_at, c.task_id) > after)
        .order_by(c.created_at, c.task_id)
        .limit(ROWS_MAX)
    )
    with store.read() as connection:
        rows = connection.execute(asked).all()
        old = {row.task_id for row in rows if row.state in ENDS and row.finished_at < before_ns}
        free = old - set(holds(connection, old)) if old else old
    gone = store.write(lambda tx: _remove(tx, free, before_ns, holds)) if free else 0
    return gone, (rows[-1].created_at, rows[-1].task_id) if len(rows) == ROWS_MAX else None


def _remove(tx: Tx, task_ids: Collection[str], before_ns: int, holds: Holds) -> int:
    """Those that are still over and free: somebody may have retried or held one since it was looked at."""
    c = tasks.c
    over = c.task_id.in_(task_ids), c.state.in_(ENDS), c.finished_at < before_ns
    found = {row.task_id: row for row in tx.sql.execute(select(c.task_id, c.user_id, c.created_at).where(*over))}
    for task_id in holds(tx.sql, found.keys()) if found else ():
        del found[task_id]
    if found:
        keys.forget_tasks(tx, found.values())
        tx.sql.execute(delete(tasks).where(c.task_id.in_(found)))
    return len(found)
