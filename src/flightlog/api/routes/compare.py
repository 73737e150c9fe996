"""Two runs side by side."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from flightlog.api.routes.deps import Here
from flightlog.api.schemas import answers
from flightlog.api.shapes import json_response
from flightlog.api.shapes_compare import ComparisonShape, comparison_shape
from flightlog.runs.compare import compare_runs

router = APIRouter(tags=["runs"])


@router.get("/api/runs/compare", summary="Compare two runs", responses=answers(ComparisonShape, 404, 503))
def compare(
    here: Here,
    left: Annotated[str, Query(description="A run's id.")],
    right: Annotated[str, Query(description="The other's.")],
) -> Response:
    """The totals of both, and their steps in order, paired where kind and name agree. A model call with its response, a tool
    call with its result, are one step."""
    found = compare_runs(here.store, left, right, clock=here.clock, settings=here.settings)
    return json_response(comparison_shape(found))
