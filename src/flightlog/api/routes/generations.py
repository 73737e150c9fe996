"""Generations: every call of a model."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from flightlog.api.paging import FlagText, LimitText
from flightlog.api.routes.deps import AnyGenerations, Here
from flightlog.api.schemas import answers
from flightlog.api.shapes import json_response
from flightlog.api.shapes_generations import (
    GenerationDetailShape,
    GenerationPageShape,
    generation_detail_shape,
    generation_page_shape,
)
from flightlog.filters.params import parse_flag, parse_limit
from flightlog.ingest.otlp.remap import as_understood
from flightlog.runs.feedback import feedback_on
from flightlog.runs.generation_content import read_content
from flightlog.runs.generations import NEWEST, SORTS, get_generation, list_generations

router = APIRouter(prefix="/api/generations", tags=["generations"])


@router.get("", summary="List model calls", responses=answers(GenerationPageShape, 400, 503))
def generations(
    here: Here,
    wanted: AnyGenerations,
    limit: Annotated[LimitText | None, Query(description="Most generations on the page.")] = None,
    cursor: Annotated[str | None, Query(description="The `nextCursor` of the page before.")] = None,
    sort: Annotated[
        str | None,
        Query(description=f"One of {', '.join(SORTS)}; with a minus the largest first. `-started` if not given."),
    ] = None,
    count: Annotated[FlagText | None, Query(description="`true` counts those of all pages, as far as a limit.")] = None,
) -> Response:
    """By default the newest start first. All filters combine; a cursor belongs to its sort."""
    page = list_generations(
        here.store,
        wanted,
        sort=sort or NEWEST,
        limit=parse_limit(limit, here.settings.page_runs_max),
        cursor=cursor,
        count=parse_flag("count", count, False),
        settings=here.settings,
    )
    return json_response(generation_page_shape(page))


@router.get("/{generation_id:path}", summary="One model call", responses=answers(GenerationDetailShape, 404, 503))
def generation(here: Here, generation_id: str) -> Response:
    """With what was asked and answered, the results of the tools that it called, and what people think of it."""
    found = get_generation(here.store, generation_id)
    given = feedback_on(here.store, generation_id=found.generation_id)
    return json_response(
        generation_detail_shape(found, read_content(here.store, found, as_understood(here.store)), given)
    )
