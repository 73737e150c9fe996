"""Live streams: new events as Server-Sent Events, moments after their commit."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import Response

from flightlog.api import security
from flightlog.api.paging import FlagText, IdText
from flightlog.api.routes.deps import AnyEvents, Here, RunsEvents
from flightlog.api.schemas import stream_answers
from flightlog.api.sse import EventStream
from flightlog.filters.params import parse_flag, parse_id
from flightlog.journal.read import EventFilter
from flightlog.services import Services

router = APIRouter(tags=["events"])


async def own_pages_only(request: Request) -> None:
    """A stream holds a place that others may want, so pages of other sites may not open one."""
    security.check_origin(request.headers, request.headers.get("host", "").lower())


After = Annotated[
    IdText | None,
    Query(alias="afterId", description="Begin after this id; 0 begins at the first event. Without it: at the end."),
]
Last = Annotated[
    IdText | None,
    Header(alias="Last-Event-ID", description="The id that a broken stream stopped at; it counts more than `afterId`."),
]
Payloads = Annotated[FlagText | None, Query(description="`false` leaves the payloads out and does not read them.")]


@router.get(
    "/api/events/stream",
    summary="Follow the journal",
    responses=stream_answers(400, 403, 503),
    dependencies=[Depends(own_pages_only)],
)
async def everything(
    request: Request,
    here: Here,
    wanted: AnyEvents,
    after_id: After = None,
    payloads: Payloads = None,
    last: Last = None,
) -> Response:
    """Every event that passes the filter, once, in commit order; the `id` of each is its id in the journal."""
    return _stream(request, here, wanted, after_id, payloads, last)


@router.get(
    "/api/runs/{run_id:path}/stream",
    summary="Follow a run",
    responses=stream_answers(400, 403, 503),
    dependencies=[Depends(own_pages_only)],
)
async def of_run(
    request: Request,
    here: Here,
    wanted: RunsEvents,
    after_id: After = None,
    payloads: Payloads = None,
    last: Last = None,
) -> Response:
    """The same for one run, which need not have begun."""
    return _stream(request, here, wanted, after_id, payloads, last)


def _stream(
    request: Request, here: Services, wanted: EventFilter, after_id: str | None, payloads: str | None, last: str | None
) -> Response:
    position = parse_id(last or after_id)
    with_payloads = parse_flag("payloads", payloads, True)
    return EventStream(
        request.app.state.streams,
        lambda: here.hub.watch(wanted, position, payloads=with_payloads),
        payloads=with_payloads,
        heartbeat_seconds=here.settings.sse_heartbeat_seconds,
    )
