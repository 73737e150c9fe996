"""The events of one run as a list, page by page, with one of them opened beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from flightlog.console import format as fmt
from flightlog.console.kinds import kind_of
from flightlog.console.page import href
from flightlog.console.pages.panel import Panel, beside, neighbours_of, panel_of
from flightlog.console.summary import SPOKEN, summarize
from flightlog.errors import EventNotFound
from flightlog.events.envelope import FLAG_IMPORTED, FLAG_ROOT, StoredEvent, flag_names
from flightlog.filters.compile import event_filter, narrowed_events
from flightlog.filters.params import parse_flag, parse_id, words
from flightlog.journal.read import EventFilter, EventPage, get_event, get_event_at, read_events
from flightlog.runs.summary import RunSummary
from flightlog.services import Services

EVENTS_SHOWN = 100
NARROWING = ("q", "types", "level")
ALARMING = frozenset({"warn", "error"})
BAD_STATUSES = frozenset({"error", "failed", "denied"})


@dataclass(frozen=True, kw_only=True)
class EventRow:
    """One event in the list."""

    id: Annotated[int, "Its place in commit order."]
    href: Annotated[str, "The same list with this event opened."]
    kind: Annotated[str, "Its kind: the class of its colour."]
    type: Annotated[str, "Its type."]
    name: Annotated[str, "Its name; may be empty."]
    summary: Annotated[str, "What it says, in one line; may be empty."]
    level: Annotated[str, "Its level."]
    alarm: Annotated[str, "warn or error where the level says so and the status does not; else empty."]
    status: Annotated[str, "Its status; may be empty."]
    flags: Annotated[list[str], "What was done to it on its way in, as far as something is missing."]
    offset: Annotated[str, "When it happened, from the start of the run."]
    exact: Annotated[str, "When it happened."]
    took: Annotated[str, "How long it took; may be empty."]
    open: Annotated[bool, "Whether it is the one in the panel."]


@dataclass(frozen=True, kw_only=True)
class EventList:
    """One page of a run's events."""

    rows: Annotated[list[EventRow], "The events on this page, oldest first."]
    earlier: Annotated[str | None, "The page before, if there is one."]
    later: Annotated[str | None, "The page after, if there is one."]
    newest: Annotated[str | None, "The last page, when this is not it."]
    at_end: Annotated[bool, "Whether this page ends with the run's newest event, so that news belong under it."]
    more_href: Annotated[str, "Where a script asks for what follows the last row."]
    panel: Annotated[Panel | None, "The event that is opened, if one is."]
    close_href: Annotated[str, "The same list without the panel."]


def event_filter_of(run: RunSummary, params: Mapping[str, str], now_ns: int) -> EventFilter:
    """Which events of the run these parameters ask for. Raises QueryInvalid."""
    types, levels = (words([params.get(name, "")]) for name in ("types", "level"))
    alone = EventFilter(run_id=run.run_id, types=types, levels=levels)
    return narrowed_events(event_filter(params.get("q", ""), now_ns), alone)


def list_of(services: Services, run: RunSummary, params: Mapping[str, str], base_url: str) -> EventList:
    """The page for these parameters. Raises CursorInvalid, FilterInvalid, QueryInvalid."""
    wanted = event_filter_of(run, params, services.clock.now_ns())
    after, before = parse_id(params.get("afterId") or None), parse_id(params.get("beforeId") or None)
    latest = parse_flag("latest", params.get("latest") or None, False)
    page = read_events(
        services.store, wanted, after_id=after, before_id=before, limit=EVENTS_SHOWN, backwards=latest, payloads=False
    )
    neighbours = _Neighbours.of(page, after, before, latest)
    path = f"/runs/{run.run_id}"
    kept = {"view": "events", **{name: params.get(name) for name in NARROWING}}
    here = {**kept, **{name: params.get(name) for name in ("afterId", "beforeId", "latest")}}
    opened = opened_of(services, run, params)
    said = _said(services, run, page)
    last_id = page.events[-1].id if page.events else (after or 0)
    return EventList(
        rows=[
            _row(event, run, href(path, {**here, "id": str(event.id)}), said.get(event.id, ""), opened)
            for event in page.events
        ],
        earlier=href(path, {**kept, "beforeId": str(page.events[0].id)}) if neighbours.earlier else None,
        later=href(path, {**kept, "afterId": str(last_id)}) if neighbours.later else None,
        newest=href(path, {**kept, "latest": "true"}) if neighbours.later else None,
        at_end=not neighbours.later,
        more_href=href(path, {**kept, "afterId": str(last_id)}),
        panel=panel_of(opened, run.started_at, neighbours_of(services, opened), base_url, beside(services, opened))
        if opened
        else None,
        close_href=href(path, here),
    )


def opened_of(services: Services, run: RunSummary, params: Mapping[str, str]) -> StoredEvent | None:
    """The event of this run to show in full: `id` is its place, `event` its id. A link to one that is gone shows the run."""
    try:
        if params.get("id"):
            found = get_event_at(services.store, parse_id(params["id"]) or 0)
        elif params.get("event"):
            found = get_event(services.store, params["event"])
        else:
            return None
    except EventNotFound:
        return None
    return found if found.run_id == run.run_id else None


def empty_list(run: RunSummary) -> EventList:
    """The list where nothing can be asked for."""
    path = href(f"/runs/{run.run_id}", {"view": "events"})
    return EventList(
        rows=[], earlier=None, later=None, newest=None, at_end=True, more_href=path, panel=None, close_href=path
    )


@dataclass(frozen=True)
class _Neighbours:
    earlier: bool
    later: bool

    @classmethod
    def of(cls, page: EventPage, after: int | None, before: int | None, latest: bool) -> _Neighbours:
        """Whether there are pages around this one. A cursor came from a page, so something lies beyond it."""
        backwards = latest or (before is not None and after is None)
        if backwards:
            return cls(earlier=page.more, later=before is not None)
        return cls(earlier=bool(after) and bool(page.events), later=page.more or before is not None)


def _said(services: Services, run: RunSummary, page: EventPage) -> dict[int, str]:
    """What the events say whose name does not tell: the only payloads that a list reads."""
    types = tuple(sorted({event.type for event in page.events} & set(SPOKEN)))
    if not types:
        return {}
    spoken = read_events(
        services.store,
        EventFilter(run_id=run.run_id, types=types),
        after_id=page.events[0].id - 1,
        before_id=page.events[-1].id + 1,
        limit=EVENTS_SHOWN,
    )
    return {event.id: summarize(event) for event in spoken.events}


def _row(event: StoredEvent, run: RunSummary, link: str, said: str, opened: StoredEvent | None) -> EventRow:
    return EventRow(
        id=event.id,
        href=link,
        kind=kind_of(event.type).key,
        type=event.type,
        name=event.name or "",
        summary=said,
        level=event.level,
        alarm=event.level if event.level in ALARMING and event.status not in BAD_STATUSES else "",
        status=event.status or "",
        flags=flag_names(event.flags & ~(FLAG_IMPORTED | FLAG_ROOT)),
        offset=fmt.offset(event.created_at, run.started_at),
        exact=fmt.in_full(event.created_at),
        took=fmt.duration(event.duration_ns) if event.duration_ns is not None else "",
        open=opened is not None and opened.id == event.id,
    )
