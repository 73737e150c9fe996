"""What time has run out for: tasks past their deadline, results that were kept long enough."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, TextClause, literal, select, update

from flightlog.store.contract import Tx
from flightlog.tasks.table import IS_OPEN, idempotency_keys, task_action_idempotency, tasks
from flightlog.tasks.task import Task, task_of


def is_over(connection: Connection, now_ns: int) -> tuple[bool, bool, bool]:
    """Whether there are tasks past their deadline, results, and keys whose time is over."""

    def any_of(*where: ColumnElement[bool] | TextClause) -> bool:
        return connection.execute(select(literal(1)).where(*where).limit(1)).first() is not None

    keys = (idempotency_keys, task_action_idempotency)
    return (
        any_of(IS_OPEN, tasks.c.deadline_at <= now_ns),
        any_of(tasks.c.result_until <= now_ns),
        any(any_of(table.c.expires_at <= now_ns) for table in keys),
    )


def due_tasks(connection: Connection, now_ns: int, tasks_max: int) -> list[Task]:
    """At most so many tasks that are not over though their deadline has passed, the oldest deadline first."""
    due = select(tasks).where(IS_OPEN, tasks.c.deadline_at <= now_ns).order_by(tasks.c.deadline_at).limit(tasks_max)
    return [task_of(row) for row in connection.execute(due)]


def drop_results(tx: Tx, now_ns: int, rows_max: int) -> int:
    """Drop at most so many results whose time is over; how many there were. A task without `result_until` is known by that."""
    over = select(tasks.c.task_id).where(tasks.c.result_until <= now_ns).limit(rows_max)
    kept = {"result": None, "results": "{}", "result_until": None}
    return tx.sql.execute(update(tasks).where(tasks.c.task_id.in_(over)).values(kept)).rowcount
