"""The list of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec.structs import replace

from flightlog.console.page import Page, QueryFault, href
from flightlog.console.pages.columns import Column, ColumnChoice
from flightlog.console.pages.facets import FacetsPanel, facets_panel
from flightlog.console.pages.frame import notice_for
from flightlog.console.pages.runs_rows import TABLE, RunRow, RunRows, run_row
from flightlog.errors import QueryInvalid
from flightlog.filters.compile import narrowed_runs, run_filter
from flightlog.filters.fields import RUNS
from flightlog.filters.language import parse
from flightlog.filters.params import moment
from flightlog.journal.condition import Condition
from flightlog.journal.read import head_id
from flightlog.runs.filter import RunFilter
from flightlog.runs.listing import NEWEST, RunPage, list_runs
from flightlog.runs.status import RUNNING
from flightlog.services import Services
from flightlog.version import __version__

PARAMETERS = frozenset({"q", "project", "since", "until", "sort", "columns", "cursor", "facets"})
RUNS_SHOWN = 50
IN_FLIGHT_SHOWN = 8


@dataclass(frozen=True, kw_only=True)
class Part:
    """One term of the query, and the list without it."""

    text: Annotated[str, "The term."]
    href: Annotated[str, "The list without it."]


@dataclass(frozen=True, kw_only=True)
class RunsPage(Page):
    """Runs, newest start first."""

    template: ClassVar[str] = "runs.html"

    rows: Annotated[list[RunRow], "The runs on this page."]
    in_flight: Annotated[list[RunRow], "The runs that go on, newest first; empty where they stand among the rows."]
    in_flight_more: Annotated[str | None, "All runs that go on, when not all of them are shown."]
    columns: Annotated[list[Column], "The columns that are shown."]
    choices: Annotated[list[ColumnChoice], "The columns that there are."]
    terms: Annotated[list[Part], "The terms of the query, each with a way to be rid of it."]
    panel: Annotated[FacetsPanel | None, "Facets and histogram, when they were asked for with the page."] = None
    facets_href: Annotated[str, "Where a script asks for them."]
    show_facets: Annotated[str, "The page with them, for who has no scripts."]
    filtered: Annotated[bool, "Whether any filter is set, or this is a later page."]
    clear: Annotated[str, "The list without any filter."]
    newest: Annotated[str | None, "The first page, when this is a later one."]
    older: Annotated[str | None, "The next page, if there is one."]
    more: Annotated[str | None, "The same as rows alone."]
    first: Annotated[bool, "Whether this is the first page in the order of time, where new runs come in."]
    server: Annotated[str, "This server's own URL, for the lines of code that would fill an empty page."]


def runs_page(services: Services, params: Mapping[str, str], server: str) -> RunsPage:
    """The page for these parameters. Raises FilterInvalid, CursorInvalid; a query that can't be read is told on the page."""
    asked = {name: value for name, value in params.items() if value and name not in ("cursor", "facets")}
    query, fault = asked.get("q", ""), None
    try:
        terms = _terms(query, asked)
        wanted = wanted_runs(asked, services.clock.now_ns())
    except QueryInvalid as error:
        fault, terms = QueryFault.of(error), []
        wanted = RunFilter(statuses=())
    cursor = params.get("cursor") or None
    first = cursor is None and asked.get("sort", NEWEST) == NEWEST
    apart = first and not _asks_for_status(wanted)
    with services.store.read() as connection:
        position = head_id(connection)
    flying = _in_flight(services, wanted) if apart and fault is None else RunPage([], None)
    page = _page(services, _landed(wanted) if apart else wanted, asked, cursor) if fault is None else RunPage([], None)
    now = services.clock.now_ns()
    return RunsPage(
        title="Runs",
        place="runs",
        scope="runs",
        action="/",
        query=query,
        query_error=fault,
        kept={name: asked[name] for name in ("sort", "columns") if name in asked},
        project=asked.get("project", ""),
        since=asked.get("since", ""),
        until=asked.get("until", ""),
        notice=notice_for(services),
        live=href("/api/events/stream", {"afterId": str(position), "payloads": "false"}),
        version=__version__,
        rows=[run_row(run, now) for run in page.runs],
        in_flight=[run_row(run, now) for run in flying.runs],
        in_flight_more=href("/", {**asked, "q": f"{query} status:{RUNNING}".strip()}) if flying.next_cursor else None,
        columns=TABLE.columns(asked),
        choices=TABLE.choices(asked),
        terms=terms,
        panel=facets_panel(services, asked) if params.get("facets") and fault is None else None,
        facets_href=href("/facets", asked),
        show_facets=href("/", {**asked, "facets": "true"}),
        filtered=bool(asked.keys() - {"columns", "sort"}) or cursor is not None,
        clear="/",
        newest=href("/", asked) if cursor else None,
        older=_older("/", asked, page),
        more=_older("/rows", asked, page),
        first=first,
        server=server,
    )


def runs_rows(services: Services, params: Mapping[str, str]) -> RunRows:
    """The rows that follow a page. Raises FilterInvalid, CursorInvalid."""
    asked = {name: value for name, value in params.items() if value and name not in ("cursor", "facets")}
    wanted = wanted_runs(asked, services.clock.now_ns())
    if asked.get("sort", NEWEST) == NEWEST and not _asks_for_status(wanted):
        wanted = _landed(wanted)
    page = _page(services, wanted, asked, params.get("cursor") or None)
    now = services.clock.now_ns()
    return RunRows(
        rows=[run_row(run, now) for run in page.runs],
        columns=TABLE.columns(asked),
        more=_older("/rows", asked, page),
    )


def wanted_runs(params: Mapping[str, str], now_ns: int) -> RunFilter:
    """The filter that these parameters ask for. Raises FilterInvalid."""
    framed = RunFilter(
        project=params.get("project") or None,
        since=moment("since", params.get("since") or None, now_ns),
        until=moment("until", params.get("until") or None, now_ns),
    )
    return narrowed_runs(run_filter(params.get("q", ""), now_ns), framed)


def _page(services: Services, wanted: RunFilter, asked: Mapping[str, str], cursor: str | None) -> RunPage:
    return list_runs(
        services.store,
        wanted,
        sort=asked.get("sort", NEWEST),
        limit=RUNS_SHOWN,
        cursor=cursor,
        clock=services.clock,
        settings=services.settings,
    )


def _in_flight(services: Services, wanted: RunFilter) -> RunPage:
    running = replace(wanted, statuses=(RUNNING,))
    return list_runs(services.store, running, limit=IN_FLIGHT_SHOWN, clock=services.clock, settings=services.settings)


def _landed(wanted: RunFilter) -> RunFilter:
    return replace(wanted, also=(*wanted.also, Condition(field="status", values=(RUNNING,), negated=True)))


def _asks_for_status(wanted: RunFilter) -> bool:
    return bool(wanted.statuses) or any(condition.field == "status" for condition in wanted.also)


def _older(path: str, asked: Mapping[str, str], page: RunPage) -> str | None:
    return href(path, {**asked, "cursor": page.next_cursor}) if page.next_cursor is not None else None


def _terms(query: str, asked: Mapping[str, str]) -> list[Part]:
    """Raises QueryInvalid."""
    read = parse(query, RUNS)
    return [
        Part(text=str(term), href=href("/", {**asked, "q": str(read.without_term(place))}))
        for place, term in enumerate(read.terms)
    ]
