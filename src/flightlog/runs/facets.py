"""What a list of runs holds, in numbers: how many of each value, and how many when.

Bounded: the newest runs that match are looked at, up to a limit, whatever the store holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Text, case, func, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from flightlog.clock import NS_PER_SECOND, Clock
from flightlog.config import Settings
from flightlog.runs.filter import ALL_RUNS, HUNG, RunFilter, conditions, is_hung
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
_values = msgspec.json.Decoder(list[Any])


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
        look = _look(connection, since, limit, store.dialect)
        widened = {name: _without(filter, name) for name in FACETS}
        # What a facet counts without its own terms is read on its own, and the status is part of the histogram.
        here = [name for name in FACETS if widened[name] == filter and not look.has_index(filter, name)]
        timed = () if look.has_index(filter, "status") else ("started", "status")
        found = look.at(filter, tuple(dict.fromkeys((*timed, *here))))
        complete = all(len(values) <= limit for values in found.values())
        columns = {name: values[:limit] for name, values in found.items()}
        starts = _by_status(columns["started"], columns["status"]) if timed else look.starts()
        counts = {}
        for name, wider in widened.items():
            if name in here:
                counts[name] = _count(name, columns[name])
            elif look.has_index(wider, name):
                counts[name] = look.grouped(name)
            else:
                counts[name] = _count(name, look.at(wider, (name,))[name][:limit])
    most = {name: [Counted(value, n) for value, n in counts[name].most_common(VALUES_MAX)] for name in FACETS}
    return Facets(sum(map(len, starts.values())), complete, most, _histogram(starts, filter))


def count_values(
    store: Store, facet: str, *, clock: Clock = SYSTEM_CLOCK, settings: Settings = DEFAULTS
) -> Counter[str]:
    """How often each value of one facet is there, in all runs, or in the newest of them when there are too many."""
    with store.read() as connection:
        look = _look(connection, silent_since(clock, settings), settings.facet_runs_max, store.dialect)
        if look.has_index(ALL_RUNS, facet):
            return look.grouped(facet)
        return _count(facet, look.at(ALL_RUNS, (facet,))[facet])


def _look(connection: Connection, since: int, limit: int, dialect: str) -> _Look:
    # A limit costs as much again, so it is only set where there is something to leave out.
    beyond = connection.execute(select(runs.c.run_id).limit(1).offset(limit)).first() is not None
    return _Look(connection, since, limit + 1 if beyond else None, dialect)


class _Look(NamedTuple):
    connection: Connection
    silent_since: int
    limit: int | None
    dialect: str

    def has_index(self, wanted: RunFilter, name: str) -> bool:
        """Whether an index has the runs in the order of this column, and none of them is to be left out."""
        return self.limit is None and wanted == ALL_RUNS and name in ("status", "actor", "project")

    def grouped(self, name: str) -> Counter[str]:
        """How often each value is there, by the index of the column."""
        column = runs.c[name]
        asked = select(column, func.count()).where(column.is_not(None)).group_by(column)
        found = Counter({row[0]: row[1] for row in self.connection.execute(asked)})
        if name == "status":
            hung = select(func.count()).where(is_hung(self.silent_since))
            found[HUNG] = self.connection.execute(hung).scalar_one()
            found[RUNNING] -= found[HUNG]
        return +found

    def starts(self) -> dict[str, list[int]]:
        """When the runs of each status started, by the index of both."""
        asked = select(runs.c.status, json_list(runs.c.started_at)).group_by(runs.c.status)
        return {row[0]: _values.decode(row[1]) for row in self.connection.execute(asked)}

    def at(self, wanted: RunFilter, names: Sequence[str]) -> dict[str, list[Any]]:
        """These columns of the newest runs that match. Each comes as one JSON list: a row of Python objects for each of a
        hundred thousand runs takes three times as long."""
        known: dict[str, ColumnElement[Any]] = {
            "started": runs.c.started_at,
            "status": case((is_hung(self.silent_since), literal(HUNG)), else_=runs.c.status),
            "actor": runs.c.actor,
            "project": runs.c.project,
            "model": runs.c.models,
            "source": runs.c.source,
        }
        asked = conditions(wanted, self.silent_since, self.dialect)
        if self.limit is None:
            whole = select(*(json_list(known[name]) for name in names)).where(*asked)
        else:
            newest = (
                select(*(known[name].label(name) for name in names))
                .where(*asked)
                .order_by(runs.c.started_at.desc(), runs.c.run_id.desc())
                .limit(self.limit)
                .subquery()
            )
            whole = select(*(json_list(newest.c[name]) for name in names))
        row = self.connection.execute(whole).one()
        return {name: _values.decode(text) for name, text in zip(names, row, strict=True)}


class json_list(GenericFunction[str]):  # noqa: N801 - named as SQL would
    """The values of a column as the text of a JSON list."""

    type = Text()
    inherit_cache = True


@compiles(json_list)
def _(element: Any, compiler: Any, **given: Any) -> str:
    return f"coalesce(json_agg({compiler.process(element.clauses, **given)})::text, '[]')"


@compiles(json_list, "sqlite")
def _(element: Any, compiler: Any, **given: Any) -> str:
    return f"json_group_array({compiler.process(element.clauses, **given)})"


def _without(wanted: RunFilter, facet: str) -> RunFilter:
    """The filter without what it asks of this facet."""
    field, column = FACETS[facet]
    also = tuple(condition for condition in wanted.also if condition.field != column or condition.negated)
    changes: dict[str, Any] = {"also": also}
    if field is not None:
        changes[field] = () if field == "statuses" else None
    return msgspec.structs.replace(wanted, **changes)


def _count(facet: str, values: list[Any]) -> Counter[str]:
    plain: Counter[Any] = Counter(values)
    plain.pop(None, None)
    if facet != "model":
        return plain
    models: Counter[str] = Counter()
    for text, count in plain.items():
        for model in _models.decode(text):
            models[model] += count
    return models


def _by_status(starts: list[int], statuses: list[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {status: [] for status in (*STATUSES, HUNG)}
    for start, status in zip(starts, statuses, strict=True):
        found[status].append(start)
    return found


def _histogram(starts: dict[str, list[int]], wanted: RunFilter) -> Histogram | None:
    given = [times for times in starts.values() if times]
    if not given:
        return None
    first = wanted.since if wanted.since is not None else min(map(min, given))
    last = wanted.until if wanted.until is not None else max(map(max, given)) + 1
    seconds = bucket_seconds(first, last)
    width = seconds * NS_PER_SECOND
    buckets: dict[int, Counter[str]] = {}
    for status, times in starts.items():
        for place, count in Counter([start // width for start in times]).items():
            buckets.setdefault(place, Counter())[RUNNING if status == HUNG else status] += count
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
