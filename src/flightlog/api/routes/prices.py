"""Prices, and costs worked out again when somebody asks for it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from flightlog.api.body import coding_of, read_body, unpack
from flightlog.api.decode import JSON_TYPE
from flightlog.api.routes.deps import Here, caller_of
from flightlog.api.schemas import answers, json_body
from flightlog.api.shapes import json_response
from flightlog.api.shapes_generations import (
    PricesShape,
    RecomputedShape,
    RecomputeGiven,
    price_shape,
    recomputed_shape,
)
from flightlog.errors import BodyInvalid, MediaTypeUnsupported
from flightlog.filters.compile import generation_filter, narrowed_generations
from flightlog.filters.params import moment
from flightlog.runs.generation_filter import GenerationFilter
from flightlog.runs.pricing import prices_for
from flightlog.runs.reprice import Recomputed, recompute_costs

BODY_BYTES_MAX = 64 * 1024

router = APIRouter(prefix="/api/prices", tags=["generations"])


@router.get("", summary="Prices of models", responses=answers(PricesShape, 400, 503))
def prices(
    here: Here,
    model: Annotated[
        str | None, Query(description="Only what fits this model's name, the price that counts first.")
    ] = None,
    provider: Annotated[str | None, Query(description="Only what this provider asks.")] = None,
) -> Response:
    """All prices in force, those of the data folder first. There is no paging: it is a list of some dozens."""
    found = prices_for(here.prices.current, model, provider)
    return json_response(PricesShape([price_shape(price) for price in found]))


@router.post(
    "/recompute",
    summary="Work costs out again",
    responses=answers(RecomputedShape, 400, 403, 413, 415, 503),
    openapi_extra=json_body(RecomputeGiven),
)
async def recompute(request: Request, here: Here) -> Response:
    """Reads the folder's `prices.toml` again, prices what passes the filter, but for what the sender reported, and answers
    after the commit. Each change is told by an `audit` event."""
    content_type = request.headers.get("content-type", "")
    if content_type.split(";", 1)[0].strip().lower() != JSON_TYPE:
        raise MediaTypeUnsupported(media_type=content_type, expected=JSON_TYPE)
    body = unpack(await read_body(request, BODY_BYTES_MAX), coding_of(request.headers), BODY_BYTES_MAX)
    given = _given(body)
    now = here.clock.now_ns()
    plain = GenerationFilter(
        models=() if given.model is None else (given.model,),
        since=moment("since", given.since, now),
        until=moment("until", given.until, now),
    )
    wanted = narrowed_generations(generation_filter(given.q or "", now), plain)

    actor = caller_of(request)

    def work() -> Recomputed:
        return recompute_costs(
            here.store,
            here.journal,
            here.prices.reload(),
            wanted,
            ids=here.ids,
            dry_run=given.dry_run,
            project=here.settings.project,
            actor=actor,
            clock=here.clock,
        )

    return json_response(recomputed_shape(await to_thread.run_sync(work, limiter=request.app.state.appenders)))


def _given(body: bytes) -> RecomputeGiven:
    try:
        return msgspec.json.decode(body or b"{}", type=RecomputeGiven)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BodyInvalid(reason=str(error)) from None
