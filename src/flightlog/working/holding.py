"""Where tasks meet legal holds: which of them are to be kept, because the run that tells of them is held."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import Connection, select

from flightlog.retention.holds import Hold, asking
from flightlog.tasks.story import RUN_STATUS, SOURCE
from flightlog.tasks.table import tasks
from flightlog.tasks.task import Task

_LARGE: dict[str, Any] = {"input": None, "results": {}, "result": None, "error": None, "reason": None}
_SMALL = [column for column in tasks.columns if column.name not in _LARGE]


def held_tasks(connection: Connection, task_ids: Collection[str]) -> dict[str, Hold]:
    """Those of these tasks, at most 500, that are under a hold, each with one that it is under.

    A task is under every hold that the first or the last event of its run, or one of its moves, is under; whether those events
    are still there or not. One that names the run or the task is on it whatever else it says.
    """
    hold_of = asking(connection)
    if hold_of is None:
        return {}
    found: dict[str, Hold] = {}
    for row in connection.execute(select(*_SMALL).where(tasks.c.task_id.in_(task_ids))):
        task = Task(**row._mapping, **_LARGE)
        hold = next((hold for said in _told(task) if (hold := hold_of(said)) is not None), None)
        if hold is not None:
            found[task.task_id] = hold
    return found


def _told(task: Task) -> Iterator[dict[str, Any]]:
    """What the envelopes say of the events by which its story begins and ends."""
    same = {
        "run_id": task.run_id, "task_id": task.task_id, "trace_id": task.trace_id, "span_id": task.root_span_id,
        "project": task.project, "actor": task.user_id, "source": SOURCE, "name": task.pipeline,
    }  # fmt: skip
    end = task.finished_at or task.updated_at
    level = "error" if task.state == "FAILED" else "info"
    yield same | {"type": "run_started", "level": "info", "created_at": task.created_at}
    yield same | {"type": "task_transition", "level": "info", "created_at": end}
    yield same | {"type": "run_finished", "level": level, "status": RUN_STATUS.get(task.state), "created_at": end}
