"""What the kinds of problems mean."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from flightlog.api.problems import ALL_KINDS
from flightlog.api.schemas import answers
from flightlog.api.shapes import KindShape, json_response
from flightlog.errors import NotFound

router = APIRouter(tags=["system"])


@router.get("/problems/{slug}", summary="What a problem means", responses=answers(KindShape, 404))
async def kind(slug: str) -> Response:
    """The path that `type` in a problem document names."""
    found = ALL_KINDS.get(slug)
    if found is None:
        raise NotFound(what="kind of problem", id=slug)
    return json_response(KindShape(found.type, found.status, found.code, found.title, found.advice))
