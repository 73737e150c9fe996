"""Numbers over all that there is, as JSON."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from flightlog.analytics.answer import Answer
from flightlog.analytics.fold import Part
from flightlog.clock import format_ns


class StatsPartShape(msgspec.Struct, kw_only=True):
    """Numbers by their names; `latency_ns` and its like are `{count, p50, p90, p95, p99}`. With a `bucket`, `series` has a list of
    each number, one for each of `times`. A rate of nothing is null."""

    numbers: dict[str, Any]
    series: dict[str, list[Any]] | UnsetType = UNSET


class StatsGroupShape(StatsPartShape, kw_only=True):
    """The numbers of one value; it is null where the events have none."""

    value: str | None


class StatsOthersShape(StatsPartShape, kw_only=True):
    """All that is in no group of its own; `values` says how many values that are, as far as ten thousand."""

    values: int


class StatsShape(msgspec.Struct, kw_only=True):
    """What was counted, when, in which groups. `since` and `until` are whole minutes or whole buckets. `files` is how many files
    of the archive were read; `stale_files` of them have costs from before prices were recomputed, and will be written anew."""

    of: str
    measures: list[str]
    by: str | None
    bucket: str | None
    since: str
    until: str
    sort: str
    times: list[str]
    total: StatsPartShape
    groups: list[StatsGroupShape]
    others: StatsOthersShape | None
    files: int
    stale_files: int


def stats_shape(found: Answer) -> StatsShape:
    """The answer as JSON shows it."""
    asked = found.question
    return StatsShape(
        of=asked.of,
        measures=list(asked.measures),
        by=asked.by,
        bucket=asked.bucket,
        since=format_ns(asked.since),
        until=format_ns(asked.until),
        sort="cost_usd" if asked.sort == "cost_nano_usd" else asked.sort,
        times=[format_ns(at) for at in found.times],
        total=StatsPartShape(**_part(found.total)),
        groups=[StatsGroupShape(value=group.value, **_part(group.part)) for group in found.groups],
        others=None
        if found.others is None
        else StatsOthersShape(values=found.others.values, **_part(found.others.part)),
        files=found.files,
        stale_files=found.stale_files,
    )


def _part(part: Part) -> dict[str, Any]:
    return {"numbers": part.numbers, "series": UNSET if part.series is None else part.series}
