"""Retention: the rules, what would go, doing it, legal holds, and receipts of what went."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from flightlog.api.body import coding_of, read_body, unpack
from flightlog.api.decode import JSON_TYPE
from flightlog.api.paging import LimitText
from flightlog.api.routes.deps import Here, caller_of, tell_retention
from flightlog.api.schemas import answers, json_body
from flightlog.api.shapes import json_response
from flightlog.errors import BodyInvalid, MediaTypeUnsupported, Unavailable
from flightlog.filters.holds import HoldGiven, hold_filter
from flightlog.filters.params import parse_flag, parse_id, parse_limit
from flightlog.retention.holds import holds, place, release
from flightlog.retention.janitor import Janitor
from flightlog.retention.receipts import receipts
from flightlog.retention.told import (
    DoneShape,
    HoldShape,
    HoldsShape,
    PlanShape,
    ReceiptsShape,
    ReleaseGiven,
    RulesShape,
    done_shape,
    hold_shape,
    plan_shape,
    receipts_shape,
    rules_shape,
)
from flightlog.services import Services

BODY_BYTES_MAX = 16 * 1024
RECEIPTS_MAX = 500
CREATED = 201

router = APIRouter(prefix="/api/retention", tags=["retention"])

_HELD = answers(HoldShape, 400, 403, 413, 415, 503)
_HELD[CREATED] = {**_HELD.pop(200), "description": "It is held"}


def _need(here: Services) -> Janitor:
    if here.retention is None:
        raise Unavailable(reason="this server keeps no retention")
    return here.retention


@router.get("", summary="The rules", responses=answers(RulesShape, 400, 503))
async def rules(here: Here) -> Response:
    """How long what is kept: the rules in their order, the first that matches an event holds, then the defaults."""
    return json_response(rules_shape(await to_thread.run_sync(_need(here).retention.rules)))


@router.get("/plan", summary="What would go", responses=answers(PlanShape, 400, 503))
async def plan(here: Here) -> Response:
    """A dry run: counts and bytes of what is due now, by rule, project and type, and the files of the archive it is in."""
    return json_response(plan_shape(await to_thread.run_sync(_need(here).retention.plan)))


@router.post("/run", summary="Remove what is due", responses=answers(DoneShape, 400, 403, 503))
async def run(request: Request, here: Here) -> Response:
    """A pass now, at full speed; answers when it is done. Each removal is an audit event, in the same transaction."""
    say = tell_retention(here, caller_of(request))
    return json_response(done_shape(await to_thread.run_sync(_need(here).clean, say)))


@router.get("/holds", summary="Legal holds", responses=answers(HoldsShape, 400, 503))
def list_holds(
    here: Here,
    released: Annotated[str | None, Query(description="`true` lists those that were released as well.")] = None,
) -> Response:
    """What nobody may remove or erase, whatever the rules say."""
    with here.store.read() as connection:
        found = holds(connection, released=parse_flag("released", released, False))
    return json_response(HoldsShape(holds=[hold_shape(hold) for hold in found]))


@router.post(
    "/holds",
    summary="Place a hold",
    status_code=CREATED,
    responses=_HELD,
    openapi_extra=json_body(HoldGiven),
)
async def add_hold(request: Request, here: Here) -> Response:
    """Hold a run, a task, an actor, a project, or what a query finds, also what of it comes later; all that is given applies."""
    given = await _read(request, HoldGiven)
    now = here.clock.now_ns()
    wanted, selection = hold_filter(given, now)
    hold_id, actor = here.ids.event_id(now), caller_of(request)
    say = tell_retention(here, actor)

    def work() -> HoldShape:
        return hold_shape(
            here.store.write(
                lambda tx: place(tx, hold_id, wanted, selection, reason=given.reason, actor=actor, now_ns=now, say=say)
            )
        )

    return json_response(await to_thread.run_sync(work), CREATED)


@router.post(
    "/holds/{hold_id}/release",
    summary="Release a hold",
    responses=answers(HoldShape, 400, 403, 404, 413, 415, 503),
    openapi_extra=json_body(ReleaseGiven),
)
async def end_hold(request: Request, here: Here, hold_id: str) -> Response:
    """From now on the rules hold for what it covered."""
    given = await _read(request, ReleaseGiven)
    now, actor = here.clock.now_ns(), caller_of(request)
    say = tell_retention(here, actor)

    def work() -> HoldShape:
        return hold_shape(
            here.store.write(lambda tx: release(tx, hold_id, reason=given.reason, actor=actor, now_ns=now, say=say))
        )

    return json_response(await to_thread.run_sync(work))


@router.get("/receipts", summary="What was removed", responses=answers(ReceiptsShape, 400, 503))
def list_receipts(
    here: Here,
    limit: Annotated[LimitText | None, Query(description="Most receipts on the page.")] = None,
    before_id: Annotated[str | None, Query(alias="beforeId", description="Only receipts before this id.")] = None,
) -> Response:
    """The audit events of removals, the newest first: ids, counts, the rule, and the digest of what went."""
    count = parse_limit(limit, RECEIPTS_MAX) or 50
    before = parse_id(before_id)
    with here.store.read() as connection:
        found = receipts(connection, count, before)
    return json_response(receipts_shape(found, count))


Given = TypeVar("Given", HoldGiven, ReleaseGiven)


async def _read(request: Request, kind: type[Given]) -> Given:
    content_type = request.headers.get("content-type", "")
    if content_type.split(";", 1)[0].strip().lower() != JSON_TYPE:
        raise MediaTypeUnsupported(media_type=content_type, expected=JSON_TYPE)
    body = unpack(await read_body(request, BODY_BYTES_MAX), coding_of(request.headers), BODY_BYTES_MAX)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BodyInvalid(reason=str(error)) from None
