"""Tasks: asked for once, followed, canceled, retried."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import Response

from flightlog.api.body import coding_of, read_body, unpack
from flightlog.api.decode import JSON_TYPE, position_of
from flightlog.api.doorway import request_id_of
from flightlog.api.filters import Project, Since, Until, now_of
from flightlog.api.paging import LimitText
from flightlog.api.routes.deps import Here
from flightlog.api.routes.stream import own_pages_only
from flightlog.api.schemas import answers, json_body, task_stream_answers
from flightlog.api.shapes import json_response
from flightlog.api.shapes_tasks import (
    PipelinesShape,
    QueuesShape,
    TaskActionGiven,
    TaskGiven,
    TaskPageShape,
    TaskResultShape,
    TaskShape,
    pipeline_shape,
    queues_shape,
    task_page_shape,
    whole_task_shape,
)
from flightlog.api.task_stream import TaskStream, place_of
from flightlog.clock import format_ns
from flightlog.errors import (
    BodyInvalid,
    MediaTypeUnsupported,
    ResultExpired,
    ResultMissing,
    TaskInvalid,
    TaskNotFound,
    TasksUnavailable,
)
from flightlog.events.envelope import FIELD_CHARS_MAX
from flightlog.filters.params import moment, parse_limit, words
from flightlog.journal.filter import INT64_MAX, is_storable
from flightlog.journal.read import EventFilter
from flightlog.services import Services
from flightlog.tasks.commands import Action, Asked, Tasks
from flightlog.tasks.listing import TaskFilter, list_tasks
from flightlog.tasks.pipeline import SUCCEEDED
from flightlog.tasks.story import Call
from flightlog.tasks.task import Task, read_task

router = APIRouter(prefix="/v1", tags=["tasks"])

DEADLINE_SECONDS_MIN = 0.001
SECOND_NS = 1_000_000_000
REPLAYED = "Idempotency-Replayed"

_SUBMITTED = answers(TaskShape, 400, 403, 404, 409, 413, 415, 422, 503)
_SUBMITTED[201] = {**_SUBMITTED[200], "description": "It is accepted"}
_SUBMITTED[200] = {**_SUBMITTED[200], "description": "It was accepted before, under the same key"}

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Makes this request one, however often it is sent: 1 to 255 visible ASCII characters, kept for"
        " `idempotency_seconds`. The same key with another request is `40901`.",
    ),
]
_Given = TypeVar("_Given", TaskGiven, TaskActionGiven)


@router.post(
    "/tasks", summary="Ask for a task", status_code=201, responses=_SUBMITTED, openapi_extra=json_body(TaskGiven)
)
async def submit(request: Request, here: Here, key: Key = None) -> Response:
    """Answers after the commit: 201 and `Location`. The task, what is held for it, and the message that starts it are stored
    together or not at all. With an `Idempotency-Key` it may be sent again: then the answer is the same, with 200 and
    `Idempotency-Replayed: true`.
    """
    call = _call(request, here, "POST /v1/tasks")
    body = await _body(request, here)

    def work() -> Response:
        asked = _asked(here, _decode(body(), TaskGiven), key, call)
        task, is_new = _tasks(here).submit(asked)
        _poke(here)
        return _answer(task, is_new, 201)

    return await to_thread.run_sync(work, limiter=request.app.state.askers)


@router.get("/tasks", summary="List tasks", responses=answers(TaskPageShape, 400, 503))
def tasks(
    request: Request,
    here: Here,
    state: Annotated[list[str] | None, Query(description="States, separated by commas: `QUEUED,FAILED`.")] = None,
    pipeline: Annotated[str | None, Query(description="Only of this pipeline.")] = None,
    queue: Annotated[str | None, Query(description="Only of this queue.")] = None,
    user: Annotated[str | None, Query(description="Only of this user.")] = None,
    project: Project = None,
    since: Since = None,
    until: Until = None,
    q: Annotated[str | None, Query(description="What the task's id begins with.")] = None,
    limit: Annotated[LimitText | None, Query(description="Most tasks on the page.")] = None,
    cursor: Annotated[str | None, Query(description="The `nextCursor` of the page before.")] = None,
) -> Response:
    """The newest first, without their inputs and results. All filters combine."""
    now = now_of(request)
    wanted = TaskFilter(
        states=words(state),
        pipeline=pipeline,
        queue=queue,
        user_id=user,
        project=project,
        since=moment("since", since, now),
        until=moment("until", until, now),
        text=q.strip() if q else None,
    )
    number = parse_limit(limit, here.settings.page_events_max)
    page = list_tasks(here.store, wanted, limit=number, cursor=cursor, settings=here.settings)
    return json_response(task_page_shape(page))


@router.get("/tasks/{task_id}", summary="Read one task", responses=answers(TaskShape, 404, 503))
def task(here: Here, task_id: str) -> Response:
    """The task with its input and the results of the steps that are done."""
    return json_response(whole_task_shape(_read(here, task_id)))


@router.get(
    "/tasks/{task_id}/result", summary="Read its result", responses=answers(TaskResultShape, 404, 410, 422, 503)
)
def result(here: Here, task_id: str) -> Response:
    """What its last step gave. 422 as long as it has not succeeded, 410 when its time is over (`task_result_seconds`)."""
    found = _read(here, task_id)
    if found.state != SUCCEEDED:
        raise ResultMissing(task_id=task_id, state=found.state)
    if found.result_until is None or found.result_until <= here.clock.now_ns():
        raise ResultExpired(task_id=task_id, seconds=here.settings.task_result_seconds)
    return json_response(TaskResultShape(task_id, found.result, format_ns(found.result_until)))


@router.get(
    "/tasks/{task_id}/stream",
    summary="Follow one task",
    responses=task_stream_answers(403, 404, 503),
    dependencies=[Depends(own_pages_only)],
)
async def stream(
    request: Request,
    here: Here,
    task_id: str,
    last: Annotated[
        str | None, Header(alias="Last-Event-ID", description="The id that a broken stream stopped at.")
    ] = None,
) -> Response:
    """The task as it is, and again at each change, as Server-Sent Events called `task`, until it is over; 204 to who knows
    that already.
    """
    found = await to_thread.run_sync(_read, here, task_id)
    if found.is_over and last == place_of(found):
        return Response(status_code=204)
    return TaskStream(
        request.app.state.streams,
        lambda: here.hub.watch(EventFilter(run_id=task_id, types=("task_transition",)), payloads=False),
        lambda: _read(here, task_id),
        last_id=last,
        heartbeat_seconds=here.settings.sse_heartbeat_seconds,
    )


@router.post(
    "/tasks/{task_id}/cancel",
    summary="Cancel a task",
    responses=answers(TaskShape, 400, 403, 404, 409, 413, 415, 422, 503),
    openapi_extra=json_body(TaskActionGiven),
)
async def cancel(request: Request, here: Here, task_id: str, key: Key = None) -> Response:
    """End a task that is under way, and let go of what is held for it. One that is over is refused: `42201`."""
    return await _act(request, here, task_id, "cancel", key)


@router.post(
    "/tasks/{task_id}/retry",
    summary="Retry a task",
    responses=answers(TaskShape, 400, 403, 404, 409, 413, 415, 422, 503),
    openapi_extra=json_body(TaskActionGiven),
)
async def retry(request: Request, here: Here, task_id: str, key: Key = None) -> Response:
    """Have a task that failed or was canceled done again from its first step. Any other is refused: `42201`."""
    return await _act(request, here, task_id, "retry", key)


@router.get("/pipelines", summary="List pipelines", responses=answers(PipelinesShape, 503))
def pipelines(here: Here) -> Response:
    """The kinds of tasks that this server takes."""
    known = _tasks(here).pipelines
    return json_response(PipelinesShape([pipeline_shape(known[name]) for name in sorted(known)]))


@router.get("/queues", summary="List queues and workers", responses=answers(QueuesShape, 503))
def queues(here: Here) -> Response:
    """What waits and what runs, and who does it."""
    if here.platform is None:
        raise TasksUnavailable()
    with here.store.read() as connection:
        return json_response(queues_shape(here.platform.queues(connection), here.platform.workers(connection)))


# ── what they share ──────────────────────────────────────────────────────────────────────────────────────────────────


async def _act(request: Request, here: Services, task_id: str, action: Action, key: str | None) -> Response:
    call = _call(request, here, f"POST /v1/tasks/{{task_id}}/{action}")
    body = await _body(request, here)

    def work() -> Response:
        given = _decode(body() or b"{}", TaskActionGiven)
        moved, is_new = _tasks(here).act(task_id, action, key=key, reason=given.reason, call=call)
        _poke(here)
        return _answer(moved, is_new, 200)

    return await to_thread.run_sync(work, limiter=request.app.state.askers)


def _tasks(here: Services) -> Tasks:
    if here.platform is None:
        raise TasksUnavailable()
    return here.platform.tasks


def _poke(here: Services) -> None:
    """Something was committed that is to be handed over at once."""
    if here.platform is not None:
        here.platform.dispatcher.poke()


def _read(here: Services, task_id: str) -> Task:
    if not is_storable(task_id):
        raise TaskNotFound(task_id=task_id)
    with here.store.read() as connection:
        return read_task(connection, task_id)


def _call(request: Request, here: Services, name: str) -> Call:
    return Call(name, request_id_of(request.scope), here.clock.now_ns())


async def _body(request: Request, here: Services) -> Any:
    """Reads the body now, and unpacks it when it is called."""
    content_type = request.headers.get("content-type", "")
    bytes_max = here.settings.body_bytes_max
    coding = coding_of(request.headers)
    packed = await read_body(request, bytes_max)
    if packed and content_type.split(";", 1)[0].strip().lower() != JSON_TYPE:
        raise MediaTypeUnsupported(media_type=content_type, expected=JSON_TYPE)
    return lambda: unpack(packed, coding, bytes_max)


def _decode(body: bytes, shape: type[_Given]) -> _Given:
    try:
        return msgspec.json.decode(body, type=shape)
    except UnicodeDecodeError as error:
        raise BodyInvalid(reason=f"it is not UTF-8 at byte {error.start}") from None
    except msgspec.ValidationError as error:
        raise TaskInvalid(reason=str(error)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise BodyInvalid(reason=position_of(body, error)) from None


def _asked(here: Services, given: TaskGiven, key: str | None, call: Call) -> Asked:
    """What is asked for, within its bounds. Raises TaskInvalid."""
    project = here.settings.project if given.project is None else given.project
    for name, word, chars_max in (
        ("user_id", given.user_id, FIELD_CHARS_MAX["actor"]),
        ("project", project, FIELD_CHARS_MAX["project"]),
    ):
        if not word.strip() or len(word) > chars_max:
            raise TaskInvalid(reason=f"{name} has 1 to {chars_max} characters")
    limits = here.settings
    _check_between("priority", given.priority, -limits.task_priority_max, limits.task_priority_max)
    _check_between("units", given.units, 1, limits.task_units_max)
    deadline_at = None
    if given.deadline_seconds is not None:
        _check_between(
            "deadline_seconds", given.deadline_seconds, DEADLINE_SECONDS_MIN, limits.task_deadline_seconds_max
        )
        seconds = min(given.deadline_seconds, INT64_MAX / SECOND_NS)
        deadline_at = min(call.began_at + int(seconds * SECOND_NS), INT64_MAX)  # the end of time, for a database
    try:
        body = msgspec.json.encode(given, order="deterministic")  # the same request, however its keys are ordered
    except (OverflowError, RecursionError, UnicodeEncodeError, msgspec.EncodeError) as error:
        raise TaskInvalid(reason=f"its input can't be kept ({error})") from None
    return Asked(
        pipeline=given.pipeline,
        input=given.input,
        user_id=given.user_id,
        project=project,
        key=key,
        body=body,
        priority=given.priority,
        units=given.units,
        deadline_at=deadline_at,
        call=call,
    )


def _check_between(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise TaskInvalid(reason=f"{name} is from {least:,} to {most:,}")


def _answer(task: Task, is_new: bool, status: int) -> Response:
    answer = json_response(whole_task_shape(task), status if is_new else 200)
    answer.headers["Location"] = f"/v1/tasks/{quote(task.task_id, safe='')}"
    if not is_new:
        answer.headers[REPLAYED] = "true"
    return answer
