"""The rows of the list of runs, and the columns that they can have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from flightlog.clock import format_ns
from flightlog.console import format as fmt
from flightlog.console.kinds import Segment, bar, in_words
from flightlog.console.page import Fragment, href
from flightlog.console.pages.columns import Column, ColumnKind, Table
from flightlog.runs.filter import HUNG
from flightlog.runs.listing import NEWEST
from flightlog.runs.status import STATUSES
from flightlog.runs.summary import RunSummary

COLUMNS: tuple[ColumnKind, ...] = (
    ColumnKind("status", "Status"),
    ColumnKind("name", "Run"),
    ColumnKind("actor", "Actor"),
    ColumnKind("project", "Project", usual=False),
    ColumnKind("source", "Source", usual=False),
    ColumnKind("task", "Task", usual=False),
    ColumnKind("events", "Events", "events"),
    ColumnKind("model", "Model"),
    ColumnKind("tokens", "Tokens in / out", "tokens", is_number=True),
    ColumnKind("cost", "Cost", "cost", is_number=True),
    ColumnKind("errors", "Errors", "errors", is_number=True),
    ColumnKind("time", "Time", "duration", is_number=True),
    ColumnKind("started", "Started", "started", is_number=True),
)
TABLE = Table("/", COLUMNS, always=("status", "name"), newest=NEWEST)


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One run in the list."""

    run_id: Annotated[str, "Its id; the row is found by it when news arrive."]
    href: Annotated[str, "Its page."]
    name: Annotated[str, "Its name, or its id shortened."]
    status: Annotated[str, "running, hung, succeeded, failed or canceled."]
    actor: Annotated[str, "Who it was started for; empty when nobody said."]
    project: Annotated[str, "Its project."]
    source: Annotated[str, "What recorded it; may be empty."]
    task: Annotated[str, "The id of its task; may be empty."]
    bar: Annotated[list[Segment], "Its events by kind, as stretches of a bar of length 100."]
    kinds: Annotated[str, "The same in words."]
    events: Annotated[str, "How many events it has."]
    models: Annotated[str, "The models it called."]
    tokens: Annotated[str, "Tokens in / out, short."]
    tokens_exact: Annotated[str, "The same with all digits."]
    cost: Annotated[str, "What it cost."]
    errors: Annotated[str, "How many errors; empty for none."]
    lost: Annotated[str, "How many of its events are known to be lost; empty for none."]
    time: Annotated[str, "How long it took, or has taken so far."]
    started: Annotated[fmt.Moment, "When it began."]
    seen: Annotated[str | None, "When it was last heard of (RFC 3339), while it runs."]
    seen_ago: Annotated[str, "The same as an age."]


@dataclass(frozen=True, kw_only=True)
class RunRows(Fragment):
    """A stretch of the list: what a script puts under the rows that are there."""

    template: ClassVar[str] = "_runs_rows.html"

    rows: Annotated[list[RunRow], "The runs."]
    columns: Annotated[list[Column], "The columns that are shown."]
    more: Annotated[str | None, "The rows that follow, if any do."]


def status_of(run: RunSummary) -> str:
    """The status as people see it."""
    return HUNG if run.hung else run.status


def run_row(run: RunSummary, now_ns: int) -> RunRow:
    """One run, seen at `now_ns`."""
    has_tokens = run.tokens_input or run.tokens_output
    running = run.status not in STATUSES[1:]
    return RunRow(
        run_id=run.run_id,
        href=href(f"/runs/{run.run_id}"),
        name=run.name or fmt.short_id(run.run_id),
        status=status_of(run),
        actor=run.actor or "",
        project=run.project,
        source=run.source or "",
        task=run.task_id or "",
        bar=bar(run.counts),
        kinds=in_words(run.counts),
        events=fmt.count(run.event_count),
        models=", ".join(run.models),
        tokens=f"{fmt.short(run.tokens_input)} / {fmt.short(run.tokens_output)}" if has_tokens else fmt.NOTHING,
        tokens_exact=f"{fmt.count(run.tokens_input)} / {fmt.count(run.tokens_output)}",
        cost=fmt.money(run.cost_usd),
        errors=fmt.count(run.error_count) if run.error_count else "",
        lost=fmt.count(run.lost_count) if run.lost_count else "",
        time=run_time(run, now_ns),
        started=fmt.moment(run.started_at, now_ns),
        seen=format_ns(run.last_event_at) if running else None,
        seen_ago=fmt.duration(max(0, now_ns - run.last_event_at)) if running else "",
    )


def run_time(run: RunSummary, now_ns: int) -> str:
    """How long a run took, has taken so far, or has been silent."""
    if run.hung:
        return f"silent {fmt.duration(max(0, now_ns - run.last_event_at))}"
    if run.duration_ns is None and run.status not in STATUSES[1:]:
        return fmt.duration(max(0, now_ns - run.started_at))
    return fmt.duration(run.duration_ns)
