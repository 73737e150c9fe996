"""What people, programs and models think of generations, spans and runs."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from flightlog.api.body import coding_of, read_body, unpack
from flightlog.api.decode import JSON_TYPE, position_of
from flightlog.api.filters import Project, Since, Until, now_of
from flightlog.api.paging import LimitText
from flightlog.api.routes.deps import Here
from flightlog.api.schemas import answers, json_body
from flightlog.api.shapes import json_response
from flightlog.api.shapes_feedback import (
    FeedbackGiven,
    FeedbackPageShape,
    FeedbackShape,
    FeedbackSummaryShape,
    feedback_page_shape,
    feedback_shape,
)
from flightlog.errors import BodyInvalid, FeedbackInvalid, MediaTypeUnsupported
from flightlog.events.envelope import FLAG_WITHHELD, Event, check_envelope
from flightlog.events.feedback import GIVERS, KINDS
from flightlog.events.payload import encode_payload
from flightlog.filters.compile import feedback_filter, narrowed_feedback
from flightlog.filters.params import moment, parse_limit, words
from flightlog.runs.feedback import Feedback, check_given, get_feedback, give_feedback, history_of, list_feedback
from flightlog.runs.feedback_filter import STATUSES, FeedbackFilter
from flightlog.runs.feedback_summary import BY, sum_up
from flightlog.services import Services

router = APIRouter(prefix="/api/feedback", tags=["feedback"])

CREATED, ACCEPTED = 201, 202
_GIVEN = answers(FeedbackShape, 400, 403, 413, 415, 422, 503)
_GIVEN[CREATED] = {**_GIVEN.pop(200), "description": "It is linked to its target"}
_GIVEN[ACCEPTED] = {**_GIVEN[CREATED], "description": "It waits for its target"}
_ENVELOPE = ("actor", "source", "run_id", "trace_id", "project")


async def feedback_anywhere(
    request: Request,
    target: Annotated[str | None, Query(description="What it is about: the id of a generation, span or run.")] = None,
    run: Annotated[str | None, Query(description="A run id: what was said of it, its generations and spans.")] = None,
    kind: Annotated[list[str] | None, Query(description=f"Kinds, separated by commas: {', '.join(KINDS)}.")] = None,
    name: Annotated[str | None, Query(description="What is judged, such as `helpfulness`.")] = None,
    given_by: Annotated[str | None, Query(description=f"Who judged: {', '.join(GIVERS)}.")] = None,
    actor: Annotated[str | None, Query(description="The very person or program that judged.")] = None,
    status: Annotated[str | None, Query(description="`linked`, or `pending` for what waits for its target.")] = None,
    project: Project = None,
    q: Annotated[str | None, Query(description="A query, as in `thumb:down name:helpful* since:7d`.")] = None,
    since: Since = None,
    until: Until = None,
) -> FeedbackFilter:
    """The filter of lists and sums of feedback. All that is given has to hold."""
    now = now_of(request)
    plain = FeedbackFilter(
        target=target,
        run_id=run,
        kinds=words(kind),
        name=name,
        given_by=given_by,
        actor=actor,
        statuses=words([status] if status else None),
        project=project,
        since=moment("since", since, now),
        until=moment("until", until, now),
    )
    return narrowed_feedback(feedback_filter(q, now), plain) if q else plain


Wanted = Annotated[FeedbackFilter, Depends(feedback_anywhere)]


@router.post(
    "",
    summary="Give feedback",
    status_code=CREATED,
    responses=_GIVEN,
    openapi_extra=json_body(FeedbackGiven),
)
async def give(request: Request, here: Here) -> Response:
    """Answers after the commit: 201 where it is linked to its target, 202 where nothing with that id is in the store yet; it is
    kept, and linked as soon as that comes. Send it with a `key` to be able to send it again: the same words change nothing,
    others replace it.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.split(";", 1)[0].strip().lower() != JSON_TYPE:
        raise MediaTypeUnsupported(media_type=content_type, expected=JSON_TYPE)
    bytes_max = here.settings.body_bytes_max
    coding = coding_of(request.headers)
    body = await read_body(request, bytes_max)

    def work() -> Feedback:
        return give_feedback(here.journal, _event(here, _given(unpack(body, coding, bytes_max))))

    held = await to_thread.run_sync(work, limiter=request.app.state.appenders)
    answer = json_response(feedback_shape(held), CREATED if held.status == STATUSES[0] else ACCEPTED)
    answer.headers["Location"] = f"/api/feedback/{quote(held.feedback_id, safe='')}"
    return answer


@router.get("", summary="List feedback", responses=answers(FeedbackPageShape, 400, 503))
def feedback(
    here: Here,
    wanted: Wanted,
    limit: Annotated[LimitText | None, Query(description="Most rows on the page.")] = None,
    cursor: Annotated[str | None, Query(description="The `nextCursor` of the page before.")] = None,
) -> Response:
    """The latest first. All filters combine."""
    number = parse_limit(limit, here.settings.page_runs_max)
    page = list_feedback(here.store, wanted, limit=number, cursor=cursor, settings=here.settings)
    return json_response(feedback_page_shape(page))


@router.get("/summary", summary="Add feedback up", responses=answers(FeedbackSummaryShape, 400, 503))
def summary(
    here: Here,
    wanted: Wanted,
    by: Annotated[str | None, Query(description=f"One of {', '.join(BY)}; `name` if not given.")] = None,
) -> Response:
    """Counts, averages, and the share of thumbs that are up; all of it, and by name, model or day."""
    total, groups = sum_up(here.store, wanted, by or "name")
    return json_response(FeedbackSummaryShape(by or "name", total, groups))


@router.get("/{feedback_id:path}", summary="One feedback", responses=answers(FeedbackShape, 404, 503))
def one(here: Here, feedback_id: str) -> Response:
    """What holds now, with the events that said it. The id of any of these events finds it too."""
    found = get_feedback(here.store, feedback_id)
    return json_response(feedback_shape(found, history_of(here.store, found.feedback_id)))


def _given(body: bytes) -> FeedbackGiven:
    try:
        return msgspec.json.decode(body, type=FeedbackGiven)
    except UnicodeDecodeError as error:
        raise BodyInvalid(reason=f"it is not UTF-8 at byte {error.start}") from None
    except msgspec.ValidationError as error:
        raise FeedbackInvalid(reason=str(error)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise BodyInvalid(reason=position_of(body, error)) from None


def _event(here: Services, given: FeedbackGiven) -> Event:
    """The event that says it, as it may be stored. Raises FeedbackInvalid, FieldTooLong."""
    now = here.clock.now_ns()
    members: dict[str, Any] = msgspec.structs.asdict(given)
    envelope = {field: members.pop(field) for field in _ENVELOPE}
    payload = {key: value for key, value in members.items() if value is not None}
    check_given(payload)
    encoded = encode_payload(payload, depth_max=here.settings.payload_depth_max)
    event = Event(
        event_id=here.ids.event_id(now),
        type="feedback",
        created_at=now,
        name=given.name,
        flags=encoded.flags,
        payload=msgspec.Raw(encoded.data),
        **{**envelope, "project": envelope["project"] or here.settings.project, "source": envelope["source"] or "api"},
    )
    check_envelope(event)
    event = here.intake.prepare(event)
    if event.flags & FLAG_WITHHELD:
        raise FeedbackInvalid(reason="it could not be shown to be free of secrets")
    return event
