"""What a list of runs holds in numbers, and what a query may go on with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from flightlog.api.paging import IdText
from flightlog.api.routes.deps import AnyRuns, Here
from flightlog.api.schemas import answers
from flightlog.api.shapes import json_response
from flightlog.api.shapes_facets import CompletionShape, FacetsShape, SuggestionShape, facets_shape
from flightlog.audit.listing import count_audit_values
from flightlog.errors import FilterInvalid
from flightlog.filters.complete import complete
from flightlog.filters.fields import AUDITS, FEEDBACK, GENERATIONS, SCOPES
from flightlog.filters.params import parse_id
from flightlog.runs.facets import FACETS, count_facets, count_values
from flightlog.runs.feedback_summary import count_feedback_values
from flightlog.runs.generation_values import count_generation_values

router = APIRouter(tags=["runs"])


@router.get("/api/runs/facets", summary="Runs in numbers", responses=answers(FacetsShape, 400, 503))
def facets(here: Here, wanted: AnyRuns) -> Response:
    """How many of the runs that match have which status, actor, project, model and source, and when they started. What is
    asked of a facet itself does not count in it, so that its other values stay in sight."""
    return json_response(facets_shape(count_facets(here.store, wanted, clock=here.clock, settings=here.settings)))


@router.get("/api/complete", summary="Complete a query", responses=answers(CompletionShape, 400, 503))
def completion(
    here: Here,
    scope: Annotated[
        str, Query(description="What the query is about: `runs`, `events`, `generations`, `feedback` or `audits`.")
    ],
    q: Annotated[str, Query(description="The query as far as it is written.")] = "",
    at: Annotated[
        IdText | None, Query(description="Where the caret is, in characters; at the end if not given.")
    ] = None,
) -> Response:
    """What may be written next: fields, values of a list, values that are in the store."""
    about = SCOPES.get(scope)
    if about is None:
        raise FilterInvalid(reason=f"scope is one of {', '.join(SCOPES)}, not {scope!r}")

    def known(field: str) -> Mapping[str, int]:
        if about is AUDITS:
            return count_audit_values(here.store, field)
        if about is FEEDBACK or field == "feedback":
            return count_feedback_values(here.store, "name" if field == "feedback" else field)
        if about is GENERATIONS:
            return count_generation_values(here.store, field)
        return count_values(here.store, field, clock=here.clock, settings=here.settings) if field in FACETS else {}

    place = parse_id(at)
    found = complete(q, len(q) if place is None else place, about, known)
    suggestions = [SuggestionShape(one.text, one.detail) for one in found.suggestions]
    return json_response(CompletionShape(found.start, found.end, suggestions))
