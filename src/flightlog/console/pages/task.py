"""One task: how far it is, what became of it attempt by attempt, what came in and what came out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from sqlalchemy import Connection, select

from flightlog.console import format as fmt
from flightlog.console.blocks import Block, Limits, code_block
from flightlog.console.failure import failure_blocks
from flightlog.console.page import Page, href
from flightlog.console.pages.run import Tile
from flightlog.console.pages.run_events import EventRow, list_of
from flightlog.console.pages.task_story import (
    STORY_TYPES,
    Attempt,
    TrackState,
    attempts_of,
    due_times,
    faults_of,
    moves_of,
    track_of,
)
from flightlog.console.pages.tasks_rows import error_line, mark_of, percent_of, task_href, task_time
from flightlog.deadletters.table import dead_letters
from flightlog.errors import RunNotFound
from flightlog.journal.read import EventFilter, head_id, read_events
from flightlog.runs.summary import get_run
from flightlog.services import Services
from flightlog.tasks.pipeline import CANCELED, FAILED, QUEUED, SUCCEEDED, Pipeline
from flightlog.tasks.task import Task, read_task
from flightlog.usage.table import usage_ledger
from flightlog.version import __version__

PARAMETERS = frozenset[str]()
STORY_MAX = 400  # events that its story is told from, the latest ones
EVENTS_SHOWN = 40
LIMITS = Limits(lines_open=24)
FAILURE = Limits(lines_open=40)


@dataclass(frozen=True, kw_only=True)
class LedgerMove:
    """What was held, used or given back."""

    word: Annotated[str, "HELD, COMMITTED or RELEASED."]
    units: Annotated[str, "How much."]
    source: Annotated[str, "For which round."]
    when: Annotated[fmt.Moment, "When that was."]


@dataclass(frozen=True, kw_only=True)
class TaskLetter:
    """A dead letter of a task."""

    href: Annotated[str, "Its page."]
    status: Annotated[str, "open, replayed or resolved."]
    message: Annotated[str, "What it failed of."]
    failed: Annotated[fmt.Moment, "When that was."]


@dataclass(frozen=True, kw_only=True)
class TaskPage(Page):
    """One task."""

    template: ClassVar[str] = "task.html"

    task_id: Annotated[str, "Its id."]
    name: Annotated[str, "Its pipeline."]
    state: Annotated[str, "The state that it is in."]
    mark: Annotated[str, "The sign of that state: queued, running, succeeded, failed or canceled."]
    sentence: Annotated[str, "How it is going, in one sentence."]
    progress: Annotated[int, "How far it is, in thousandths."]
    percent: Annotated[str, "The same in words."]
    is_over: Annotated[bool, "Whether it ended."]
    created: Annotated[fmt.Moment, "When it was accepted."]
    tiles: Annotated[list[Tile], "What else is known of it."]
    track: Annotated[list[TrackState], "The states on its way."]
    attempts: Annotated[list[Attempt], "Its story."]
    cut: Annotated[bool, "Whether the story's beginning is left out."]
    failure: Annotated[list[Block], "What it failed of; where its story is not there, what went wrong last."]
    asked: Annotated[list[Block], "What it was given."]
    answered: Annotated[list[Block], "What came out of it."]
    answer_note: Annotated[str, "Why there is no result to be shown; may be empty."]
    ledger: Annotated[list[LedgerMove], "What was held for it, and how that ended."]
    letters: Annotated[list[TaskLetter], "Its dead letters, the latest first."]
    events: Annotated[list[EventRow], "The latest events of its run, oldest first."]
    run_href: Annotated[str, "Its run."]
    events_href: Annotated[str, "All events of its run."]
    json_href: Annotated[str, "The task as JSON."]
    curl: Annotated[str, "A command that gets the same."]
    permalink: Annotated[str, "This page."]
    can_cancel: Annotated[bool, "Whether it may be ended."]
    can_retry: Annotated[bool, "Whether it may be done again."]


def task_page(services: Services, task_id: str, base_url: str = "") -> TaskPage:
    """The page of a task. Raises TaskNotFound."""
    now = services.clock.now_ns()
    with services.store.read() as connection:
        task = read_task(connection, task_id)
        position = head_id(connection)
        due = due_times(connection, task_id)
        ledger = connection.execute(
            select(usage_ledger.c.status, usage_ledger.c.units, usage_ledger.c.source, usage_ledger.c.created_at)
            .where(usage_ledger.c.task_id == task_id)
            .order_by(usage_ledger.c.id.desc())
            .limit(20)
        ).all()
        letters = _letters(connection, task_id, now)
    told = read_events(
        services.store,
        EventFilter(run_id=task.run_id, types=STORY_TYPES),
        backwards=True,
        limit=STORY_MAX,
        settings=services.settings,
    )
    moves = moves_of(told.events)
    pipeline = pipeline_of(services, task.pipeline)
    json_href = href(f"/v1/tasks/{task_id}")
    note, answered = _answer(task, now)
    return TaskPage(
        title=f"{task.pipeline} {fmt.short_id(task_id)}",
        place="tasks",
        scope="tasks",
        action="/tasks",
        live=href(f"/api/runs/{task.run_id}/stream", {"afterId": str(position), "payloads": "false"}),
        version=__version__,
        task_id=task_id,
        name=task.pipeline,
        state=task.state,
        mark=mark_of(task.state),
        sentence=sentence_of(task, due, now),
        progress=task.progress,
        percent=percent_of(task.progress),
        is_over=task.is_over,
        created=fmt.moment(task.created_at, now),
        tiles=_tiles(task, pipeline, now),
        track=track_of(task, pipeline, moves),
        attempts=attempts_of(task, moves, faults_of(told.events), due, now, FAILURE),
        cut=told.more,
        failure=failure_blocks(task.error, FAILURE) if task.error and (task.state == FAILED or not moves) else [],
        asked=[code_block(task.input, LIMITS)],
        answered=answered,
        answer_note=note,
        ledger=[
            LedgerMove(
                word=row.status, units=fmt.count(row.units), source=row.source.replace("-", " "),
                when=fmt.moment(row.created_at, now),
            )
            for row in reversed(ledger)
        ],
        letters=letters,
        events=_events(services, task, base_url),
        run_href=href(f"/runs/{task.run_id}"),
        events_href=href(f"/runs/{task.run_id}", {"view": "events"}),
        json_href=json_href,
        curl=f"curl -s {shlex.quote(base_url + json_href)}",
        permalink=task_href(task_id),
        can_cancel=services.platform is not None and not task.is_over,
        can_retry=services.platform is not None and task.state in (FAILED, CANCELED),
    )  # fmt: skip


def pipeline_of(services: Services, name: str) -> Pipeline | None:
    """The pipeline of that name, if this server knows it."""
    return services.platform.pipelines.get(name) if services.platform is not None else None


def sentence_of(task: Task, due: Mapping[int, int], now_ns: int) -> str:
    """How a task is going."""
    why = f", because: {task.reason}" if task.reason else ""
    if task.state == SUCCEEDED:
        again = f", at the {_ordinal(task.attempt_no)} attempt" if task.attempt_no > 1 else ""
        return f"Done after {task_time(task, now_ns)}{again}."
    if task.state == CANCELED:
        return f"Canceled after {task_time(task, now_ns)}{why}."
    if task.state == FAILED:
        tried = fmt.counted(task.attempt_no, "attempt", "attempts")
        return f"Failed after {tried} and {task_time(task, now_ns)}; it is not tried again by itself."
    since = fmt.duration(max(0, now_ns - task.updated_at))
    if task.state == QUEUED:
        left = due.get(task.version, 0) - now_ns
        if left > 0:
            return f"Went wrong, and is tried again in {fmt.duration(left)}."
        return f"Waits for a worker of the queue {task.queue}."
    by = f", worked on by {task.worker_id}" if task.worker_id else ""
    return f"In {task.state} for {since}{by}."


def _ordinal(number: int) -> str:
    """As one says it.

    >>> _ordinal(2), _ordinal(3), _ordinal(11), _ordinal(24)
    ('2nd', '3rd', '11th', '24th')
    """
    tail = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else tail}"


def _tiles(task: Task, pipeline: Pipeline | None, now_ns: int) -> list[Tile]:
    retries = None
    if pipeline is not None:
        step = pipeline.step_of(task.state)
        retries = (step.retries if step is not None else pipeline.retries).attempts_max
    tries = f"{task.tries} of {retries} failed" if retries is not None else f"{task.tries} failed"
    deaths = fmt.counted(task.deaths, "worker", "workers") + " died over it"
    return [
        Tile(word="Time", value=task_time(task, now_ns)),
        Tile(word="Attempt", value=str(task.attempt_no), more=tries if task.tries else "", bad=task.tries > 0),
        *([Tile(word="Deaths", value=str(task.deaths), more=deaths, bad=True)] if task.deaths else []),
        Tile(word="Worker", value=task.worker_id or fmt.NOTHING, more=_since(task.began_at, now_ns)),
        Tile(word="Queue", value=task.queue, more=f"priority {task.priority}" if task.priority else ""),
        Tile(word="User", value=task.user_id),
        Tile(word="Project", value=task.project),
        _deadline(task, now_ns),
        *([Tile(word="Round", value=str(task.round_no), more="retried by somebody")] if task.round_no > 1 else []),
    ]


def _since(ns: int | None, now_ns: int) -> str:
    return f"since {fmt.duration(max(0, now_ns - ns))}" if ns is not None else ""


def _deadline(task: Task, now_ns: int) -> Tile:
    if task.deadline_at is None:
        return Tile(word="Deadline", value="none")
    left = task.deadline_at - (task.finished_at if task.finished_at is not None else now_ns)
    if left > 0:
        return Tile(word="Deadline", value=f"{fmt.duration(left)} left", more=fmt.in_full(task.deadline_at)[:19])
    return Tile(word="Deadline", value="passed", more=fmt.in_full(task.deadline_at)[:19], bad=True)


def _answer(task: Task, now_ns: int) -> tuple[str, list[Block]]:
    """Why there is no result, or the result."""
    if task.state in (FAILED, CANCELED):
        return "It ended without a result: whoever asks for it is answered 422.", []
    if not task.is_over:
        return "There is no result yet: whoever asks for it is answered 422 until it is done.", []
    if task.result_until is None or task.result_until <= now_ns:
        return "The time of its result is over: whoever asks for it is answered 410.", []
    if task.result is None:
        return "Its last step gave nothing back.", []
    return "", [code_block(task.result, LIMITS)]


def _letters(connection: Connection, task_id: str, now_ns: int) -> list[TaskLetter]:
    letter = dead_letters.c
    wanted = select(letter.letter_id, letter.status, letter.kind, letter.message, letter.failed_at)
    found = connection.execute(wanted.where(letter.task_id == task_id).order_by(letter.failed_at.desc()).limit(20))
    return [
        TaskLetter(
            href=href(f"/deadletters/{row.letter_id}"),
            status=row.status.lower(),
            message=error_line({"kind": row.kind, "message": row.message}),
            failed=fmt.moment(row.failed_at, now_ns),
        )
        for row in found
    ]


def _events(services: Services, task: Task, base_url: str) -> list[EventRow]:
    """The latest events of the run; none where it is not there any more."""
    try:
        run = get_run(services.store, task.run_id, clock=services.clock, settings=services.settings)
    except RunNotFound:
        return []
    rows = list_of(services, run, {"latest": "true"}, base_url).rows
    return [row for row in rows if row.type != "run_heartbeat"][-EVENTS_SHOWN:]
