"""Run summaries, as lists and one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import select

from flightlog.clock import NS_PER_SECOND, Clock, SystemClock
from flightlog.config import Settings
from flightlog.errors import RunNotFound
from flightlog.journal.filter import is_storable
from flightlog.runs.fold import NANO, RunState
from flightlog.runs.project import state_of
from flightlog.runs.status import RUNNING, TASKS_SOURCE
from flightlog.runs.table import runs
from flightlog.store.contract import Store

SYSTEM_CLOCK = SystemClock()
DEFAULTS = Settings()


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a list says about a run, without its trace. Times are nanoseconds since 1970, UTC.

    `status` is running, succeeded, failed or canceled; `hung` says that a running run was silent for longer than
    `hung_seconds`, unless it is a task's own: those are looked after. `lost_count` is how many of its events are known to be lost.
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


def get_run(store: Store, run_id: str, *, clock: Clock = SYSTEM_CLOCK, settings: Settings = DEFAULTS) -> RunSummary:
    """The run's summary. Raises RunNotFound."""
    row = None
    if is_storable(run_id):
        with store.read() as connection:
            row = connection.execute(select(runs).where(runs.c.run_id == run_id)).mappings().first()
    if row is None:
        raise RunNotFound(run_id=run_id)
    return summary_of(dict(row), silent_since(clock, settings))


def silent_since(clock: Clock, settings: Settings) -> int:
    """A running run whose last event is older than this is hung, if it is not a task's own."""
    return clock.now_ns() - int(settings.hung_seconds * NS_PER_SECOND)


def is_hung(run: RunState, silent_since: int) -> bool:
    """Whether a run that runs has been silent for too long: what nobody else looks after is told by that alone."""
    is_a_task = run.source == TASKS_SOURCE and run.task_id == run.run_id
    return run.status == RUNNING and run.last_event_at < silent_since and not is_a_task


def summary_of(row: Mapping[str, Any], silent_since: int) -> RunSummary:
    """A row of the table as its summary."""
    state = state_of(dict(row))
    duration_ns = state.duration_ns
    if duration_ns is None and state.finished_at is not None:
        duration_ns = max(0, state.finished_at - state.started_at)
    return RunSummary(
        run_id=state.run_id,
        project=state.project,
        name=state.name,
        status=state.status,
        hung=is_hung(state, silent_since),
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
