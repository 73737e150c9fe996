"""The list of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from flightlog.console import format as fmt
from flightlog.console.kinds import Segment, bar, in_words
from flightlog.console.page import Page, href
from flightlog.console.pages.frame import notice_for
from flightlog.filters.compile import narrowed_runs, run_filter
from flightlog.filters.params import moment as parse_moment
from flightlog.filters.params import words
from flightlog.journal.read import head_id
from flightlog.runs.filter import HUNG, RunFilter
from flightlog.runs.listing import list_runs
from flightlog.runs.status import STATUSES
from flightlog.runs.summary import RunSummary
from flightlog.services import Services
from flightlog.version import __version__

PARAMETERS = frozenset({"project", "status", "actor", "q", "task", "trace", "since", "until", "cursor"})
RUNS_SHOWN = 50
# In the order in which somebody who looks for trouble wants them.
STATUS_ORDER = ("running", HUNG, "failed", "succeeded", "canceled")


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One run in the list."""

    run_id: Annotated[str, "Its id; the row is found by it when news arrive."]
    href: Annotated[str, "Its page."]
    name: Annotated[str, "Its name, or its id shortened."]
    status: Annotated[str, "running, hung, succeeded, failed or canceled."]
    actor: Annotated[str, "Who it was started for; empty when nobody said."]
    actor_href: Annotated[str, "The list of that actor's runs."]
    bar: Annotated[list[Segment], "Its events by kind, as stretches of a bar of length 100."]
    kinds: Annotated[str, "The same in words."]
    events: Annotated[str, "How many events it has."]
    models: Annotated[str, "The models it called."]
    tokens: Annotated[str, "Tokens in / out, short."]
    tokens_exact: Annotated[str, "The same with all digits."]
    cost: Annotated[str, "What it cost."]
    errors: Annotated[str, "How many errors; empty for none."]
    lost: Annotated[str, "How many of its events are known to be lost; empty for none."]
    time: Annotated[str, "How long it took, has taken so far, or has been silent."]
    started: Annotated[fmt.Moment, "When it began."]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A link that sets or clears a filter."""

    word: Annotated[str, "What it is called."]
    href: Annotated[str, "The list with it, or without it when it is set."]
    is_set: Annotated[bool, "Whether it is set now."]


@dataclass(frozen=True, kw_only=True)
class RunsPage(Page):
    """Runs, newest start first."""

    template: ClassVar[str] = "runs.html"

    rows: Annotated[list[RunRow], "The runs on this page."]
    statuses: Annotated[list[Choice], "The statuses to filter by."]
    filters: Annotated[list[Choice], "All other filters that are set; each link clears one."]
    kept: Annotated[dict[str, str], "The filters that a new search keeps, as hidden fields."]
    filtered: Annotated[bool, "Whether any filter is set, or this is a later page."]
    clear: Annotated[str, "The list without any filter."]
    newest: Annotated[str | None, "The first page, when this is a later one."]
    older: Annotated[str | None, "The next page, if there is one."]
    first: Annotated[bool, "Whether this is the first page, where new runs come in."]
    server: Annotated[str, "This server's own URL, for the lines of code that would fill an empty page."]


def runs_page(services: Services, params: Mapping[str, str], server: str) -> RunsPage:
    """The page for these parameters. Raises FilterInvalid, CursorInvalid."""
    set_now = {name: value for name, value in params.items() if value and name != "cursor"}
    cursor = params.get("cursor") or None
    page = list_runs(
        services.store,
        wanted_runs(set_now, services.clock.now_ns()),
        limit=RUNS_SHOWN,
        cursor=cursor,
        clock=services.clock,
        settings=services.settings,
    )
    with services.store.read() as connection:
        position = head_id(connection)
    now = services.clock.now_ns()
    return RunsPage(
        title="Runs",
        place="runs",
        search=set_now.get("q", ""),
        notice=notice_for(services),
        live=href("/api/events/stream", {"afterId": str(position), "payloads": "false"}),
        version=__version__,
        rows=[run_row(run, now) for run in page.runs],
        statuses=[_status_choice(status, set_now) for status in STATUS_ORDER],
        filters=[
            Choice(word=f"{name}: {value}", href=href("/", _without(set_now, name)), is_set=True)
            for name, value in set_now.items()
            if name not in ("status", "q")
        ],
        kept=_without(set_now, "q"),
        filtered=bool(set_now or cursor),
        clear="/",
        newest=href("/", set_now) if cursor else None,
        older=href("/", {**set_now, "cursor": page.next_cursor}) if page.next_cursor else None,
        first=cursor is None,
        server=server,
    )


def wanted_runs(params: Mapping[str, str], now_ns: int) -> RunFilter:
    """The filter that these parameters ask for."""
    framed = RunFilter(
        project=params.get("project") or None,
        statuses=words([params.get("status", "")]),
        actor=params.get("actor") or None,
        task_id=params.get("task") or None,
        trace_id=params.get("trace") or None,
        since=parse_moment("since", params.get("since") or None, now_ns),
        until=parse_moment("until", params.get("until") or None, now_ns),
    )
    return narrowed_runs(run_filter(params.get("q", ""), now_ns), framed)


def status_of(run: RunSummary) -> str:
    """The status as people see it."""
    return HUNG if run.hung else run.status


def run_row(run: RunSummary, now_ns: int) -> RunRow:
    """One run, seen at `now_ns`."""
    has_tokens = run.tokens_input or run.tokens_output
    return RunRow(
        run_id=run.run_id,
        href=href(f"/runs/{run.run_id}"),
        name=run.name or fmt.short_id(run.run_id),
        status=status_of(run),
        actor=run.actor or "",
        actor_href=href("/", {"actor": run.actor}),
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
    )


def run_time(run: RunSummary, now_ns: int) -> str:
    """How long a run took, has taken so far, or has been silent."""
    if run.hung:
        return f"silent {fmt.duration(max(0, now_ns - run.last_event_at))}"
    if run.duration_ns is None and run.status not in STATUSES[1:]:
        return fmt.duration(max(0, now_ns - run.started_at))
    return fmt.duration(run.duration_ns)


def _status_choice(status: str, set_now: Mapping[str, str]) -> Choice:
    chosen = words([set_now.get("status", "")])
    rest = [other for other in chosen if other != status] if status in chosen else [*chosen, status]
    return Choice(word=status, href=href("/", {**set_now, "status": ",".join(rest)}), is_set=status in chosen)


def _without(params: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in params.items() if key != name}
