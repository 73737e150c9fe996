"""Facets and completions as JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from flightlog.clock import format_ns
from flightlog.runs.facets import Bucket, Counted, Facets


class BucketShape(msgspec.Struct):
    """The runs that started in one stretch of time."""

    at: str
    succeeded: int
    failed: int
    running: int
    canceled: int


class HistogramShape(msgspec.Struct):
    """Starts over time; stretches without one are left out."""

    since: str
    until: str
    seconds: int
    buckets: list[BucketShape]


class FacetsShape(msgspec.Struct):
    """How many runs have which value. When not `complete`, the newest `counted` were looked at, and `total` is null."""

    total: int | None
    counted: int
    complete: bool
    facets: dict[str, list[Counted]]
    histogram: HistogramShape | None


class SuggestionShape(msgspec.Struct):
    """One thing that could be written."""

    text: str
    detail: str


class CompletionShape(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """What could stand from `from` to `to`, in characters."""

    start: int
    end: int
    suggestions: list[SuggestionShape]


def facets_shape(found: Facets) -> FacetsShape:
    """The facets as JSON shows them."""
    histogram = found.histogram
    return FacetsShape(
        total=found.counted if found.complete else None,
        counted=found.counted,
        complete=found.complete,
        facets=found.facets,
        histogram=None
        if histogram is None
        else HistogramShape(
            since=format_ns(histogram.since),
            until=format_ns(histogram.until),
            seconds=histogram.seconds,
            buckets=[_bucket(bucket) for bucket in histogram.buckets],
        ),
    )


def _bucket(bucket: Bucket) -> BucketShape:
    members: dict[str, Any] = msgspec.structs.asdict(bucket)
    return BucketShape(**{**members, "at": format_ns(bucket.at)})
