"""Reading tasks: page by page, the newest first, and how many there are in each state."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, func, literal, select, tuple_

from flightlog.config import Settings
from flightlog.errors import CursorInvalid, LimitInvalid
from flightlog.journal.filter import INT64_MAX, is_storable
from flightlog.store.contract import Store
from flightlog.tasks.pipeline import ENDS
from flightlog.tasks.table import tasks

COUNTED_MAX = 10_000  # tasks of one state; where there are more, that is said
DEFAULTS = Settings()


class TaskFilter(NamedTuple):
    """Which tasks: all that is given has to hold. `text` is what an id begins with; times are nanoseconds since 1970, the first
    included and the last not.
    """

    states: tuple[str, ...] = ()
    pipeline: str | None = None
    queue: str | None = None
    user_id: str | None = None
    project: str | None = None
    since: int | None = None
    until: int | None = None
    text: str | None = None


ALL_TASKS = TaskFilter()


class TaskRow(msgspec.Struct, frozen=True, kw_only=True):
    """A task in a list: what `Task` has, without its input and results. `has_result` is whether its result can be read."""

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
    progress: int
    error: dict[str, Any] | None
    reason: str | None
    deadline_at: int | None
    worker_id: str | None
    began_at: int | None
    result_until: int | None
    created_at: int
    updated_at: int
    finished_at: int | None

    @property
    def is_over(self) -> bool:
        """Whether it ended, one way or another."""
        return self.state in ENDS


class TaskPage(msgspec.Struct, frozen=True):
    """Tasks, the newest first, and the cursor of the next page; None on the last."""

    tasks: list[TaskRow]
    next_cursor: str | None


class StateCount(msgspec.Struct, frozen=True):
    """How many tasks are in a state; `is_more` where there are more than were counted."""

    state: str
    count: int
    is_more: bool


class _Cursor(NamedTuple):
    created_at: int
    task_id: str


_COLUMNS = [tasks.c[name] for name in TaskRow.__struct_fields__]


def list_tasks(
    store: Store,
    filter: TaskFilter = ALL_TASKS,  # noqa: A002
    *,
    limit: int | None = None,
    cursor: str | None = None,
    settings: Settings = DEFAULTS,
) -> TaskPage:
    """A page of tasks, the newest first. Raises LimitInvalid, CursorInvalid."""
    limit = min(settings.page_events_default, settings.page_events_max) if limit is None else limit
    if not 1 <= limit <= settings.page_events_max:
        raise LimitInvalid(limit=limit, limit_max=settings.page_events_max)
    last = None if cursor is None else _open_cursor(cursor)
    if not is_askable(filter):
        return TaskPage([], None)
    found: list[TaskRow] = []
    with store.read() as connection:
        # State by state, each along its index, so that a rare one does not cost a walk past all others.
        for state in filter.states or (None,):
            found += map(_row, connection.execute(page_of(filter, state, last, limit + 1)))
    found.sort(key=lambda task: (task.created_at, task.task_id), reverse=True)
    page = found[:limit]
    more = len(found) > limit
    return TaskPage(page, _make_cursor(_Cursor(page[-1].created_at, page[-1].task_id)) if more else None)


def page_of(filter: TaskFilter, state: str | None, last: _Cursor | None, count: int) -> Select[Any]:  # noqa: A002
    """The rows of one page in this state, or in any."""
    wanted = select(*_COLUMNS).where(*_conditions(filter))
    if state is not None:
        wanted = wanted.where(tasks.c.state == state)
    if last is not None:
        here = tuple_(tasks.c.created_at, tasks.c.task_id)
        wanted = wanted.where(here < tuple_(literal(last.created_at), literal(last.task_id)))
    return wanted.order_by(tasks.c.created_at.desc(), tasks.c.task_id.desc()).limit(count)


def count_states(store: Store, filter: TaskFilter = ALL_TASKS) -> list[StateCount]:  # noqa: A002
    """How many tasks pass the filter in each state, whatever states it asks for; in the order of the alphabet."""
    filter = filter._replace(states=())  # noqa: A001
    if not is_askable(filter):
        return []
    counts = []
    with store.read() as connection:
        for state in _states(connection):
            some = select(tasks.c.state).where(tasks.c.state == state, *_conditions(filter)).limit(COUNTED_MAX + 1)
            found = int(connection.execute(select(func.count()).select_from(some.subquery())).scalar_one())
            if found:
                counts.append(StateCount(state, min(found, COUNTED_MAX), found > COUNTED_MAX))
    return counts


def _states(connection: Connection) -> list[str]:
    """The states that any task is in: a step in the index for each."""
    found: list[str] = []
    while True:
        beyond = select(func.min(tasks.c.state)).where(tasks.c.state > (found[-1] if found else ""))
        state = connection.execute(beyond).scalar()
        if state is None:
            return found
        found.append(state)


def is_askable(filter: TaskFilter) -> bool:  # noqa: A002
    """Whether the database can be asked this at all; what it can't be asked, no task has."""
    words = (*filter.states, filter.pipeline, filter.queue, filter.user_id, filter.project, filter.text)
    return all(is_storable(word) for word in words if word is not None)


def _conditions(filter: TaskFilter) -> list[ColumnElement[bool]]:  # noqa: A002
    columns = tasks.c
    named = {
        columns.pipeline: filter.pipeline, columns.queue: filter.queue, columns.user_id: filter.user_id,
        columns.project: filter.project,
    }  # fmt: skip
    made = [column == value for column, value in named.items() if value is not None]
    if filter.since is not None:
        made.append(columns.created_at >= _in_range(filter.since))
    if filter.until is not None:
        made.append(columns.created_at < _in_range(filter.until))
    if filter.text:
        made.append(columns.task_id.startswith(filter.text, autoescape=True))
    return made


def _in_range(at: int) -> int:
    """A time that a database can compare with: every task is between the first and the last of those."""
    return max(-INT64_MAX, min(at, INT64_MAX))


def _row(row: Any) -> TaskRow:
    said = dict(row._mapping)
    said["error"] = None if said["error"] is None else msgspec.json.decode(said["error"])
    return TaskRow(**said)


def _make_cursor(last: _Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(last)).decode().rstrip("=")


def _open_cursor(cursor: str) -> _Cursor:
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        last = msgspec.json.decode(data, type=_Cursor)
    except (ValueError, msgspec.DecodeError) as error:
        raise CursorInvalid(cursor=cursor) from error
    if not -INT64_MAX <= last.created_at <= INT64_MAX or not is_storable(last.task_id):
        raise CursorInvalid(cursor=cursor)
    return last
