"""A task that is asked for, and the task that it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flightlog.ids import Ids
from flightlog.tasks.pipeline import Pipeline
from flightlog.tasks.story import Call
from flightlog.tasks.task import Task


@dataclass(frozen=True)
class Asked:
    """What a user asks for. `body` is the request as it came, by which the same key means the same request."""

    pipeline: str
    input: Any
    user_id: str
    project: str = "default"
    key: str | None = None
    body: bytes = b""
    priority: int = 0
    units: int = 1
    deadline_at: int | None = None
    call: Call | None = None


def new_task(asked: Asked, pipeline: Pipeline, ids: Ids, now_ns: int) -> Task:
    """The task at its first version."""
    return Task(
        task_id=ids.run_id(now_ns), pipeline=pipeline.name, queue=pipeline.queue, project=asked.project,
        user_id=asked.user_id, state=pipeline.initial, version=1, attempt_no=1, tries=0, deaths=0, round_no=1,
        priority=asked.priority, units=asked.units, input=asked.input, results={}, progress=0, result=None,
        result_until=None, error=None, reason=None, deadline_at=asked.deadline_at, worker_id=None, began_at=None,
        created_at=now_ns, updated_at=now_ns, finished_at=None,
    )  # fmt: skip
