"""The list of model calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from flightlog.console import format as fmt
from flightlog.console.page import Page, QueryFault, href
from flightlog.console.pages.columns import Column, ColumnChoice
from flightlog.console.pages.frame import notice_for
from flightlog.console.pages.runs import Part
from flightlog.console.pages.traces_rows import TABLE, TraceRow, TraceRows, trace_rows
from flightlog.errors import QueryInvalid
from flightlog.filters.compile import generation_filter, narrowed_generations
from flightlog.filters.fields import GENERATIONS
from flightlog.filters.language import parse
from flightlog.filters.params import moment
from flightlog.journal.read import head_id
from flightlog.runs.generation_filter import GenerationFilter
from flightlog.runs.generations import NEWEST, GenerationPage, list_generations
from flightlog.services import Services
from flightlog.version import __version__

PARAMETERS = frozenset({"q", "project", "since", "until", "sort", "columns", "cursor"})
TRACES_SHOWN = 50


@dataclass(frozen=True, kw_only=True)
class TracesPage(Page):
    """Calls of models, newest first."""

    template: ClassVar[str] = "traces.html"

    rows: Annotated[list[TraceRow], "The calls on this page."]
    columns: Annotated[list[Column], "The columns that are shown."]
    choices: Annotated[list[ColumnChoice], "The columns that there are."]
    terms: Annotated[list[Part], "The terms of the query, each with a way to be rid of it."]
    counted: Annotated[str, "How many calls there are, in words; empty when that was not counted."]
    filtered: Annotated[bool, "Whether any filter is set, or this is a later page."]
    clear: Annotated[str, "The list without any filter."]
    newest: Annotated[str | None, "The first page, when this is a later one."]
    older: Annotated[str | None, "The next page, if there is one."]
    more: Annotated[str | None, "The same as rows alone."]
    first: Annotated[bool, "Whether this is the first page in the order of time, where new calls come in."]
    server: Annotated[str, "This server's own URL, for the lines that would fill an empty page."]


def traces_page(services: Services, params: Mapping[str, str], server: str) -> TracesPage:
    """The page for these parameters. Raises FilterInvalid, CursorInvalid; a query that can't be read is told on the page."""
    asked = {name: value for name, value in params.items() if value and name != "cursor"}
    cursor = params.get("cursor") or None
    with services.store.read() as connection:
        position = head_id(connection)
    query, fault, terms, page = asked.get("q", ""), None, [], GenerationPage([], None)
    try:
        terms = _terms(query, asked)
        page = _page(services, asked, cursor, count=cursor is None)
    except QueryInvalid as error:
        fault = QueryFault.of(error)
    return TracesPage(
        title="Traces",
        place="traces",
        scope="generations",
        action="/traces",
        query=query,
        query_error=fault,
        kept={name: asked[name] for name in ("sort", "columns") if name in asked},
        project=asked.get("project", ""),
        since=asked.get("since", ""),
        until=asked.get("until", ""),
        notice=notice_for(services),
        live=href("/api/events/stream", {"afterId": str(position), "payloads": "false"}),
        version=__version__,
        rows=trace_rows(services, page.generations),
        columns=TABLE.columns(asked),
        choices=TABLE.choices(asked),
        terms=terms,
        counted=_counted(page),
        filtered=bool(asked.keys() - {"columns", "sort"}) or cursor is not None,
        clear="/traces",
        newest=href("/traces", asked) if cursor else None,
        older=_older("/traces", asked, page),
        more=_older("/traces/rows", asked, page),
        first=cursor is None and asked.get("sort", NEWEST) == NEWEST,
        server=server,
    )


def traces_rows(services: Services, params: Mapping[str, str]) -> TraceRows:
    """The rows that follow a page. Raises FilterInvalid, CursorInvalid."""
    asked = {name: value for name, value in params.items() if value and name != "cursor"}
    page = _page(services, asked, params.get("cursor") or None)
    return TraceRows(
        rows=trace_rows(services, page.generations),
        columns=TABLE.columns(asked),
        more=_older("/traces/rows", asked, page),
    )


def wanted_generations(params: Mapping[str, str], now_ns: int) -> GenerationFilter:
    """The filter that these parameters ask for. Raises FilterInvalid."""
    framed = GenerationFilter(
        project=params.get("project") or None,
        since=moment("since", params.get("since") or None, now_ns),
        until=moment("until", params.get("until") or None, now_ns),
    )
    return narrowed_generations(generation_filter(params.get("q", ""), now_ns), framed)


def _page(services: Services, asked: Mapping[str, str], cursor: str | None, *, count: bool = False) -> GenerationPage:
    return list_generations(
        services.store,
        wanted_generations(asked, services.clock.now_ns()),
        sort=asked.get("sort", NEWEST),
        limit=TRACES_SHOWN,
        cursor=cursor,
        count=count,
        settings=services.settings,
    )


def _counted(page: GenerationPage) -> str:
    if page.total is None:
        return ""
    number = fmt.counted(page.total, "model call", "model calls")
    return number if page.counted_all else f"more than {number}"


def _older(path: str, asked: Mapping[str, str], page: GenerationPage) -> str | None:
    return href(path, {**asked, "cursor": page.next_cursor}) if page.next_cursor is not None else None


def _terms(query: str, asked: Mapping[str, str]) -> list[Part]:
    """Raises QueryInvalid."""
    read = parse(query, GENERATIONS)
    return [
        Part(text=str(term), href=href("/traces", {**asked, "q": str(read.without_term(place))}))
        for place, term in enumerate(read.terms)
    ]
