"""Run summaries, as lists and one by one."""

from __future__ import annotations

import msgspec

from flightlog.clock import Clock, SystemClock
from flightlog.config import Settings
from flightlog.store.contract import Store

SYSTEM_CLOCK = SystemClock()


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
    settings: Settings | None = None,
) -> RunPage:
    """A page of runs, newest start first. Raises LimitInvalid, CursorInvalid, FilterInvalid."""
    raise NotImplementedError


def get_run(store: Store, run_id: str, *, clock: Clock = SYSTEM_CLOCK, settings: Settings | None = None) -> RunSummary:
    """The run's summary. Raises RunNotFound."""
    raise NotImplementedError
