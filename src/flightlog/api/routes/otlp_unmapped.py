"""What no mapping understood of what came by OpenTelemetry."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from flightlog.api.paging import LimitText
from flightlog.api.routes.deps import Here
from flightlog.api.schemas import answers
from flightlog.api.shapes import json_response
from flightlog.api.shapes_otlp import UnmappedListShape, unmapped_list_shape
from flightlog.filters.params import parse_limit
from flightlog.ingest.otlp.unmapped import ROWS_MAX, list_unmapped

router = APIRouter(prefix="/api/otlp", tags=["opentelemetry"])


@router.get(
    "/unmapped", summary="Attributes that no mapping understood", responses=answers(UnmappedListShape, 400, 503)
)
def unmapped(
    here: Here,
    scope: Annotated[
        str | None,
        Query(description="Only of this instrumentation, as `name@version`; empty is the one without a name."),
    ] = None,
    limit: Annotated[LimitText | None, Query(description=f"Most attributes, at most {ROWS_MAX:,}.")] = None,
) -> Response:
    """By scope and key, what most events have first. They stay in the events under their own names."""
    return json_response(unmapped_list_shape(list_unmapped(here.store, scope, parse_limit(limit, ROWS_MAX))))
