"""The flight recorder: the events of all runs, filtered, and followed as they come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from flightlog.clock import format_ns
from flightlog.console import format as fmt
from flightlog.console.kinds import KINDS, kind_of
from flightlog.console.page import Fragment, Page, QueryFault, href
from flightlog.console.pages.frame import notice_for
from flightlog.console.summary import SPOKEN, summarize
from flightlog.errors import QueryInvalid
from flightlog.events.envelope import FLAG_IMPORTED, FLAG_ROOT, StoredEvent, flag_names
from flightlog.filters.compile import event_filter, narrowed_events
from flightlog.filters.fields import EVENTS
from flightlog.filters.language import Query, parse
from flightlog.filters.params import moment, parse_id
from flightlog.journal.read import EventFilter, EventPage, get_events_at, head_id, read_events
from flightlog.runs.names import names_of
from flightlog.services import Services
from flightlog.version import __version__

FILTERS = ("q", "project", "since", "until")
PARAMETERS = frozenset({*FILTERS, "afterId", "beforeId", "id"})
EVENTS_SHOWN = 100
LEVELS_SHOWN = ("error", "warn")
ALARMING = frozenset({"warn", "error"})
BAD_STATUSES = frozenset({"error", "failed", "denied"})


@dataclass(frozen=True, kw_only=True)
class TailRow:
    """One event among those of all runs."""

    id: Annotated[int, "Its place in commit order."]
    href: Annotated[str, "Its own page; a script opens the panel instead."]
    kind: Annotated[str, "Its kind: the class of its colour."]
    type: Annotated[str, "Its type."]
    name: Annotated[str, "Its name; may be empty."]
    summary: Annotated[str, "What it says, in one line; may be empty."]
    level: Annotated[str, "Its level."]
    alarm: Annotated[str, "warn or error where the level says so and the status does not; else empty."]
    status: Annotated[str, "Its status; may be empty."]
    flags: Annotated[list[str], "What was done to it on its way in, as far as something is missing."]
    at: Annotated[str, "When it happened, UTC: the time, with the day unless that is today."]
    exact: Annotated[str, "The same with all digits."]
    took: Annotated[str, "How long it took; may be empty."]
    run: Annotated[str, "What its run is called; empty without one."]
    run_href: Annotated[str, "Where it stands in its run."]


@dataclass(frozen=True, kw_only=True)
class Facet:
    """A link that adds a term to the query, or takes it out again."""

    key: Annotated[str, "The class of its colour; empty for none."]
    word: Annotated[str, "What it is called."]
    href: Annotated[str, "The page with it, or without it when it is set."]
    is_set: Annotated[bool, "Whether it is set now."]


@dataclass(frozen=True, kw_only=True)
class EventRows(Fragment):
    """A stretch of the journal as rows, and where it goes on in both directions."""

    template: ClassVar[str] = "_event_rows.html"

    rows: Annotated[list[TailRow], "The events, oldest first."]
    before_id: Annotated[int | None, "Earlier events lie before this id; None where there are none."]
    after_id: Annotated[int, "Later events lie after this id."]
    at_end: Annotated[bool, "Whether nothing is known to come after these."]
    looked: Annotated[str, "How far a search for a text has looked, when it has not looked at everything; else empty."]


@dataclass(frozen=True, kw_only=True)
class EventsPage(Page, EventRows):
    """The page around the rows."""

    template: ClassVar[str] = "events.html"

    rows_href: Annotated[str, "Where a script asks for more rows that pass the same filters."]
    earlier: Annotated[str | None, "The page before, if there is one."]
    later: Annotated[str | None, "The page after, if there is one."]
    newest: Annotated[str | None, "The last page, when this may not be it."]
    facets: Annotated[list[Facet], "Terms that are often wanted."]
    filtered: Annotated[bool, "Whether any filter is set."]
    server: Annotated[str, "This server's own URL, for the lines of code that would fill an empty page."]


def events_page(services: Services, params: Mapping[str, str], server: str) -> EventsPage:
    """The page for these parameters. Raises CursorInvalid, FilterInvalid, but shows what is wrong with a query."""
    kept = {name: params[name] for name in FILTERS if params.get(name)}
    fault = None
    try:
        query = parse(kept.get("q", ""), EVENTS)
        part = event_rows(services, params)
    except QueryInvalid as error:
        fault = QueryFault.of(error)
        query, part = Query(), EventRows(rows=[], before_id=None, after_id=0, at_end=True, looked="")
    return EventsPage(
        title="Events",
        place="events",
        scope="events",
        action="/events",
        query=kept.get("q", ""),
        query_error=fault,
        project=kept.get("project", ""),
        since=kept.get("since", ""),
        until=kept.get("until", ""),
        notice=notice_for(services),
        live=None if fault else _stream(kept, query, part.after_id),
        version=__version__,
        rows=part.rows,
        before_id=part.before_id,
        after_id=part.after_id,
        at_end=part.at_end,
        looked=part.looked,
        rows_href=href("/events/rows", kept),
        earlier=href("/events", {**kept, "beforeId": str(part.before_id)}) if part.before_id is not None else None,
        later=None if part.at_end else href("/events", {**kept, "afterId": str(part.after_id)}),
        newest=None if part.at_end else href("/events", kept),
        facets=_facets(query, kept) if fault is None else [],
        filtered=bool(kept),
        server=server,
    )


def event_rows(services: Services, params: Mapping[str, str]) -> EventRows:
    """The rows alone. Raises CursorInvalid, FilterInvalid."""
    wanted = _wanted(services, params)
    after, before = parse_id(params.get("afterId") or None), parse_id(params.get("beforeId") or None)
    with services.store.read() as connection:
        head = head_id(connection)  # before the rows are read: what comes meanwhile is asked for again
    page = read_events(
        services.store,
        wanted,
        after_id=after,
        before_id=before,
        limit=EVENTS_SHOWN,
        backwards=after is None,
        payloads=False,
        settings=services.settings,
    )
    return EventRows(
        rows=_rows(services, page.events),
        before_id=_before(page, after),
        after_id=_after(page, after, before, head),
        at_end=before is None and not (page.more and after is not None),
        looked=_looked(services, page, head),
    )


def _wanted(services: Services, params: Mapping[str, str]) -> EventFilter:
    now = services.clock.now_ns()
    plain = EventFilter(
        project=params.get("project") or None,
        since=moment("since", params.get("since") or None, now),
        until=moment("until", params.get("until") or None, now),
    )
    return narrowed_events(event_filter(params.get("q", ""), now), plain)


def _stream(kept: Mapping[str, str], query: Query, after_id: int) -> str:
    """What wakes the page: the events that it would show, where the stream can tell; it does not search in payloads."""
    searches = any(not term.field for term in query.terms)
    wanted = {"project": kept.get("project"), "q": None if searches else kept.get("q")}
    return href("/api/events/stream", {**wanted, "afterId": str(after_id), "payloads": "false"})


def _facets(query: Query, kept: Mapping[str, str]) -> list[Facet]:
    made = [_facet(query, kept, "", level, "level", (level,)) for level in LEVELS_SHOWN]
    return made + [_facet(query, kept, kind.key, kind.word, "type", kind.types) for kind in KINDS if kind.types]


def _facet(query: Query, kept: Mapping[str, str], key: str, word: str, field: str, values: tuple[str, ...]) -> Facet:
    is_set = set(values) <= set(query.values(field))
    for value in values:
        query = query.without(field, value) if is_set else query.with_value(field, value)
    return Facet(key=key, word=word, href=href("/events", {**kept, "q": str(query)}), is_set=is_set)


def _before(page: EventPage, after: int | None) -> int | None:
    """Read backwards, the page knows whether there is more; read forwards, what it came after lies before it."""
    if after is None:
        return page.next_before_id if page.more else None
    return page.events[0].id if page.events else after + 1


def _after(page: EventPage, after: int | None, before: int | None, head: int) -> int:
    """Where reading forwards goes on: after all that was looked at, so that it is not looked at again."""
    backwards = page.events[-1].id if page.events else (before or 1) - 1
    last = backwards if after is None else page.next_after_id or after
    complete = before is None and not (page.more and after is not None)
    return max(last, head) if complete else last


def _looked(services: Services, page: EventPage, head: int) -> str:
    if page.scanned is None or page.scanned.complete or page.scanned.from_id is None:
        return ""
    first = get_events_at(services.store, [page.scanned.from_id])
    back = f", back to {fmt.in_full(first[0].created_at)[:19]}" if first else ""
    return f"Looked at {fmt.count(page.scanned.count)} of {fmt.count(head)} events{back}."


def _rows(services: Services, events: list[StoredEvent]) -> list[TailRow]:
    spoken = get_events_at(services.store, [event.id for event in events if event.type in SPOKEN])
    said = {event.id: summarize(event) for event in spoken}
    names = names_of(services.store, {event.run_id for event in events if event.run_id})
    today = format_ns(services.clock.now_ns())[:10]
    return [_row(event, said.get(event.id, ""), names, today) for event in events]


def _row(event: StoredEvent, said: str, names: Mapping[str, str], today: str) -> TailRow:
    run_id = event.run_id or ""
    return TailRow(
        id=event.id,
        href=href(f"/events/{event.event_id}"),
        kind=kind_of(event.type).key,
        type=event.type,
        name=event.name or "",
        summary=said,
        level=event.level,
        alarm=event.level if event.level in ALARMING and event.status not in BAD_STATUSES else "",
        status=event.status or "",
        flags=flag_names(event.flags & ~(FLAG_IMPORTED | FLAG_ROOT)),
        at=clock_time(event.created_at, today),
        exact=fmt.in_full(event.created_at),
        took=fmt.duration(event.duration_ns) if event.duration_ns is not None else "",
        run=(names.get(run_id) or fmt.short_id(run_id)) if run_id else "",
        run_href=href(f"/runs/{run_id}", {"event": event.event_id}) if run_id else "",
    )


def clock_time(ns: int, today: str) -> str:
    """A time of day in UTC to the millisecond, with the day before it unless it is today.

    >>> clock_time(1_700_000_000_123_456_789, "2023-11-14"), clock_time(1_700_000_000_000_000_000, "2023-11-15")
    ('22:13:20.123', '11-14 22:13:20.000')
    """
    text = format_ns(ns)
    digits = text[11:-1].ljust(12, "0") if "." in text else f"{text[11:-1]}.000"
    clock = digits[:12]
    return clock if text[:10] == today else f"{text[5:10]} {clock}"
