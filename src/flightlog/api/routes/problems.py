"""What the kinds of problems mean."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from flightlog.api.doorway import request_id_of, wants_page
from flightlog.api.problems import ALL_KINDS
from flightlog.api.schemas import answers
from flightlog.api.shapes import KindShape, json_response
from flightlog.console.pages.problem import problem_page
from flightlog.console.render import render
from flightlog.errors import NotFound

router = APIRouter(tags=["system"])


@router.get("/problems/{slug}", summary="What a problem means", responses=answers(KindShape, 404))
async def kind(request: Request, slug: str) -> Response:
    """The path that `type` in a problem document names. A browser gets a page."""
    found = ALL_KINDS.get(slug)
    if found is None:
        raise NotFound(what="kind of problem", id=slug)
    if wants_page(request.scope):
        request_id = request_id_of(request.scope)
        return render(problem_page(found.status, found.code, found.title, found.advice, "", request_id))
    return json_response(KindShape(found.type, found.status, found.code, found.title, found.advice))
