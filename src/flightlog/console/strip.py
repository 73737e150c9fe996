"""The work around one model call, as a few bars: what lies inside what, and when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated

from flightlog.console import format as fmt
from flightlog.console.kinds import kind_of
from flightlog.console.page import href
from flightlog.events.envelope import StoredEvent
from flightlog.journal.read import EventFilter, read_events
from flightlog.services import Services

EVENTS_AROUND = 300  # on each side of the call
ROWS_BEFORE, ROWS_AFTER = 12, 12
WIDTH, BAR_MIN = 1000.0, 6.0
# What begins a bar and what ends it. A span, a run and everything else are told apart by different ids.
_BEGINS = {
    "run_started": "run", "span_started": "span", "llm_request": "model", "tool_call": "tool", "exec_started": "command",
    "test_started": "tests",
}  # fmt: skip
_ENDS = {
    "run_finished": "run", "span_finished": "span", "llm_response": "model", "tool_result": "tool",
    "exec_result": "command", "test_result": "tests",
}  # fmt: skip
_BAD = frozenset({"error", "failed"})


@dataclass(frozen=True, kw_only=True)
class StripRow:
    """One piece of work."""

    href: Annotated[str, "The run, with it opened."]
    name: Annotated[str, "Its name."]
    kind: Annotated[str, "Its kind: the class of its colour."]
    depth: Annotated[int, "How deep it lies inside others, at most 6."]
    bad: Annotated[bool, "Whether it went wrong."]
    is_here: Annotated[bool, "Whether it is the call that the page is of."]
    x: Annotated[float, "Where its bar begins, in thousandths of the width."]
    width: Annotated[float, "How wide its bar is."]
    took: Annotated[str, "How long it took."]


@dataclass
class _Bar:
    """`own` is the id of the span that it is, `inside` the one that it lies in."""

    name: str
    type: str
    start: int
    end: int
    own: str
    inside: str
    ids: list[int]
    bad: bool = False
    open: bool = False
    children: list[_Bar] = field(default_factory=list)


def strip_of(services: Services, run_id: str, event_id: int) -> list[StripRow]:
    """What happened in the run around the event at this place in commit order; empty where that is nothing else."""
    wanted = EventFilter(run_id=run_id, types=(*_BEGINS, *_ENDS))
    limit = min(EVENTS_AROUND, services.settings.page_events_max)
    before = read_events(services.store, wanted, before_id=event_id + 1, backwards=True, limit=limit, payloads=False)
    after = read_events(services.store, wanted, after_id=event_id, limit=limit, payloads=False)
    laid = _laid(_bars([*before.events, *after.events]))
    here = next((place for place, (_, bar) in enumerate(laid) if event_id in bar.ids), None)
    if here is None or len(laid) < 2:
        return []
    shown = laid[max(0, here - ROWS_BEFORE) : here + ROWS_AFTER + 1]
    work = [bar for _, bar in shown if not bar.children] or [bar for _, bar in shown]
    first, last = min(bar.start for bar in work), max(bar.end for bar in work)
    return [_row(run_id, depth, bar, event_id, first, max(1, last - first)) for depth, bar in shown]


def _bars(events: Iterable[StoredEvent]) -> list[_Bar]:
    made: list[_Bar] = []
    waiting: dict[tuple[str, str], _Bar] = {}
    for event in events:
        family = _BEGINS.get(event.type) or _ENDS[event.type]
        key = (family, _key(event, family))
        begun = waiting.pop(key, None) if event.type in _ENDS else None
        if begun is not None:
            begun.end, begun.open = max(begun.end, event.created_at), False
            begun.ids.append(event.id)
            begun.bad = begun.bad or _is_bad(event)
            continue
        bar = _bar(event, family)
        made.append(bar)
        if event.type in _BEGINS:
            waiting[key] = bar
    return made


def _key(event: StoredEvent, family: str) -> str:
    if family == "run":
        return ""
    return (event.span_id if family == "span" else event.correlation_id) or event.event_id


def _bar(event: StoredEvent, family: str) -> _Bar:
    # An end without a beginning is a finished span, whose id is its own.
    is_span = family in ("run", "span") or (event.type in _ENDS and event.duration_ns is not None)
    return _Bar(
        name=event.name or family,
        type=event.type,
        start=event.created_at - (event.duration_ns or 0 if event.type in _ENDS else 0),
        end=event.created_at,
        own=(event.span_id or "") if is_span else "",
        inside=(event.parent_span_id if is_span else event.span_id) or "",
        ids=[event.id],
        bad=_is_bad(event),
        open=event.type in _BEGINS,
    )


def _is_bad(event: StoredEvent) -> bool:
    return event.status in _BAD or event.level == "error"


def _laid(bars: list[_Bar]) -> list[tuple[int, _Bar]]:
    """The bars in the order of a tree, each with how deep it lies."""
    owners: dict[str, _Bar] = {}
    for bar in bars:
        if bar.own:
            owners.setdefault(bar.own, bar)
    tops = []
    for bar in bars:
        around = owners.get(bar.inside)
        if around is None or around is bar:
            tops.append(bar)
        else:
            around.children.append(bar)
    made: list[tuple[int, _Bar]] = []
    seen: set[int] = set()
    stack = [(0, bar) for bar in sorted(tops, key=_start, reverse=True)]
    while stack:
        depth, bar = stack.pop()
        if id(bar) in seen:
            continue  # ids are anybody's, and may go round in a circle
        seen.add(id(bar))
        made.append((depth, bar))
        stack += [(depth + 1, child) for child in sorted(bar.children, key=_start, reverse=True)]
    return made


def _start(bar: _Bar) -> int:
    return bar.start


def _row(run_id: str, depth: int, bar: _Bar, event_id: int, first: int, length: int) -> StripRow:
    end = first + length if bar.open else bar.end
    x = min(max(0.0, WIDTH * (bar.start - first) / length), WIDTH - BAR_MIN)
    to = min(WIDTH, WIDTH * (end - first) / length)
    return StripRow(
        href=href(f"/runs/{run_id}", {"id": str(bar.ids[-1])}),
        name=bar.name,
        kind=kind_of(bar.type).key,
        depth=min(depth, 6),
        bad=bar.bad,
        is_here=event_id in bar.ids,
        x=round(x, 1),
        width=round(max(BAR_MIN, to - x), 1),
        took="…" if bar.open else fmt.duration(bar.end - bar.start),
    )
