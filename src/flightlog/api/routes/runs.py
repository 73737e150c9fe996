"""Runs and their events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from flightlog.api.paging import LimitText
from flightlog.api.routes.deps import AnyRuns, Here, PageAsked, RunsEvents
from flightlog.api.routes.events import read_page
from flightlog.api.schemas import answers
from flightlog.api.shapes import (
    EventPageShape,
    RunPageShape,
    event_page_shape,
    json_response,
    run_page_shape,
)
from flightlog.api.shapes_feedback import RunDetailShape, run_detail_shape
from flightlog.filters.params import parse_limit
from flightlog.runs.feedback import feedback_on
from flightlog.runs.listing import NEWEST, SORTS, list_runs
from flightlog.runs.summary import get_run

# An id is any text, slashes too; so the longer paths come first.
router = APIRouter(prefix="/api/runs", tags=["runs"])


@router.get("", summary="List runs", responses=answers(RunPageShape, 400, 503))
def runs(
    here: Here,
    wanted: AnyRuns,
    limit: Annotated[LimitText | None, Query(description="Most runs on the page.")] = None,
    cursor: Annotated[str | None, Query(description="The `nextCursor` of the page before.")] = None,
    sort: Annotated[
        str | None,
        Query(description=f"One of {', '.join(SORTS)}; with a minus the largest first. `-started` if not given."),
    ] = None,
) -> Response:
    """By default the newest start first. All filters combine; a cursor belongs to its sort."""
    number = parse_limit(limit, here.settings.page_runs_max)
    page = list_runs(
        here.store, wanted, sort=sort or NEWEST, limit=number, cursor=cursor, clock=here.clock, settings=here.settings
    )
    return json_response(run_page_shape(page))


@router.get("/{run_id:path}/events", summary="The events of a run", responses=answers(EventPageShape, 400, 404, 503))
def events(here: Here, run_id: str, wanted: RunsEvents, page: PageAsked) -> Response:
    """A page in commit order. A run that is not there (yet) is a problem, not an empty page."""
    found = read_page(here, wanted, page)
    if not found.events:
        get_run(here.store, run_id, clock=here.clock, settings=here.settings)
    return json_response(event_page_shape(found, page.payloads))


@router.get("/{run_id:path}", summary="One run", responses=answers(RunDetailShape, 404, 503))
def run(here: Here, run_id: str) -> Response:
    """The summary, as it was in one and the same commit as the run's newest event, and what people think of it."""
    found = get_run(here.store, run_id, clock=here.clock, settings=here.settings)
    return json_response(run_detail_shape(found, feedback_on(here.store, run_id=run_id)))
