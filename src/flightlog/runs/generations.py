"""Generations: every call of a model, as lists and one by one."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, func, literal, select, tuple_

from flightlog.config import Settings
from flightlog.errors import CursorInvalid, FilterInvalid, GenerationNotFound, LimitInvalid
from flightlog.journal.filter import is_storable
from flightlog.journal.lookup import rows_at
from flightlog.runs.fold import INT64_MAX, NANO
from flightlog.runs.generation_filter import ALL_GENERATIONS, TOKENS, GenerationFilter, conditions
from flightlog.runs.generation_table import generations
from flightlog.runs.summary import DEFAULTS
from flightlog.store.contract import Store

# What is not known counts as less than anything.
_SORTS: dict[str, ColumnElement[Any]] = {
    "started": generations.c.started_at,
    "duration": func.coalesce(generations.c.duration_ns, -1),
    "cost": func.coalesce(generations.c.cost_nano_usd, -1),
    "tokens": func.coalesce(TOKENS, -1),
    "ttfc": func.coalesce(generations.c.time_to_first_chunk_ns, -1),
}
SORTS: tuple[str, ...] = tuple(_SORTS)
NEWEST = "-started"


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a model, without what was said. Times are nanoseconds since 1970, UTC.

    `status` is running (no answer yet), ok or error. `event_id` is the event of the answer, else of the request; `id` grows
    in the order in which calls became known. `model` is the one that answered, else the one asked for. Token counts are the
    provider's, None where it gave none; cached, cache-write and reasoning tokens are parts of input and output. The cost is
    in billionths of a dollar; `cost_source` says whether the sender `reported` it or it was `priced` by `price_id`.
    Previews are the beginning of the last user message and of the answer. A call that is `covered` is told again by one within
    it, and counts in no total.
    """

    generation_id: str
    id: int
    event_id: str | None
    request_event_id: str | None
    answer_id: int | None
    request_id: int | None
    run_id: str | None
    project: str
    trace_id: str | None
    span_id: str | None
    parent_span_id: str | None
    task_id: str | None
    actor: str | None
    source: str | None
    name: str | None
    started_at: int
    ended_at: int | None
    duration_ns: int | None
    time_to_first_chunk_ns: int | None
    provider: str | None
    model: str | None
    request_model: str | None
    operation: str | None
    status: str
    error_kind: str | None
    finish_reason: str | None
    streamed: bool | None
    tokens_input: int | None
    tokens_output: int | None
    tokens_cached_input: int | None
    tokens_cache_write: int | None
    tokens_reasoning: int | None
    cost_nano_usd: int | None
    cost_source: str | None
    price_id: str | None
    input_preview: str | None
    output_preview: str | None
    covered: bool

    @property
    def cost_usd(self) -> float | None:
        """What it cost, in dollars."""
        return None if self.cost_nano_usd is None else self.cost_nano_usd / NANO


class GenerationPage(msgspec.Struct, frozen=True):
    """Generations in the order that was asked for, and the cursor of the next page; None on the last.

    `total` is how many there are on all pages, None when it was not asked for; not `counted_all` says that there are more.
    """

    generations: list[Generation]
    next_cursor: str | None
    total: int | None = None
    counted_all: bool = True


class _Cursor(NamedTuple):
    """The last row of a page: what it was sorted by, its value there, and its id."""

    sort: str
    value: int
    id: int


def list_generations(
    store: Store,
    filter: GenerationFilter = ALL_GENERATIONS,  # noqa: A002
    *,
    sort: str = NEWEST,
    limit: int | None = None,
    cursor: str | None = None,
    count: bool = False,
    settings: Settings = DEFAULTS,
) -> GenerationPage:
    """A page of generations, by default the newest start first; `sort` is one of SORTS, with a minus for descending.

    A cursor belongs to its sort. With `count`, as many as `facet_runs_max` are counted. Raises LimitInvalid, CursorInvalid,
    FilterInvalid.
    """
    limit = _check_limit(limit, settings)
    by = _SORTS.get(sort.removeprefix("-"))
    if by is None:
        raise FilterInvalid(reason=f"sort is one of {', '.join(SORTS)}, with a minus for descending, not {sort!r}")
    falling = sort.startswith("-")
    asked = conditions(filter)
    keys = select(generations.c.id, by.label("sorted_by")).where(*asked)
    if cursor is not None:
        last = _open_cursor(cursor, sort)
        here, there = tuple_(by, generations.c.id), tuple_(literal(last.value), literal(last.id))
        keys = keys.where(here < there if falling else here > there)
    order = (by.desc(), generations.c.id.desc()) if falling else (by, generations.c.id)
    with store.read() as connection:
        # Sorting ids alone keeps long rows out of the sorter.
        found = connection.execute(keys.order_by(*order).limit(limit + 1)).all()
        page = found[:limit]
        ids = [row.id for row in page]
        rows = _whole(connection, generations.c.id.in_(ids))
        total, counted_all = None, True
        if count:
            beyond = select(generations.c.id).where(*asked).limit(settings.facet_runs_max + 1).subquery()
            number = connection.execute(select(func.count()).select_from(beyond)).scalar_one()
            total, counted_all = min(number, settings.facet_runs_max), number <= settings.facet_runs_max
    return GenerationPage(
        [rows[id_] for id_ in ids if id_ in rows],
        _make_cursor(_Cursor(sort, page[-1].sorted_by, page[-1].id)) if len(found) > limit else None,
        total,
        counted_all,
    )


def get_generation(store: Store, generation_id: str) -> Generation:
    """The generation's row. Raises GenerationNotFound."""
    found: dict[int, Generation] = {}
    if is_storable(generation_id):
        with store.read() as connection:
            found = _whole(connection, generations.c.generation_id == generation_id)
    if not found:
        raise GenerationNotFound(generation_id=generation_id)
    return next(iter(found.values()))


def _whole(connection: Connection, wanted: ColumnElement[bool]) -> dict[int, Generation]:
    """The rows by their ids, with the ids of their events."""
    rows = connection.execute(select(generations).where(wanted)).mappings().all()
    places = {row[name] for row in rows for name in ("answer_id", "request_id") if row[name] is not None}
    events = dict(map(tuple, rows_at(connection, ("id", "event_id"), places)))
    return {row["id"]: _generation_of(dict(row), events) for row in rows}


def _generation_of(row: dict[str, Any], events: Mapping[int, str]) -> Generation:
    """A row of the table; `events` are the ids of events by their places."""
    if row["streamed"] is not None:
        row["streamed"] = bool(row["streamed"])
    row["covered"] = bool(row["covered"])
    answer, request = events.get(row["answer_id"]), events.get(row["request_id"])
    return Generation(**row, event_id=answer or request, request_event_id=request)


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
    if last.sort != sort or not all(-INT64_MAX <= number <= INT64_MAX for number in (last.value, last.id)):
        raise CursorInvalid(cursor=cursor)
    return last
