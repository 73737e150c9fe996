"""The list of runs, page by page."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, func, literal, select, tuple_

from flightlog.clock import Clock
from flightlog.config import Settings
from flightlog.errors import CursorInvalid, FilterInvalid, LimitInvalid
from flightlog.runs.filter import ALL_RUNS, TOKENS, TOOK, RunFilter, conditions
from flightlog.runs.fold import INT64_MAX
from flightlog.runs.summary import DEFAULTS, SYSTEM_CLOCK, RunSummary, silent_since, summary_of
from flightlog.runs.table import runs
from flightlog.store.contract import Store

_SORTS: dict[str, ColumnElement[Any]] = {
    "started": runs.c.started_at,
    "duration": func.coalesce(TOOK, -1),
    "cost": runs.c.cost_nano_usd,
    "tokens": TOKENS,
    "errors": runs.c.error_count,
    "events": runs.c.event_count,
}
SORTS: tuple[str, ...] = tuple(_SORTS)
NEWEST = "-started"


class RunPage(msgspec.Struct, frozen=True):
    """Runs in the order that was asked for, and the cursor of the next page; None on the last."""

    runs: list[RunSummary]
    next_cursor: str | None


class _Cursor(NamedTuple):
    """The last row of a page: what it was sorted by, its value there, and its id."""

    sort: str
    value: int
    run_id: str


def list_runs(
    store: Store,
    filter: RunFilter = ALL_RUNS,  # noqa: A002
    *,
    sort: str = NEWEST,
    limit: int | None = None,
    cursor: str | None = None,
    clock: Clock = SYSTEM_CLOCK,
    settings: Settings = DEFAULTS,
) -> RunPage:
    """A page of runs, by default the newest start first; `sort` is one of SORTS, with a minus for descending.

    A cursor belongs to its sort. Raises LimitInvalid, CursorInvalid, FilterInvalid.
    """
    limit = _check_limit(limit, settings)
    by = _SORTS.get(sort.removeprefix("-"))
    if by is None:
        raise FilterInvalid(reason=f"sort is one of {', '.join(SORTS)}, with a minus for descending, not {sort!r}")
    falling = sort.startswith("-")
    since = silent_since(clock, settings)
    wanted = select(runs, by.label("sorted_by")).where(*conditions(filter, since, store.dialect))
    if cursor is not None:
        last = _open_cursor(cursor, sort)
        here, there = tuple_(by, runs.c.run_id), tuple_(literal(last.value), literal(last.run_id))
        wanted = wanted.where(here < there if falling else here > there)
    order = (by.desc(), runs.c.run_id.desc()) if falling else (by, runs.c.run_id)
    with store.read() as connection:
        found = list(connection.execute(wanted.order_by(*order).limit(limit + 1)).mappings())
    page = found[:limit]
    more = len(found) > limit
    return RunPage(
        [summary_of({name: row[name] for name in _COLUMNS}, since) for row in page],
        _make_cursor(_Cursor(sort, page[-1]["sorted_by"], page[-1]["run_id"])) if more else None,
    )


_COLUMNS = tuple(column.name for column in runs.columns)


def _check_limit(limit: int | None, settings: Settings) -> int:
    if limit is None:
        return min(settings.page_events_default, settings.page_runs_max)
    if not 1 <= limit <= settings.page_runs_max:
        raise LimitInvalid(limit=limit, limit_max=settings.page_runs_max)
    return limit


def _make_cursor(last: _Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(last)).decode().rstrip("=")


def _open_cursor(cursor: str, sort: str) -> _Cursor:
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        last = msgspec.json.decode(data, type=_Cursor)
    except (ValueError, msgspec.DecodeError) as error:
        raise CursorInvalid(cursor=cursor) from error
    if last.sort != sort or not -INT64_MAX <= last.value <= INT64_MAX:
        raise CursorInvalid(cursor=cursor)
    return last
