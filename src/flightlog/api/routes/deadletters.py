"""Dead letters: what failed for good, in groups or one by one, and having it done again."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from flightlog.api.body import coding_of, read_body, unpack
from flightlog.api.decode import JSON_TYPE, position_of
from flightlog.api.filters import Project, Since, Until, now_of
from flightlog.api.paging import IdText, LimitText
from flightlog.api.routes.deps import Here, caller_of
from flightlog.api.schemas import answers, json_body
from flightlog.api.shapes import json_response
from flightlog.api.shapes_deadletters import (
    AlertsShape,
    LetterDetailShape,
    LetterGroupsShape,
    LetterPageShape,
    LettersGiven,
    ReplayApplyGiven,
    ReplayGiven,
    ReplayItemsShape,
    ReplayPlanShape,
    ReplayPlansShape,
    ReplayStopGiven,
    alerts_shape,
    items_shape,
    letter_detail_shape,
    letter_filter,
    letter_groups_shape,
    letter_page_shape,
    plans_shape,
    progress_shape,
)
from flightlog.deadletters.filter import LetterFilter
from flightlog.deadletters.letters import CAUSES, SOURCES, STATUSES
from flightlog.deadletters.listing import get_letter, group_letters, list_letters
from flightlog.deadletters.plan import OUTCOMES, ReplayAsked
from flightlog.deadletters.planning import Replays
from flightlog.deadletters.progress import ITEMS_MAX, PLANS_MAX, get_progress, list_items, list_plans
from flightlog.errors import BodyInvalid, FilterInvalid, MediaTypeUnsupported, ReplayInvalid, TasksUnavailable
from flightlog.filters.params import parse_id, parse_limit, words
from flightlog.journal.filter import is_storable
from flightlog.services import Services

router = APIRouter(prefix="/v1/deadletters", tags=["deadletters"])

BODY_BYTES_MAX = 64 * 1024
PAGE_DEFAULT = 100

_PLANNED = answers(ReplayPlanShape, 400, 403, 413, 415, 422, 503)
_PLANNED[201] = {**_PLANNED.pop(200), "description": "It is planned; nothing is replayed yet"}
_Given = TypeVar("_Given", ReplayGiven, ReplayApplyGiven, ReplayStopGiven)


async def letters_anywhere(
    request: Request,
    source: Annotated[str | None, Query(description=f"{' or '.join(f'`{one}`' for one in SOURCES)}.")] = None,
    cause: Annotated[list[str] | None, Query(description=f"{', '.join(CAUSES)}, separated by commas.")] = None,
    status: Annotated[list[str] | None, Query(description=f"{', '.join(STATUSES)}, separated by commas.")] = None,
    pipeline: Annotated[str | None, Query(description="Only of this pipeline.")] = None,
    queue: Annotated[str | None, Query(description="Only of this queue.")] = None,
    state: Annotated[str | None, Query(description="Only what failed in this state.")] = None,
    user: Annotated[str | None, Query(description="Only of this user.")] = None,
    project: Project = None,
    task: Annotated[str | None, Query(description="Only of this task.")] = None,
    event: Annotated[str | None, Query(description="Only of this message of the outbox.")] = None,
    job: Annotated[str | None, Query(description="Only of this attempt, as `<task id>.<attempt no>`.")] = None,
    topic: Annotated[str | None, Query(description="Only of messages of this topic.")] = None,
    kind: Annotated[str | None, Query(description="Only with an error of this class.")] = None,
    fingerprint: Annotated[str | None, Query(description="Only what failed of this, see the groups.")] = None,
    letter: Annotated[str | None, Query(description="Only this letter.")] = None,
    since: Since = None,
    until: Until = None,
) -> LetterFilter:
    """The filter of lists and groups. All that is given has to hold."""
    given = LettersGiven(
        source=source, cause=list(words(cause)), status=list(words(status)), pipeline=pipeline, queue=queue, state=state,
        user=user, project=project, task=task, event=event, job=job, topic=topic, kind=kind, fingerprint=fingerprint,
        letter=letter, since=since, until=until,
    )  # fmt: skip
    return letter_filter(given, now_of(request))


Wanted = Annotated[LetterFilter, Depends(letters_anywhere)]


@router.get("", summary="List dead letters", responses=answers(LetterPageShape, 400, 503))
def letters(
    here: Here,
    wanted: Wanted,
    limit: Annotated[LimitText | None, Query(description="Most letters on the page.")] = None,
    cursor: Annotated[str | None, Query(description="The `nextCursor` of the page before.")] = None,
) -> Response:
    """The latest first. `since` and `until` are about when they failed."""
    number = parse_limit(limit, here.settings.page_events_max)
    page = list_letters(here.store, wanted, limit=number, cursor=cursor, settings=here.settings)
    return json_response(letter_page_shape(page))


@router.get("/groups", summary="Group dead letters", responses=answers(LetterGroupsShape, 400, 503))
def groups(here: Here, wanted: Wanted) -> Response:
    """What they failed of: letters with the same fingerprint together, the largest group first."""
    return json_response(letter_groups_shape(group_letters(here.store, wanted)))


@router.get("/alerts", summary="Alerts about dead letters", responses=answers(AlertsShape, 503))
def alerts(here: Here) -> Response:
    """Whether too much of what ends is a dead letter, and whether one lies there for too long."""
    if here.platform is None:
        raise TasksUnavailable()
    return json_response(alerts_shape(here.platform.alerts.states(here.clock.now_ns())))


# ── plans ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.post(
    "/plans", summary="Plan a replay", status_code=201, responses=_PLANNED, openapi_extra=json_body(ReplayGiven)
)
async def plan(request: Request, here: Here) -> Response:
    """A dry run: freezes the letters that match now with the hash of their ids, and says what would become of each."""
    given, caller = await _given(request, ReplayGiven), caller_of(request)
    asked = ReplayAsked(
        filter=letter_filter(given.filter, now_of(request)),
        concurrency=given.concurrency,
        allow_high_concurrency=given.allow_high_concurrency,
        delete_after_replay=given.delete_after_replay,
        stop_failures_ratio=given.stop_failures_ratio,
    )

    def work() -> Response:
        made = _replays(here).plan(asked, given.by or caller)
        return _progress(here, made.plan_id, 201)

    return await to_thread.run_sync(work, limiter=request.app.state.appenders)


@router.get("/plans", summary="List plans", responses=answers(ReplayPlansShape, 400, 503))
def plans(
    here: Here,
    limit: Annotated[LimitText | None, Query(description="Most plans on the page.")] = None,
    cursor: Annotated[str | None, Query(description="The `nextCursor` of the page before.")] = None,
) -> Response:
    """The latest first, without how far they are."""
    number = parse_limit(limit, PLANS_MAX - 1) or PAGE_DEFAULT
    if cursor is not None and not is_storable(cursor):
        raise FilterInvalid(reason="cursor is not valid Unicode text")
    return json_response(plans_shape(list_plans(here.store, limit=number + 1, before=cursor), number, here.settings))


@router.get("/plans/{plan_id}", summary="Read a plan", responses=answers(ReplayPlanShape, 404, 503))
def one_plan(here: Here, plan_id: str) -> Response:
    """The plan and how far it is."""
    return _progress(here, plan_id)


@router.get("/plans/{plan_id}/items", summary="Letters of a plan", responses=answers(ReplayItemsShape, 400, 404, 503))
def items(
    here: Here,
    plan_id: str,
    outcome: Annotated[str | None, Query(description=f"Only with this outcome: {', '.join(OUTCOMES)}.")] = None,
    limit: Annotated[LimitText | None, Query(description="Most letters on the page.")] = None,
    after_no: Annotated[
        IdText | None, Query(alias="afterNo", description="The `nextAfterNo` of the page before.")
    ] = None,
) -> Response:
    """What would become of each, and what did."""
    number = parse_limit(limit, ITEMS_MAX - 1) or PAGE_DEFAULT
    if outcome is not None and outcome not in OUTCOMES:
        raise FilterInvalid(reason=f"outcome is one of {', '.join(OUTCOMES)}, not {outcome!r}")
    get_progress(here.store, plan_id)
    after = parse_id(after_no) or 0
    return json_response(
        items_shape(list_items(here.store, plan_id, after_no=after, limit=number + 1, outcome=outcome), number)
    )


@router.post(
    "/plans/{plan_id}/apply",
    summary="Apply a plan",
    responses=answers(ReplayPlanShape, 400, 403, 404, 409, 413, 415, 422, 503),
    openapi_extra=json_body(ReplayApplyGiven),
)
async def apply(request: Request, here: Here, plan_id: str) -> Response:
    """Begin to replay: one letter, ten, the rest. Refused when the filter finds other letters by now (`40905`), or when it is large
    and the confirmation is missing (`40310`). Answers when it has begun; reading the plan says how far it is.
    """
    given, caller = await _given(request, ReplayApplyGiven), caller_of(request)

    def work() -> Response:
        by = given.by or caller
        _replays(here).apply(_storable(plan_id), given.hash, reason=given.reason, by=by, confirm=given.confirm)
        return _progress(here, plan_id)

    return await to_thread.run_sync(work, limiter=request.app.state.appenders)


@router.post(
    "/plans/{plan_id}/stop",
    summary="Stop a replay",
    responses=answers(ReplayPlanShape, 400, 403, 404, 413, 415, 422, 503),
    openapi_extra=json_body(ReplayStopGiven),
)
async def stop(request: Request, here: Here, plan_id: str) -> Response:
    """Replay no more of it. What is under way goes its way."""
    given, caller = await _given(request, ReplayStopGiven), caller_of(request)

    def work() -> Response:
        _replays(here).stop(_storable(plan_id), by=given.by or caller, reason=given.reason)
        return _progress(here, plan_id)

    return await to_thread.run_sync(work, limiter=request.app.state.appenders)


# After the fixed paths, which it would take for ids.
@router.get("/{letter_id}", summary="Read one dead letter", responses=answers(LetterDetailShape, 404, 503))
def one_letter(here: Here, letter_id: str) -> Response:
    """The letter, all letters of its task or message, and the plans that it was in."""
    return json_response(letter_detail_shape(get_letter(here.store, letter_id)))


# ── what they share ──────────────────────────────────────────────────────────────────────────────────────────────────


def _replays(here: Services) -> Replays:
    if here.platform is None:
        raise TasksUnavailable()
    return here.platform.replays


def _progress(here: Services, plan_id: str, status: int = 200) -> Response:
    answer = json_response(progress_shape(get_progress(here.store, plan_id), here.settings), status)
    if status == 201:
        answer.headers["Location"] = f"/v1/deadletters/plans/{quote(plan_id, safe='')}"
    return answer


def _storable(plan_id: str) -> str:
    return plan_id if is_storable(plan_id) else ""


async def _given(request: Request, shape: type[_Given]) -> _Given:
    content_type = request.headers.get("content-type", "")
    coding = coding_of(request.headers)
    packed = await read_body(request, BODY_BYTES_MAX)
    if packed and content_type.split(";", 1)[0].strip().lower() != JSON_TYPE:
        raise MediaTypeUnsupported(media_type=content_type, expected=JSON_TYPE)
    body: Any = unpack(packed, coding, BODY_BYTES_MAX) or b"{}"
    try:
        return msgspec.json.decode(body, type=shape)
    except UnicodeDecodeError as error:
        raise BodyInvalid(reason=f"it is not UTF-8 at byte {error.start}") from None
    except msgspec.ValidationError as error:
        raise ReplayInvalid(reason=str(error)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise BodyInvalid(reason=position_of(body, error)) from None
