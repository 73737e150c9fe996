"""How Flightlog itself is doing, for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from flightlog.api.schemas import text_answers
from flightlog.metrics.exposition import Metrics

router = APIRouter(tags=["system"])


@router.get("/metrics", summary="Metrics for Prometheus", responses=text_answers())
def metrics(request: Request) -> Response:
    """Counters, gauges and histograms in Prometheus' text format, or in OpenMetrics where the client prefers it.

    Nothing is counted for the question: it looks at a few rows by key and at the ends of a few files.
    """
    kept: Metrics = request.app.state.metrics
    body, content_type = kept.render(request.headers.get("accept", ""))
    return Response(body, headers={"content-type": content_type, "cache-control": "no-store"})
