"""Saved views of the console's pages."""

from __future__ import annotations

from urllib.parse import unquote_plus

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from flightlog.api.body import coding_of, read_body, unpack
from flightlog.api.decode import JSON_TYPE
from flightlog.api.routes.deps import Here, caller_of, tell
from flightlog.api.schemas import answers, json_body
from flightlog.api.shapes import json_response
from flightlog.api.shapes_views import ViewGiven, ViewShape, ViewsShape, view_shape
from flightlog.errors import BodyInvalid, MediaTypeUnsupported, ViewInvalid
from flightlog.events.envelope import FLAG_REDACTED, FLAG_WITHHELD, Event
from flightlog.services import Services
from flightlog.views.delete import delete_view
from flightlog.views.listing import list_views
from flightlog.views.save import save_view
from flightlog.views.view import SavedView

BODY_BYTES_MAX = 64 * 1024

router = APIRouter(prefix="/api/views", tags=["views"])


@router.get("", summary="List saved views", responses=answers(ViewsShape, 503))
def views(here: Here) -> Response:
    """All of them, by page and name. There is no paging: a store holds 200 at most."""
    return json_response(ViewsShape([view_shape(view) for view in list_views(here.store)]))


@router.post(
    "",
    summary="Save a view",
    responses=answers(ViewShape, 400, 403, 413, 415, 422, 503),
    openapi_extra=json_body(ViewGiven),
)
async def save(request: Request, here: Here) -> Response:
    """Answers after the commit. A name is there once a page: saving under it again changes what it shows, and keeps its id."""
    content_type = request.headers.get("content-type", "")
    if content_type.split(";", 1)[0].strip().lower() != JSON_TYPE:
        raise MediaTypeUnsupported(media_type=content_type, expected=JSON_TYPE)
    coding = coding_of(request.headers)
    given = _given(unpack(await read_body(request, BODY_BYTES_MAX), coding, BODY_BYTES_MAX))

    actor = caller_of(request)

    def work() -> SavedView:
        check_clean(here, given)
        return save_view(
            here.store,
            name=given.name,
            page=given.page,
            query=given.query,
            clock=here.clock,
            ids=here.ids,
            note=lambda tx, view: tell(
                here, "views.save", actor, tx, "view", view.view_id, {"name": view.name, "page": view.page}
            ),
        )

    return json_response(view_shape(await to_thread.run_sync(work, limiter=request.app.state.appenders)))


@router.delete("/{view_id}", summary="Delete a view", responses=answers(ViewsShape, 403, 404, 503))
def delete(request: Request, here: Here, view_id: str) -> Response:
    """Answers after the commit, with the views that are left."""
    actor = caller_of(request)
    delete_view(here.store, view_id, lambda tx: tell(here, "views.delete", actor, tx, "view", view_id))
    return views(here)


def check_clean(here: Services, given: ViewGiven) -> None:
    """Raise ViewInvalid for a view with a secret in it: what the journal takes out of every event is not kept here either."""
    now = here.clock.now_ns()
    payload = msgspec.Raw(msgspec.json.encode({"name": given.name, "query": unquote_plus(given.query)}))
    probe = Event(event_id=here.ids.event_id(now), type="note", created_at=now, payload=payload)
    if here.intake.prepare(probe).flags & (FLAG_REDACTED | FLAG_WITHHELD):
        raise ViewInvalid(reason="there is a secret in it, and secrets are not kept")


def _given(body: bytes) -> ViewGiven:
    try:
        return msgspec.json.decode(body, type=ViewGiven)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BodyInvalid(reason=str(error)) from None
