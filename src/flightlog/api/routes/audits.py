"""Who did what, and who was allowed to."""

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
from flightlog.api.routes.deps import Here, caller_of
from flightlog.api.schemas import answers, json_body
from flightlog.api.shapes import json_response
from flightlog.api.shapes_audits import (
    AuditGiven,
    AuditOutcomeShape,
    AuditPageShape,
    AuditShape,
    DecisionsShape,
    audit_detail_shape,
    audit_outcome_shape,
    audit_page_shape,
    decisions_shape,
)
from flightlog.audit.filter import IS_NOT_ORPHANED, IS_ORPHANED, AuditFilter
from flightlog.audit.listing import Audit, count_decisions, get_audit_detail, list_audits
from flightlog.audit.reading import DECISIONS, TYPES
from flightlog.audit.record import append_audit
from flightlog.errors import BodyInvalid, EventInvalid, MediaTypeUnsupported
from flightlog.events.envelope import FLAG_WITHHELD, Event, check_envelope
from flightlog.events.payload import encode_payload
from flightlog.filters.compile import audit_filter, narrowed_audits
from flightlog.filters.params import moment, parse_flag, parse_limit, words
from flightlog.services import Services

router = APIRouter(prefix="/api/audits", tags=["audit"])

CREATED, ACCEPTED = 201, 202
_TAKEN = answers(AuditOutcomeShape, 400, 403, 409, 413, 415, 422, 503)
_TAKEN[CREATED] = {**_TAKEN.pop(200), "description": "It is stored"}
_TAKEN[ACCEPTED] = {**_TAKEN[CREATED], "description": "It is stored, and its run or task is not there (yet)"}
_SAID = ("operation", "subject_type", "subject_id", "outcome", "details")


async def audits_anywhere(
    request: Request,
    actor: Annotated[str | None, Query(description="Who did it.")] = None,
    operation: Annotated[str | None, Query(description="What was done, such as `repo.push`.")] = None,
    subject: Annotated[
        str | None, Query(description="What it was done to: an id, or type and id as in `repo:acme/shop`.")
    ] = None,
    type: Annotated[list[str] | None, Query(description=f"{' or '.join(f'`{each}`' for each in TYPES)}.")] = None,  # noqa: A002
    level: Annotated[list[str] | None, Query(description="Levels, separated by commas.")] = None,
    status: Annotated[list[str] | None, Query(description="Outcomes or decisions, separated by commas.")] = None,
    capability: Annotated[
        str | None, Query(description="The permission that was asked for, such as `fs.write`.")
    ] = None,
    decision: Annotated[list[str] | None, Query(description=f"{', '.join(DECISIONS)}, separated by commas.")] = None,
    orphaned: Annotated[
        str | None, Query(description="`true` for what waits for its run or task, `false` for all else.")
    ] = None,
    run: Annotated[str | None, Query(description="A run id, whether or not there is such a run.")] = None,
    task: Annotated[str | None, Query(description="A task id, whether or not there is such a task.")] = None,
    correlation: Annotated[str | None, Query(description="What pairs a request with its decision.")] = None,
    project: Project = None,
    q: Annotated[str | None, Query(description="A query, as in `decision:denied capability:fs.* since:7d`.")] = None,
    since: Since = None,
    until: Until = None,
) -> AuditFilter:
    """The filter of lists and sums of audit records. All that is given has to hold."""
    now = now_of(request)
    waits = () if orphaned is None else (IS_ORPHANED if parse_flag("orphaned", orphaned, False) else IS_NOT_ORPHANED)
    plain = AuditFilter(
        actor=actor,
        operation=operation,
        subject=subject,
        types=words(type),
        levels=words(level),
        statuses=words(status),
        capability=capability,
        decisions=words(decision),
        orphans=waits,
        run_id=run,
        task_id=task,
        correlation_id=correlation,
        project=project,
        since=moment("since", since, now),
        until=moment("until", until, now),
    )
    return narrowed_audits(audit_filter(q, now), plain) if q else plain


Wanted = Annotated[AuditFilter, Depends(audits_anywhere)]


@router.post(
    "",
    summary="Record what was done",
    status_code=CREATED,
    responses=_TAKEN,
    openapi_extra=json_body(AuditGiven),
)
async def add(request: Request, here: Here) -> Response:
    """Answers after the commit, within `audit_timeout_seconds`: 201 where it is stored, 202 where it is and nothing else in the
    store names its run or task yet; it is adopted in the very transaction that brings that. With an `event_id` of its own it
    may be sent again, and is there once.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.split(";", 1)[0].strip().lower() != JSON_TYPE:
        raise MediaTypeUnsupported(media_type=content_type, expected=JSON_TYPE)
    bytes_max = here.settings.body_bytes_max
    coding = coding_of(request.headers)
    body = await read_body(request, bytes_max)
    caller = caller_of(request)

    def work() -> Audit:
        event = _event(here, _given(unpack(body, coding, bytes_max)), caller)
        return append_audit(here.journal, event, here.settings.audit_timeout_seconds)

    made = audit_outcome_shape(await to_thread.run_sync(work, limiter=request.app.state.appenders))
    answer = json_response(made, CREATED if made.state == "stored" else ACCEPTED)
    answer.headers["Location"] = f"/api/audits/{quote(made.event_id, safe='')}"
    return answer


@router.get("", summary="List audit records", responses=answers(AuditPageShape, 400, 503))
def audits(
    here: Here,
    wanted: Wanted,
    limit: Annotated[LimitText | None, Query(description="Most rows on the page.")] = None,
    cursor: Annotated[str | None, Query(description="The `nextCursor` of the page before.")] = None,
) -> Response:
    """The latest first: what was done, and what was allowed. All filters combine."""
    number = parse_limit(limit, here.settings.page_events_max)
    page = list_audits(here.store, wanted, limit=number, cursor=cursor, settings=here.settings)
    return json_response(audit_page_shape(page))


@router.get("/decisions", summary="Add decisions up", responses=answers(DecisionsShape, 400, 503))
def decisions(here: Here, wanted: Wanted) -> Response:
    """Capabilities by decision: how often each was asked for, granted and denied."""
    return json_response(decisions_shape(count_decisions(here.store, wanted)))


@router.get("/{event_id:path}", summary="One audit record", responses=answers(AuditShape, 404, 503))
def one(here: Here, event_id: str) -> Response:
    """The record, its event, and the records of the same correlation id, such as a request and its decision."""
    return json_response(audit_detail_shape(get_audit_detail(here.store, event_id)))


def _given(body: bytes) -> AuditGiven:
    try:
        return msgspec.json.decode(body, type=AuditGiven)
    except UnicodeDecodeError as error:
        raise BodyInvalid(reason=f"it is not UTF-8 at byte {error.start}") from None
    except msgspec.ValidationError as error:
        raise EventInvalid(reason=str(error)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise BodyInvalid(reason=position_of(body, error)) from None


def _event(here: Services, given: AuditGiven, caller: str) -> Event:
    """The event that says it, as it may be stored. Raises EventInvalid, FieldTooLong."""
    if not given.operation.strip():
        raise EventInvalid(reason="an audit record needs an operation")
    now = here.clock.now_ns()
    members: dict[str, Any] = msgspec.structs.asdict(given)
    said = {name: members.pop(name) for name in _SAID}
    encoded = encode_payload(
        {key: value for key, value in said.items() if value is not None}, depth_max=here.settings.payload_depth_max
    )
    members["event_id"] = members["event_id"] or here.ids.event_id(now)
    members["actor"] = members["actor"] or caller
    members["source"] = members["source"] or "api"
    members["project"] = members["project"] or here.settings.project
    event = Event(
        type="audit",
        created_at=now,
        name=given.operation[:512],
        status=None if given.outcome is None else given.outcome[:64],
        flags=encoded.flags,
        payload=msgspec.Raw(encoded.data),
        **members,
    )
    check_envelope(event)
    event = here.intake.prepare(event)
    if event.flags & FLAG_WITHHELD:
        raise EventInvalid(reason="it could not be shown to be free of secrets")
    return event
