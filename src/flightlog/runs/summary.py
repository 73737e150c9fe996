"""Run summaries, as lists and one by one."""

from __future__ import annotations

import base64

import msgspec
from sqlalchemy import ColumnElement, RowMapping, and_, literal, or_, select, tuple_

from flightlog.clock import NS_PER_SECOND, Clock, SystemClock
from flightlog.config import Settings
from flightlog.errors import CursorInvalid, FilterInvalid, LimitInvalid, RunNotFound
from flightlog.runs.fold import INT64_MAX, NANO
from flightlog.runs.project import state_of
from flightlog.runs.status import RUNNING, STATUSES
from flightlog.runs.table import runs
from flightlog.store.contract import Store

SYSTEM_CLOCK = SystemClock()
DEFAULTS = Settings()
HUNG = "hung"


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a list says about a run, without its trace. Times are nanoseconds since 1970, UTC.

    `status` is running, succeeded, failed or canceled; `hung` says that a running run was silent for longer than
    `hung_seconds`. `lost_count` is how many of its events are known to be lost.
    """

    run_id: str
    project: str
    name: str | None
    status: str
    hung: bool
    actor: str | None
    source: str | None
    task_id: str | None
    trace_id: str | None
    started_at: int
    finished_at: int | None
    duration_ns: int | None
    last_event_at: int
    last_event_id: int
    event_count: int
    counts: dict[str, int]
    error_count: int
    lost_count: int
    models: list[str]
    tokens_input: int
    tokens_output: int
    tokens_cached_input: int
    tokens_reasoning: int
    cost_usd: float


class RunFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs: every field that is given has to hold. `statuses` may say `hung`.

    `name` is a part of the name, in any case of letters. `since` (inclusive) and `until` (exclusive) are started_at in
    nanoseconds.
    """

    project: str | None = None
    statuses: tuple[str, ...] = ()
    actor: str | None = None
    task_id: str | None = None
    trace_id: str | None = None
    name: str | None = None
    since: int | None = None
    until: int | None = None


ALL_RUNS = RunFilter()


class RunPage(msgspec.Struct, frozen=True):
    """Runs, newest first, and the cursor of the next page; None on the last."""

    runs: list[RunSummary]
    next_cursor: str | None


def list_runs(
    store: Store,
    filter: RunFilter = ALL_RUNS,  # noqa: A002
    *,
    limit: int | None = None,
    cursor: str | None = None,
    clock: Clock = SYSTEM_CLOCK,
    settings: Settings = DEFAULTS,
) -> RunPage:
    """A page of runs, newest start first. Raises LimitInvalid, CursorInvalid, FilterInvalid."""
    limit = _check_limit(limit, settings)
    silent_since = _silent_since(clock, settings)
    wanted = select(runs).where(*_conditions(filter, silent_since))
    if cursor is not None:
        started_at, run_id = _open_cursor(cursor)
        wanted = wanted.where(tuple_(runs.c.started_at, runs.c.run_id) < tuple_(literal(started_at), literal(run_id)))
    wanted = wanted.order_by(runs.c.started_at.desc(), runs.c.run_id.desc()).limit(limit + 1)
    with store.read() as connection:
        found = [_summary(row, silent_since) for row in connection.execute(wanted).mappings()]
    page = found[:limit]
    return RunPage(page, _make_cursor(page[-1]) if len(found) > limit else None)


def get_run(store: Store, run_id: str, *, clock: Clock = SYSTEM_CLOCK, settings: Settings = DEFAULTS) -> RunSummary:
    """The run's summary. Raises RunNotFound."""
    row = None
    if _is_storable(run_id):
        with store.read() as connection:
            row = connection.execute(select(runs).where(runs.c.run_id == run_id)).mappings().first()
    if row is None:
        raise RunNotFound(run_id=run_id)
    return _summary(row, _silent_since(clock, settings))


def _check_limit(limit: int | None, settings: Settings) -> int:
    if limit is None:
        return min(settings.page_events_default, settings.page_runs_max)
    if not 1 <= limit <= settings.page_runs_max:
        raise LimitInvalid(limit=limit, limit_max=settings.page_runs_max)
    return limit


def _silent_since(clock: Clock, settings: Settings) -> int:
    """A running run whose last event is older than this is hung."""
    return clock.now_ns() - int(settings.hung_seconds * NS_PER_SECOND)


def _conditions(wanted: RunFilter, silent_since: int) -> list[ColumnElement[bool]]:
    for field in wanted.__struct_fields__:
        value = getattr(wanted, field)
        if isinstance(value, str) and not _is_storable(value):
            raise FilterInvalid(reason=f"{field} is not valid Unicode text")
        if isinstance(value, int) and not -INT64_MAX <= value <= INT64_MAX:
            raise FilterInvalid(reason=f"{field} does not fit in 64 bits")
    made = [
        runs.c[name] == value
        for name in ("project", "actor", "task_id", "trace_id")
        if (value := getattr(wanted, name)) is not None
    ]
    if wanted.statuses:
        made.append(_has_status(wanted.statuses, silent_since))
    if wanted.name is not None:
        made.append(runs.c.name.icontains(wanted.name, autoescape=True))
    if wanted.since is not None:
        made.append(runs.c.started_at >= wanted.since)
    if wanted.until is not None:
        made.append(runs.c.started_at < wanted.until)
    return made


def _has_status(statuses: tuple[str, ...], silent_since: int) -> ColumnElement[bool]:
    for status in statuses:
        if status not in (*STATUSES, HUNG):
            raise FilterInvalid(reason=f"status is one of {', '.join((*STATUSES, HUNG))}, not {status!r}")
    stored = [status for status in statuses if status != HUNG]
    one_of_them = runs.c.status.in_(stored) if len(stored) != 1 else runs.c.status == stored[0]
    if HUNG not in statuses:
        return one_of_them
    hung = and_(runs.c.status == RUNNING, runs.c.last_event_at < silent_since)
    return or_(one_of_them, hung) if stored else hung


def _summary(row: RowMapping, silent_since: int) -> RunSummary:
    state = state_of(dict(row))
    duration_ns = state.duration_ns
    if duration_ns is None and state.finished_at is not None:
        duration_ns = max(0, state.finished_at - state.started_at)
    return RunSummary(
        run_id=state.run_id,
        project=state.project,
        name=state.name,
        status=state.status,
        hung=state.status == RUNNING and state.last_event_at < silent_since,
        actor=state.actor,
        source=state.source,
        task_id=state.task_id,
        trace_id=state.trace_id,
        started_at=state.started_at,
        finished_at=state.finished_at,
        duration_ns=duration_ns,
        last_event_at=state.last_event_at,
        last_event_id=state.last_event_id,
        event_count=state.event_count,
        counts=state.counts,
        error_count=state.error_count,
        lost_count=state.lost_count,
        models=state.models,
        tokens_input=state.tokens_input,
        tokens_output=state.tokens_output,
        tokens_cached_input=state.tokens_cached_input,
        tokens_reasoning=state.tokens_reasoning,
        cost_usd=state.cost_nano_usd / NANO,
    )


def _make_cursor(run: RunSummary) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((run.started_at, run.run_id))).decode().rstrip("=")


def _open_cursor(cursor: str) -> tuple[int, str]:
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        started_at, run_id = msgspec.json.decode(data, type=tuple[int, str])
    except (ValueError, msgspec.DecodeError) as error:
        raise CursorInvalid(cursor=cursor) from error
    if not -INT64_MAX <= started_at <= INT64_MAX:
        raise CursorInvalid(cursor=cursor)
    return started_at, run_id


def _is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
