"""Where tasks stand, for those who wait for them, and how many succeeded lately."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, func, select, text

from flightlog.tasks.table import tasks

_SUCCEEDED = text("state = 'SUCCEEDED'")  # as the index has it


class Standing(NamedTuple):
    """The state of a task, and which round of it that is."""

    state: str
    round_no: int


def standings(connection: Connection, task_ids: Collection[str]) -> dict[str, Standing]:
    """Where these tasks stand, as far as there are any."""
    asked = select(tasks.c.task_id, tasks.c.state, tasks.c.round_no).where(tasks.c.task_id.in_(task_ids))
    return {task_id: Standing(state, round_no) for task_id, state, round_no in connection.execute(asked)}


def count_succeeded(connection: Connection, since_ns: int) -> int:
    """How many tasks have succeeded since then."""
    asked = select(func.count()).select_from(tasks).where(_SUCCEEDED, tasks.c.finished_at > since_ns)
    return int(connection.execute(asked).scalar_one())
