"""Which index a page is read by.

A database without statistics guesses, and a wrong guess on five million rows costs seconds. We know the shape of our
own data, so the choice is made here, and SQLite is held to it: a query that can't use its index fails.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec.structs import replace
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Subquery,
    TextClause,
    column,
    func,
    select,
    text,
    union_all,
)

from flightlog.journal.asking import is_asked
from flightlog.journal.filter import EventFilter
from flightlog.journal.table import TRACED_ELSEWHERE, run_events

# Every value of a driving list is read on its own, in order, and stopped when the page is full. With more values than
# this the list is only a condition.
BRANCHES_MAX = 32

# A time range with fewer events is read by time and sorted; a wider one is walked by id.
NARROW_EVENTS_MAX = 20_000

RARE_LEVELS = frozenset({"warn", "error"})

# Without their table: which index that is read by is said in FROM, and SQLAlchemy would name the table once more.
_c = {name: column(name, col.type) for name, col in run_events.columns.items()}
_ONE = ("project", "run_id", "trace_id", "span_id", "task_id", "correlation_id", "name")
_MANY = {"types": "type", "levels": "level", "sources": "source", "actors": "actor", "statuses": "status"}

# The index of rare levels holds only these rows, and is used only by who says so in the same words.
_RARE = text("level IN ('warn', 'error')")
# Nor are the events of a trace that is a run of the same id in the index of traces.
_ELSEWHERE = text(TRACED_ELSEWHERE)
_RUN, _TRACE, _TIME = "run_events_run", "run_events_trace", "run_events_created_at"

# Paths that start at one end of the journal, and would walk long to a time in its middle.
_WHOLE_JOURNAL = (None, "run_events_level", "run_events_actor", "run_events_type")


class Path(NamedTuple):
    """An index to read by, and which filter field, if any, is taken value by value. No index: by id."""

    via: str | None
    spread: str | None = None


def choose(connection: Connection, wanted: EventFilter) -> Path:
    """The first path that the filter allows; those that lead to few events come first."""
    if wanted.trace_id is not None and wanted.trace_id == wanted.run_id and wanted.correlation_id is None:
        return _of_run(wanted)
    for name in ("correlation", "trace", "task"):
        if getattr(wanted, f"{name}_id") is not None:
            return Path(f"run_events_{name}")
    if wanted.run_id is not None:
        return _of_run(wanted)
    if _is_narrow(connection, wanted):
        return Path(_TIME)
    if wanted.levels and RARE_LEVELS.issuperset(wanted.levels):
        return Path("run_events_level", "levels")
    if _few(wanted.actors):
        return Path("run_events_actor", "actors")
    if _few(wanted.types):
        return Path("run_events_type", "types")
    return Path(None)


def _of_run(wanted: EventFilter) -> Path:
    return Path("run_events_run_type", "types") if _few(wanted.types) else Path(_RUN)


class Span(NamedTuple):
    """The stretch of ids that a page comes from, and from which end."""

    after_id: int | None
    before_id: int | None
    backwards: bool


def ids_of_page(connection: Connection, wanted: EventFilter, span: Span, count: int, *, floor: int = 0) -> Subquery:
    """At most `count` ids from the near end of the span, as something to join.

    Nothing up to `floor` counts as being in the table, and the span begins after it.
    """
    path = choose(connection, wanted)
    if path.via in _WHOLE_JOURNAL:
        span = _shorten(connection, wanted, span, floor)
    order = text("id DESC" if span.backwards else "id")
    branches = _branches(connection, wanted, path, span, count)
    if path.via == _TRACE and wanted.run_id is None:
        of_the_run = replace(wanted, run_id=wanted.trace_id)
        branches += _branches(connection, of_the_run, choose(connection, of_the_run), span, count)
    if len(branches) == 1:
        return branches[0].subquery("page")
    inner = (branch.subquery() for branch in branches)
    return union_all(*(select(each) for each in inner)).order_by(order).limit(count).subquery("page")


def _branches(connection: Connection, wanted: EventFilter, path: Path, span: Span, count: int) -> list[Select[Any]]:
    """One page for each value of the list that is taken value by value; one in all where none is."""
    base: list[ColumnElement[bool] | TextClause] = [*holds(wanted, without=path.spread)]
    if span.after_id is not None:
        base.append(_c["id"] > span.after_id)
    if span.before_id is not None:
        base.append(_c["id"] < span.before_id)
    if path.via == "run_events_level":
        base.append(_RARE)
    if path.via == _TRACE:
        base.append(_ELSEWHERE)
    order = text("id DESC" if span.backwards else "id")
    page = select(_c["id"]).select_from(_source(connection, path.via)).where(*base).order_by(order).limit(count)
    if path.spread is None:
        return [page]
    column = _c[_MANY[path.spread]]
    return [page.where(column == value) for value in dict.fromkeys(getattr(wanted, path.spread))]


def _few(values: tuple[str, ...]) -> bool:
    return 0 < len(values) <= BRANCHES_MAX


def holds(wanted: EventFilter, without: str | None = None) -> list[ColumnElement[bool]]:
    """Everything that the filter asks for, but for one list."""
    made = [_c[name] == value for name in _ONE if (value := getattr(wanted, name)) is not None]
    for field, name in _MANY.items():
        values = getattr(wanted, field)
        if values and field != without:
            made.append(_c[name].in_(values))
    made.extend(is_asked(_c[condition.field], condition) for condition in wanted.also)
    return made + _times(wanted)


def _times(wanted: EventFilter) -> list[ColumnElement[bool]]:
    made = []
    if wanted.since is not None:
        made.append(_c["created_at"] >= wanted.since)
    if wanted.until is not None:
        made.append(_c["created_at"] < wanted.until)
    return made


def _is_narrow(connection: Connection, wanted: EventFilter) -> bool:
    times = _times(wanted)
    if not times:
        return False
    some = select(_c["id"]).select_from(_source(connection, _TIME)).where(*times).limit(NARROW_EVENTS_MAX + 1)
    counted = connection.execute(select(func.count()).select_from(some.subquery())).scalar_one()
    return int(counted) <= NARROW_EVENTS_MAX


def _shorten(connection: Connection, wanted: EventFilter, span: Span, floor: int) -> Span:
    """A wide time range still has a first and a last id; without it the walk may start far outside."""
    times = _times(wanted)
    source = _source(connection, _TIME)
    if span.backwards and span.before_id is None and wanted.until is not None:
        last = connection.execute(select(func.max(_c["id"])).select_from(source).where(*times)).scalar()
        return span._replace(before_id=(last or 0) + 1)
    if not span.backwards and (span.after_id or 0) <= floor and wanted.since is not None:
        first = connection.execute(select(func.min(_c["id"])).select_from(source).where(*times)).scalar()
        return span._replace(after_id=max(floor, (first or 1) - 1))
    return span


def _source(connection: Connection, index: str | None) -> TextClause:
    """The table, and on SQLite the index that it must be read by. Other databases plan for themselves."""
    if connection.dialect.name != "sqlite":
        return text("run_events")
    return text(f"run_events INDEXED BY {index}" if index else "run_events NOT INDEXED")
