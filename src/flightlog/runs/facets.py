"""What a list of runs holds, in numbers: how many of each value, and how many when.

Bounded: the newest runs that match are looked at, up to a limit, whatever the store holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, case, literal, select

from flightlog.clock import NS_PER_SECOND, Clock
from flightlog.config import Settings
from flightlog.runs.filter import ALL_RUNS, HUNG, RunFilter, conditions
from flightlog.runs.status import RUNNING, STATUSES
from flightlog.runs.summary import DEFAULTS, SYSTEM_CLOCK, silent_since
from flightlog.runs.table import runs
from flightlog.store.contract import Store

# Each facet, and what of a filter it leaves out when it counts itself: what one could choose instead stays in sight.
FACETS: dict[str, tuple[str | None, str]] = {
    "status": ("statuses", "status"),
    "actor": ("actor", "actor"),
    "project": ("project", "project"),
    "model": (None, "models"),
    "source": (None, "source"),
}
VALUES_MAX = 50  # of one facet, the most frequent
BUCKETS_MAX = 120
BUCKET_SECONDS: tuple[int, ...] = (1, 5, 15, 60, 300, 900, 3_600, 10_800, 21_600, 43_200, 86_400, 604_800, 2_592_000)

_models = msgspec.json.Decoder(list[str])


class Counted(msgspec.Struct, frozen=True):
    """A value and how many runs have it."""

    value: str
    count: int


class Bucket(msgspec.Struct, frozen=True):
    """The runs that started in one stretch of time, from `at` on (nanoseconds since 1970)."""

    at: int
    succeeded: int = 0
    failed: int = 0
    running: int = 0
    canceled: int = 0


class Histogram(msgspec.Struct, frozen=True):
    """Starts over time, in stretches of `seconds` from `since` to `until`; stretches without a start are left out."""

    since: int
    until: int
    seconds: int
    buckets: list[Bucket]


class Facets(msgspec.Struct, frozen=True):
    """How many of the runs that match have which value. `complete` says whether all of them were looked at, or only the
    newest `counted`."""

    counted: int
    complete: bool
    facets: dict[str, list[Counted]]
    histogram: Histogram | None


def count_facets(
    store: Store,
    filter: RunFilter = ALL_RUNS,  # noqa: A002
    *,
    clock: Clock = SYSTEM_CLOCK,
    settings: Settings = DEFAULTS,
) -> Facets:
    """The facets of the runs that pass the filter. Raises FilterInvalid."""
    since, limit = silent_since(clock, settings), settings.facet_runs_max
    with store.read() as connection:
        rows = _read(connection, filter, since, limit + 1, store.dialect)
        complete, rows = len(rows) <= limit, rows[:limit]
        counts = {name: _count(name, rows) for name in FACETS}
        for name in FACETS:
            wider = _without(filter, name)
            if wider != filter:
                counts[name] = _count(name, _read(connection, wider, since, limit, store.dialect))
    found = {name: [Counted(value, n) for value, n in counts[name].most_common(VALUES_MAX)] for name in FACETS}
    return Facets(len(rows), complete, found, _histogram(rows, filter))


Rows = list[tuple[Any, ...]]
_STARTED, _STATUS, _ACTOR, _PROJECT, _MODELS, _SOURCE = range(6)
_PLACES = {"status": _STATUS, "actor": _ACTOR, "project": _PROJECT, "model": _MODELS, "source": _SOURCE}


def _read(connection: Connection, wanted: RunFilter, since: int, limit: int, dialect: str) -> Rows:
    is_hung = and_(runs.c.status == RUNNING, runs.c.last_event_at < since)
    status = case((is_hung, literal(HUNG)), else_=runs.c.status)
    asked = (
        select(runs.c.started_at, status, runs.c.actor, runs.c.project, runs.c.models, runs.c.source)
        .where(*conditions(wanted, since, dialect))
        .order_by(runs.c.started_at.desc(), runs.c.run_id.desc())
        .limit(limit)
    )
    return [tuple(row) for row in connection.execute(asked)]


def _without(wanted: RunFilter, facet: str) -> RunFilter:
    """The filter without what it asks of this facet."""
    field, column = FACETS[facet]
    also = tuple(condition for condition in wanted.also if condition.field != column or condition.negated)
    changes: dict[str, Any] = {"also": also}
    if field is not None:
        changes[field] = () if field == "statuses" else None
    return msgspec.structs.replace(wanted, **changes)


def _count(facet: str, rows: Rows) -> Counter[str]:
    plain: Counter[Any] = Counter(row[_PLACES[facet]] for row in rows)
    plain.pop(None, None)
    if facet != "model":
        return plain
    models: Counter[str] = Counter()
    for text, count in plain.items():
        for model in _models.decode(text):
            models[model] += count
    return models


def _histogram(rows: Rows, wanted: RunFilter) -> Histogram | None:
    if not rows:
        return None
    first = wanted.since if wanted.since is not None else rows[-1][_STARTED]
    last = wanted.until if wanted.until is not None else rows[0][_STARTED] + 1
    seconds = bucket_seconds(first, last)
    width = seconds * NS_PER_SECOND
    counted: Counter[tuple[int, str]] = Counter((row[_STARTED] // width, row[_STATUS]) for row in rows)
    buckets: dict[int, dict[str, int]] = {}
    for (place, status), count in counted.items():
        known: Mapping[str, int] = buckets.setdefault(place, {})
        name = status if status in STATUSES else RUNNING
        buckets[place][name] = known.get(name, 0) + count
    made = [Bucket(place * width, **buckets[place]) for place in sorted(buckets)]
    return Histogram(first // width * width, -(-last // width) * width, seconds, made)


def bucket_seconds(since: int, until: int) -> int:
    """The narrowest round width that needs at most BUCKETS_MAX stretches.

    >>> bucket_seconds(0, 3_600 * NS_PER_SECOND)
    60
    """
    span = max(0, until - since) // NS_PER_SECOND
    fitting = (seconds for seconds in BUCKET_SECONDS if span // seconds + 2 <= BUCKETS_MAX)
    return next(fitting, -(-span // (BUCKETS_MAX - 2)))
