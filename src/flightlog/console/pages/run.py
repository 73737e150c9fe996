"""One run: its totals, its events in order, and one of them in full."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from flightlog.console import format as fmt
from flightlog.console.kinds import Segment, bar, in_words, kind_of, shares
from flightlog.console.page import Notice, Page, href
from flightlog.console.pages.event import Panel, panel_of
from flightlog.console.pages.runs import run_time, status_of
from flightlog.console.summary import SPOKEN, summarize
from flightlog.errors import EventNotFound
from flightlog.events.envelope import FLAG_IMPORTED, StoredEvent, flag_names
from flightlog.filters.params import parse_flag, parse_id, words
from flightlog.journal.read import EventFilter, EventPage, get_event, read_events
from flightlog.runs.status import RUNNING
from flightlog.runs.summary import RunSummary, get_run
from flightlog.services import Services
from flightlog.version import __version__

PARAMETERS = frozenset({"afterId", "beforeId", "latest", "types", "level", "event"})
EVENTS_SHOWN = 100
ALARMING = frozenset({"warn", "error"})
BAD_STATUSES = frozenset({"error", "failed", "denied"})


@dataclass(frozen=True, kw_only=True)
class EventRow:
    """One event in the list."""

    id: Annotated[int, "Its place in commit order."]
    href: Annotated[str, "The same list with this event opened."]
    panel_href: Annotated[str, "Its page of its own, from which a script takes the panel."]
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
class Tile:
    """One total."""

    word: Annotated[str, "What is counted."]
    value: Annotated[str, "The number."]
    more: Annotated[str, "A smaller word beside it; may be empty."] = ""
    bad: Annotated[bool, "Whether it is something to worry about."] = False


@dataclass(frozen=True, kw_only=True)
class KindChoice:
    """A link that shows one kind of events alone."""

    key: Annotated[str, "The class of its colour; empty for all kinds."]
    word: Annotated[str, "What it is called."]
    count: Annotated[str, "How many there are; empty when that is not known."]
    href: Annotated[str, "The list of that kind."]
    is_set: Annotated[bool, "Whether it is what is shown."]


@dataclass(frozen=True, kw_only=True)
class RunPage(Page):
    """One run."""

    template: ClassVar[str] = "run.html"

    run_id: Annotated[str, "Its id."]
    name: Annotated[str, "Its name, or its id shortened."]
    status: Annotated[str, "running, hung, succeeded, failed or canceled."]
    actor: Annotated[str, "Who it was started for; may be empty."]
    started: Annotated[fmt.Moment, "When it began."]
    tiles: Annotated[list[Tile], "Its totals."]
    bar: Annotated[list[Segment], "Its events by kind, as stretches of a bar of length 100."]
    kinds_text: Annotated[str, "The same in words."]
    kinds: Annotated[list[KindChoice], "The kinds that it has events of."]
    rows: Annotated[list[EventRow], "The events on this page, oldest first."]
    earlier: Annotated[str | None, "The page before, if there is one."]
    later: Annotated[str | None, "The page after, if there is one."]
    newest: Annotated[str | None, "The last page, when this is not it."]
    at_end: Annotated[bool, "Whether this page ends with the run's newest event, so that news belong under it."]
    more_href: Annotated[str, "Where a script asks for what follows the last row."]
    panel: Annotated[Panel | None, "The event that is opened, if one is."]
    close_href: Annotated[str, "The same list without the panel."]
    json_href: Annotated[str, "The run as JSON."]


def run_page(services: Services, run_id: str, params: Mapping[str, str]) -> RunPage:
    """The page for these parameters. Raises RunNotFound, CursorInvalid, FilterInvalid."""
    run = get_run(services.store, run_id, clock=services.clock, settings=services.settings)
    types = words([params.get("types", "")])
    levels = words([params.get("level", "")])
    wanted = EventFilter(run_id=run_id, types=types, levels=levels)
    after, before = parse_id(params.get("afterId") or None), parse_id(params.get("beforeId") or None)
    latest = parse_flag("latest", params.get("latest") or None, False)
    page = read_events(
        services.store, wanted, after_id=after, before_id=before, limit=EVENTS_SHOWN, backwards=latest, payloads=False
    )
    neighbours = _Neighbours.of(page, after, before, latest)
    now = services.clock.now_ns()
    path, kept = f"/runs/{run_id}", {"types": ",".join(types), "level": ",".join(levels)}
    here = {**kept, **{name: params.get(name) for name in ("afterId", "beforeId", "latest")}}
    opened = _opened(services, params.get("event"))
    said = _said(services, wanted, page)
    last_id = page.events[-1].id if page.events else (after or 0)
    return RunPage(
        title=run.name or fmt.short_id(run_id),
        place="runs",
        notice=_notice(run),
        live=href(f"/api/runs/{run_id}/stream", {"afterId": str(run.last_event_id), "payloads": "false"}),
        version=__version__,
        run_id=run_id,
        name=run.name or fmt.short_id(run_id),
        status=status_of(run),
        actor=run.actor or "",
        started=fmt.moment(run.started_at, now),
        tiles=_tiles(run, now),
        bar=bar(run.counts),
        kinds_text=in_words(run.counts),
        kinds=_kinds(run, path, wanted),
        rows=[
            _row(event, run, href(path, {**here, "event": event.event_id}), said.get(event.id, ""), opened)
            for event in page.events
        ],
        earlier=href(path, {**kept, "beforeId": str(page.events[0].id)}) if neighbours.earlier else None,
        later=href(path, {**kept, "afterId": str(last_id)}) if neighbours.later else None,
        newest=href(path, {**kept, "latest": "true"}) if neighbours.later else None,
        at_end=not neighbours.later,
        more_href=href(path, {**kept, "afterId": str(last_id)}),
        panel=panel_of(opened, run.started_at) if opened else None,
        close_href=href(path, here),
        json_href=href(f"/api/runs/{run_id}"),
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


def _opened(services: Services, event_id: str | None) -> StoredEvent | None:
    """The event to show in full. A link to one that is not there still shows its run."""
    if not event_id:
        return None
    try:
        return get_event(services.store, event_id)
    except EventNotFound:
        return None


def _said(services: Services, wanted: EventFilter, page: EventPage) -> dict[int, str]:
    """What the events say whose name does not tell: the only payloads that a list reads."""
    types = tuple(sorted({event.type for event in page.events} & set(SPOKEN)))
    if not types:
        return {}
    spoken = read_events(
        services.store,
        EventFilter(run_id=wanted.run_id, types=types),
        after_id=page.events[0].id - 1,
        before_id=page.events[-1].id + 1,
        limit=EVENTS_SHOWN,
    )
    return {event.id: summarize(event) for event in spoken.events}


def _row(event: StoredEvent, run: RunSummary, link: str, said: str, opened: StoredEvent | None) -> EventRow:
    return EventRow(
        id=event.id,
        href=link,
        panel_href=href(f"/events/{event.event_id}"),
        kind=kind_of(event.type).key,
        type=event.type,
        name=event.name or "",
        summary=said,
        level=event.level,
        alarm=event.level if event.level in ALARMING and event.status not in BAD_STATUSES else "",
        status=event.status or "",
        flags=flag_names(event.flags & ~FLAG_IMPORTED),
        offset=fmt.offset(event.created_at, run.started_at),
        exact=fmt.in_full(event.created_at),
        took=fmt.duration(event.duration_ns) if event.duration_ns is not None else "",
        open=opened is not None and opened.id == event.id,
    )


def _kinds(run: RunSummary, path: str, wanted: EventFilter) -> list[KindChoice]:
    types, levels = wanted.types, wanted.levels
    everything = KindChoice(
        key="", word="all", count=fmt.count(run.event_count), href=href(path), is_set=not types + levels
    )
    errors = KindChoice(
        key="err",
        word="at level error",
        count="",  # the summary counts events of type error with them, whatever their level
        href=href(path, {"level": "error"}),
        is_set=levels == ("error",),
    )
    return [
        everything,
        *([errors] if run.error_count else []),
        *(
            KindChoice(
                key=share.kind.key,
                word=share.kind.word,
                count=fmt.count(share.number),
                href=href(path, {"types": ",".join(share.types)}),
                is_set=set(types) == set(share.types),
            )
            for share in shares(run.counts)
        ),
    ]


def _notice(run: RunSummary) -> Notice | None:
    if not run.lost_count:
        return None
    noun = "event of this run is" if run.lost_count == 1 else "events of this run are"
    return Notice(
        text=f"{fmt.count(run.lost_count)} {noun} lost",
        detail="The list shows where.",
        href=href(f"/runs/{run.run_id}", {"types": "degraded"}),
        link="See the gaps",
    )


def _tiles(run: RunSummary, now_ns: int) -> list[Tile]:
    def total(*types: str) -> int:
        return sum(run.counts.get(name, 0) for name in types)

    running = run.status == RUNNING
    tiles = [
        Tile(word="Time", value=run_time(run, now_ns), more="so far" if running and not run.hung else "", bad=run.hung),
        Tile(word="Events", value=fmt.count(run.event_count)),
        Tile(
            word="Model calls",
            value=fmt.count(max(total("llm_request"), total("llm_response"))),
            more=", ".join(run.models),
        ),
        Tile(word="Tool calls", value=fmt.count(max(total("tool_call"), total("tool_result")))),
        Tile(
            word="Tokens in / out",
            value=f"{fmt.short(run.tokens_input)} / {fmt.short(run.tokens_output)}",
            more=f"{fmt.short(run.tokens_cached_input)} cached" if run.tokens_cached_input else "",
        ),
        Tile(word="Cost", value=fmt.money(run.cost_usd)),
        Tile(word="Patches", value=fmt.count(max(total("patch_applied"), total("patch_proposed")))),
        Tile(word="Test runs", value=fmt.count(max(total("test_started"), total("test_result")))),
        Tile(word="Errors", value=fmt.count(run.error_count), bad=bool(run.error_count)),
    ]
    if run.lost_count:
        tiles.append(Tile(word="Lost", value=fmt.count(run.lost_count), bad=True))
    return tiles
