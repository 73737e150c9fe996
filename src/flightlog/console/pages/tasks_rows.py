"""The rows of the task centre: one task each, as far as it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar

from sqlalchemy import select

from flightlog.console import format as fmt
from flightlog.console.blocks import line_of
from flightlog.console.page import Fragment, href
from flightlog.console.payload import entries, words
from flightlog.store.contract import Store
from flightlog.tasks.listing import TaskRow as Listed
from flightlog.tasks.pipeline import CANCELED, FAILED, QUEUED, SUCCEEDED
from flightlog.tasks.table import tasks
from flightlog.tasks.task import Task

PROGRESS_WHOLE = 1_000
_MARKS = {SUCCEEDED: "succeeded", FAILED: "failed", CANCELED: "canceled", QUEUED: "queued"}


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    """One task in the list."""

    task_id: Annotated[str, "Its id; the row is found by it when news arrive."]
    href: Annotated[str, "Its page."]
    short_id: Annotated[str, "Its id, shortened."]
    pipeline: Annotated[str, "What kind of task it is."]
    state: Annotated[str, "The state that it is in."]
    mark: Annotated[str, "The sign of that state: queued, running, succeeded, failed or canceled."]
    told: Annotated[str, "What went wrong last, in one line; may be empty."]
    progress: Annotated[int, "How far it is, in thousandths."]
    percent: Annotated[str, "The same in words."]
    user: Annotated[str, "Whose it is."]
    queue: Annotated[str, "Where it waits for a worker."]
    attempt: Annotated[str, "Which attempt it is at."]
    created: Annotated[fmt.Moment, "When it was accepted."]
    took: Annotated[str, "How long it took, or has taken so far."]
    can_cancel: Annotated[bool, "Whether it is under way, and may be ended."]
    can_retry: Annotated[bool, "Whether it ended without success, and may be done again."]


@dataclass(frozen=True, kw_only=True)
class TaskRows(Fragment):
    """A stretch of the list: what a script puts under the rows that are there, or in their place."""

    template: ClassVar[str] = "_tasks_rows.html"

    rows: Annotated[list[TaskRow], "The tasks."]
    more: Annotated[str | None, "The rows that follow, if any do."]


def task_rows(found: Iterable[Listed], now_ns: int, *, acts: bool) -> list[TaskRow]:
    """These tasks as rows, seen at `now_ns`; `acts` is whether something may be done to them here."""
    return [task_row(task, now_ns, acts=acts) for task in found]


def task_row(task: Listed, now_ns: int, *, acts: bool) -> TaskRow:
    """One task, seen at `now_ns`."""
    return TaskRow(
        task_id=task.task_id,
        href=task_href(task.task_id),
        short_id=fmt.short_id(task.task_id),
        pipeline=task.pipeline,
        state=task.state,
        mark=mark_of(task.state),
        told=error_line(task.error) if task.state not in (SUCCEEDED, CANCELED) else "",
        progress=task.progress,
        percent=percent_of(task.progress),
        user=task.user_id,
        queue=task.queue,
        attempt=str(task.attempt_no),
        created=fmt.moment(task.created_at, now_ns),
        took=task_time(task, now_ns),
        can_cancel=acts and not task.is_over,
        can_retry=acts and task.state in (FAILED, CANCELED),
    )


def task_href(task_id: str) -> str:
    """The page of a task."""
    return href(f"/tasks/{task_id}")


def is_task(store: Store, task_id: str) -> bool:
    """Whether there is such a task."""
    with store.read() as connection:
        return connection.execute(select(tasks.c.task_id).where(tasks.c.task_id == task_id)).first() is not None


def mark_of(state: str) -> str:
    """The sign of a state.

    >>> mark_of("FAILED"), mark_of("READING")
    ('failed', 'running')
    """
    return _MARKS.get(state, "running")


def percent_of(progress: int) -> str:
    """How far a task is, in words.

    >>> percent_of(426), percent_of(1_000)
    ('42 %', '100 %')
    """
    return f"{100 * progress // PROGRESS_WHOLE} %"


def task_time(task: Task | Listed, now_ns: int) -> str:
    """How long a task took, or has taken so far."""
    if task.finished_at is not None:
        return fmt.duration(max(0, task.finished_at - task.created_at))
    return f"{fmt.duration(max(0, now_ns - task.created_at))} …"


def error_line(error: object) -> str:
    """What went wrong, in one line; empty where nothing did."""
    said = entries(error)
    return line_of(": ".join(part for part in (words(said.get("kind")), words(said.get("message"))) if part))
