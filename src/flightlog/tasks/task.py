"""A task as it stands."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, select

from flightlog.errors import TaskNotFound
from flightlog.store.contract import Tx
from flightlog.store.prepared import Prepared
from flightlog.tasks.pipeline import ENDS
from flightlog.tasks.table import tasks

ERASED = "[erased]"  # in the place of what an erasure took


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A task as it stands. Times are nanoseconds since 1970; `progress` is in thousandths and never falls within a round.

    `attempt_no` counts who had it to work on; `tries` the failed ones of this round; `round_no` how often somebody asked for it.
    `version` goes up by one with each move, and whoever writes has to name the one that was read. `updated_at` is when it was
    last moved. `worker_id` and `began_at` are whose it is and since when, while somebody works on it. A task that SUCCEEDED and
    has no `result_until` had a result, whose time is over.
    """

    task_id: str
    pipeline: str
    queue: str
    project: str
    user_id: str
    state: str
    version: int
    attempt_no: int
    tries: int
    deaths: int
    round_no: int
    priority: int
    units: int
    input: Any
    results: dict[str, Any]
    progress: int
    result: Any
    result_until: int | None
    error: dict[str, Any] | None
    reason: str | None
    deadline_at: int | None
    worker_id: str | None
    began_at: int | None
    created_at: int
    updated_at: int
    finished_at: int | None

    @property
    def is_over(self) -> bool:
        """Whether it ended, one way or another."""
        return self.state in ENDS

    @property
    def is_erased(self) -> bool:
        """Whether an erasure took what it was given: then nobody can do it again."""
        return bool(self.input == ERASED)

    @property
    def run_id(self) -> str:
        """The run that tells its story."""
        return self.task_id

    @property
    def trace_id(self) -> str:
        """The trace of its run, in the form of W3C Trace Context."""
        return sha256(self.task_id.encode()).hexdigest()[:32]

    @property
    def root_span_id(self) -> str:
        """The span that is the whole run."""
        return _span_id(self.task_id)

    @property
    def step_span_id(self) -> str:
        """The span of the step that this attempt is in."""
        return _span_id(f"{self.task_id}.{self.attempt_no}.{self.state}")

    @property
    def source(self) -> str:
        """What the ledger calls this round."""
        return f"round-{self.round_no}"


def _span_id(words: str) -> str:
    return sha256(words.encode()).hexdigest()[:16]


_NAMES = tuple(column.name for column in tasks.columns)
_ONE = Prepared(select(tasks).where(tasks.c.task_id == bindparam("key")))
_JSON = frozenset({"input", "results", "result", "error"})


def task_of(row: Row[Any]) -> Task:
    """The task in a row of its table."""
    return _made(dict(row._mapping))


def _made(said: dict[str, Any]) -> Task:
    for name in _JSON:
        said[name] = None if said[name] is None else msgspec.json.decode(said[name])
    return Task(**said)


def answer_of(task: Task) -> str:
    """What is kept of an answer about a task; the input is the task's own, and never changes."""
    return msgspec.json.encode(msgspec.structs.replace(task, input=None, results={}, result=None)).decode()


def task_in(tx: Tx, task_id: str) -> Task:
    """The task as it stands in an open transaction. Raises TaskNotFound."""
    found = tasks_in(tx, [task_id])
    if not found:
        raise TaskNotFound(task_id=task_id)
    return found[task_id]


def tasks_in(tx: Tx, task_ids: Sequence[str]) -> dict[str, Task]:
    """Those of these tasks that there are, as they stand in an open transaction."""
    is_one = len(task_ids) == 1
    found = _ONE.run(tx, key=task_ids[0]).fetchall() if is_one else tx.find_rows(tasks, "task_id", task_ids)
    made = (_made(dict(zip(_NAMES, row, strict=True))) for row in found)
    return {task.task_id: task for task in made}


def read_task(connection: Connection, task_id: str) -> Task:
    """Raises TaskNotFound."""
    row = connection.execute(select(tasks).where(tasks.c.task_id == task_id)).first()
    if row is None:
        raise TaskNotFound(task_id=task_id)
    return task_of(row)
