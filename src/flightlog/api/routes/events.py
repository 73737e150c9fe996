"""The journal: pages, single events, appending."""

from __future__ import annotations

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from msgspec.structs import asdict
from starlette.responses import Response, StreamingResponse

from flightlog.api.body import coding_of, read_body, unpack
from flightlog.api.decode import media_type_of
from flightlog.api.doorway import request_id_of
from flightlog.api.intake import Receipt, Taken, take
from flightlog.api.paging import Page
from flightlog.api.routes.deps import AnyEvents, Here, PageAsked, caller_of
from flightlog.api.schemas import answers, event_bodies, export_answers
from flightlog.api.shapes import EventPageShape, EventShape, event_page_shape, event_shape, json_response
from flightlog.audit.record import record_admin
from flightlog.exports.reading import Wanted
from flightlog.exports.stream import ENDINGS, FORMATS, MEDIA_TYPES, export_events
from flightlog.journal.read import EventFilter, EventPage, get_event, read_events
from flightlog.services import Services

router = APIRouter(prefix="/api/events", tags=["events"])

Format = Annotated[str | None, Query(description=f"One of {', '.join(FORMATS)}; {FORMATS[0]} if not given.")]


@router.get("", summary="Search the journal", responses=answers(EventPageShape, 400, 503))
def events(here: Here, wanted: AnyEvents, page: PageAsked) -> Response:
    """A page of all events, in commit order. All filters combine; those that can be given several times match any."""
    return json_response(event_page_shape(read_page(here, wanted, page), page.payloads))


@router.post(
    "", summary="Append events", responses=answers(Receipt, 400, 403, 413, 415, 422, 503), openapi_extra=event_bodies()
)
async def append(request: Request, here: Here) -> Response:
    """Answers after the commit. An event that can't be stored is refused by itself and its neighbours are stored; when none
    could be, the answer is a problem with `rejected` in it. Events sent again are counted as duplicates, by their id.

    `type` is all that an event needs; `event_id` and `created_at` are filled in. Whoever may have to send an event again
    gives both, so that it can be recognised.
    """
    bytes_max = here.settings.body_bytes_max
    media_type = media_type_of(request.headers.get("content-type", ""))
    coding = coding_of(request.headers)
    body = await read_body(request, bytes_max)

    def work() -> Taken:
        return take(here, unpack(body, coding, bytes_max), media_type)

    taken = await to_thread.run_sync(work, limiter=request.app.state.appenders)
    if taken.problem is not None:
        return taken.problem.response(request.url.path, request_id_of(request.scope))
    return json_response(taken.receipt)


@router.get("/export", summary="Take events out", responses=export_answers(400, 503))
def export(request: Request, here: Here, wanted: AnyEvents, format: Format = None) -> Response:  # noqa: A002
    """All events that pass the filters, in commit order, as a file that is made while it is sent.

    A connection that ends without its last chunk was cut off: the file is not whole then.
    """
    form = format or FORMATS[0]
    pieces = export_events(Wanted(here.store, wanted, here.settings), form)
    said = {"format": form, **{name: value for name, value in asdict(wanted).items() if value not in (None, ())}}
    record_admin(
        here.journal,
        "events.export",
        actor=caller_of(request),
        subject_type="events",
        details=said,
        project=here.settings.project,
        care=here.intake,
        clock=here.clock,
        ids=here.ids,
    )
    headers = {
        "content-disposition": f'attachment; filename="events.{ENDINGS[form]}"',
        "x-content-type-options": "nosniff",
    }
    return StreamingResponse(pieces, media_type=MEDIA_TYPES[form], headers=headers)


@router.get("/{event_id:path}", summary="One event", responses=answers(EventShape, 404, 503))
def event(here: Here, event_id: str) -> Response:
    """The event with its payload."""
    return json_response(event_shape(get_event(here.store, event_id)))


def read_page(here: Services, wanted: EventFilter, page: Page) -> EventPage:
    """The page that was asked for."""
    return read_events(
        here.store,
        wanted,
        after_id=page.after_id,
        before_id=page.before_id,
        limit=page.limit,
        backwards=page.latest,
        payloads=page.payloads,
        settings=here.settings,
    )
