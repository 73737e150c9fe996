"""A run added up."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from flightlog.api.routes.deps import Here
from flightlog.api.schemas import answers
from flightlog.api.shapes import json_response
from flightlog.api.shapes_rollup import RollupShape, rollup_shape
from flightlog.runs.rollup import rollup
from flightlog.runs.summary import get_run

router = APIRouter(tags=["runs"])


@router.get("/api/runs/{run_id:path}/rollup", summary="A run's totals", responses=answers(RollupShape, 404, 503))
def totals(here: Here, run_id: str) -> Response:
    """What the run's model calls, tools, commands, tests, patches and decisions come to, and its first errors."""
    run = get_run(here.store, run_id, clock=here.clock, settings=here.settings)
    return json_response(rollup_shape(rollup(here.store, run, settings=here.settings)))
