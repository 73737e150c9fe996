"""A metric with the data points of one export becomes one event."""

from __future__ import annotations

from typing import Any

from flightlog.events.envelope import Event
from flightlog.ingest.otlp.mapping.making import digest_of, encoded, fitted, moment, source_of
from flightlog.ingest.otlp.model import Metric, Origin, Scope

_KINDS = frozenset({"gauge", "sum", "histogram", "exponential_histogram", "summary"})


def map_metric(metric: Metric, scope: Scope, origin: Origin) -> Event:
    """The event of a metric; sent twice, it is the same event. It happened when its last point did."""
    payload: dict[str, Any] = {
        "metric": metric.name,
        "kind": metric.kind if metric.kind in _KINDS else "gauge",
        "points": metric.points,
    }
    if metric.description:
        payload["description"] = metric.description
    if metric.unit:
        payload["unit"] = metric.unit
    if metric.temporality in {"delta", "cumulative"}:
        payload["temporality"] = metric.temporality
    if metric.monotonic is not None:
        payload["monotonic"] = bool(metric.monotonic)
    payload["otlp"] = source_of(scope, origin, "")
    data, flags = encoded(payload)
    return Event(
        event_id="metric-" + digest_of((origin.digest, scope.label, scope.attributes, metric))[:40],
        type="metric",
        created_at=_last(metric.points),
        project=origin.project,
        run_id=origin.run_id,
        name=fitted(metric.name, "name"),
        level="debug",
        source=origin.source,
        flags=flags,
        payload=data,
    )


def _last(points: list[dict[str, Any]]) -> int:
    times = [time for point in points if type(time := point.get("time_ns")) is int]
    return moment(max(times, default=0))
