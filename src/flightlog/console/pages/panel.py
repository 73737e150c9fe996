"""One event in full: what the envelope says, what was done to it, its payload for reading and as it is stored."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

from flightlog.console import format as fmt
from flightlog.console.blocks import Block, Limits
from flightlog.console.cards import blocks_of
from flightlog.console.kinds import kind_of
from flightlog.console.page import Fragment, href
from flightlog.console.pages.trust import seal_word
from flightlog.console.payload import Piece, decoded, done_to, pretty, words
from flightlog.console.summary import summarize
from flightlog.console.transcript import is_span
from flightlog.errors import EventNotFound, RunNotFound
from flightlog.events.catalogue import CATALOGUE
from flightlog.events.envelope import (
    FLAG_ERASED,
    FLAG_IMPORTED,
    FLAG_INVALID,
    FLAG_NAMES,
    FLAG_ORPHAN,
    FLAG_REDACTED,
    FLAG_ROOT,
    FLAG_TRUNCATED,
    FLAG_WITHHELD,
    StoredEvent,
)
from flightlog.ingest.otlp.sources import told_in_full
from flightlog.journal.erase import erasures_of
from flightlog.journal.read import EventFilter, get_event_at, get_events_at, read_events
from flightlog.runs.calls import CALL_TYPES, generation_id_of
from flightlog.runs.summary import get_run
from flightlog.services import Services

# What was done to an event on its way in, as a sentence.
FLAG_SENTENCES: dict[int, str] = {
    FLAG_TRUNCATED: "Parts of this payload are previews: it was larger than what is kept.",
    FLAG_REDACTED: "Secrets were taken out before anything touched a disk.",
    FLAG_WITHHELD: "The payload was not stored: it could not be shown to be free of secrets.",
    FLAG_ORPHAN: "Its producer said that its task was not known.",
    FLAG_INVALID: "The caller broke a rule; it was recorded as well as it could be.",
    FLAG_IMPORTED: "Taken over from a file, with the file's times.",
    FLAG_ROOT: "The span of the run itself: it says how the run began and how it ended.",
    FLAG_ERASED: "The payload was erased since; an audit event says why and by whom.",
}
DETAILS_MAX = 5
PARTNERS_MAX = 4
# A panel shows more of a long text than a card between others.
PANEL_LIMITS = Limits(lines_open=60, chars_max=48 * 1024)


@dataclass(frozen=True, kw_only=True)
class Flag:
    """One thing that was done to an event."""

    name: Annotated[str, "Its name."]
    sentence: Annotated[str, "What it means."]
    details: Annotated[list[str], "How much and by what, one line each."]
    href: Annotated[str | None, "The event that says more, if there is one."] = None


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One line of the envelope."""

    word: Annotated[str, "What it is."]
    value: Annotated[str, "Its value."]
    href: Annotated[str | None, "Where it leads, if anywhere."] = None
    mono: Annotated[bool, "Whether it is an id."] = False


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """Another event that one wants to go to from this one."""

    id: Annotated[int, "Its place in commit order."]
    word: Annotated[str, "What it is to this one."]
    href: Annotated[str, "Its own page."]


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The events around one event."""

    before: Annotated[Neighbour | None, "The one before of the same type in the run."] = None
    after: Annotated[Neighbour | None, "The one after of the same type in the run."] = None
    partners: Annotated[tuple[Neighbour, ...], "What it answers, and what answers it."] = ()


class Beside(NamedTuple):
    """What the store knows of an event beyond the event itself: how far it is sealed, and what erased its payload."""

    seal: str = ""
    erasure_href: str | None = None
    in_full: StoredEvent | None = None  # with what it leaves to others to say


NOTHING_BESIDE = Beside()


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One event in full."""

    id: Annotated[int, "Its place in commit order."]
    type: Annotated[str, "Its type."]
    kind: Annotated[str, "Its kind: the class of its colour."]
    level: Annotated[str, "Its level."]
    summary: Annotated[str, "What it says, in one line; empty when the blocks say it."]
    facts: Annotated[list[Fact], "Its envelope, as far as it says something."]
    flags: Annotated[list[Flag], "What was done to it on its way in."]
    blocks: Annotated[list[Block], "Its payload for reading; empty when its type has no view of its own."]
    payload: Annotated[list[Piece], "Its payload as indented text, in pieces."]
    payload_size: Annotated[str, "How large the payload is, as it is stored."]
    permalink: Annotated[str, "Its own page."]
    json_href: Annotated[str, "The same as JSON."]
    curl: Annotated[str, "A command that gets the same."]
    around: Annotated[Neighbours, "Where to go from here."]


@dataclass(frozen=True, kw_only=True)
class PanelFragment(Fragment):
    """The panel by itself."""

    template: ClassVar[str] = "panel.html"

    panel: Annotated[Panel, "The event."]


def panel_at(services: Services, id_text: str, base_url: str) -> PanelFragment:
    """The panel of the event at a place in commit order. Raises EventNotFound."""
    event = get_event_at(services.store, _id(id_text))
    around = neighbours_of(services, event)
    return PanelFragment(panel=panel_of(event, started_at(services, event), around, base_url, beside(services, event)))


def beside(services: Services, event: StoredEvent) -> Beside:
    """What the store knows of it beyond the event itself."""
    return Beside(seal_word(services, event.id), _erasure_of(services, event), told_in_full(services.store, event))


def _erasure_of(services: Services, event: StoredEvent) -> str | None:
    """The audit event that says why its payload is gone."""
    if not event.flags & FLAG_ERASED:
        return None
    with services.store.read() as connection:
        found = connection.execute(erasures_of([event.id])).first()
    said = get_events_at(services.store, [found.erasure_id]) if found is not None else []
    return href(f"/events/{said[0].event_id}") if said else None


def _id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise EventNotFound(event_id=text)
    return int(text)


def started_at(services: Services, event: StoredEvent) -> int | None:
    """When the event's run began, where that is known."""
    if event.run_id is None:
        return None
    try:
        return get_run(services.store, event.run_id, clock=services.clock, settings=services.settings).started_at
    except RunNotFound:
        return None


def panel_of(
    event: StoredEvent,
    started_at: int | None = None,
    around: Neighbours = Neighbours(),
    base_url: str = "",
    beside: Beside = NOTHING_BESIDE,
) -> Panel:
    """One event in full; with `started_at` its time is also told from the start of its run."""
    json_href = href(f"/api/events/{event.event_id}")
    blocks = blocks_of(beside.in_full or event, PANEL_LIMITS)
    return Panel(
        id=event.id,
        type=event.type,
        kind=kind_of(event.type).key,
        level=event.level,
        summary="" if blocks else summarize(event),
        facts=[*_facts(event, started_at), *_seal_fact(beside)],
        flags=_flags(event, beside.erasure_href),
        blocks=blocks,
        payload=pretty(bytes(event.payload)),
        payload_size=fmt.size(event.payload_bytes),
        permalink=href(f"/events/{event.event_id}"),
        json_href=json_href,
        curl=f"curl -s {shlex.quote(base_url + json_href)}",
        around=around,
    )


# ── what was done to it ──────────────────────────────────────────────────────────────────────────────────────────────


def _flags(event: StoredEvent, erasure_href: str | None) -> list[Flag]:
    rules, cuts = done_to(bytes(event.payload).decode("utf-8", "replace"))
    details = {
        FLAG_TRUNCATED: _listed([f"missing: {cut}" for cut in cuts]),
        FLAG_REDACTED: [f"{rule}: {fmt.count(found)}" for rule, found in rules.items()],
        FLAG_WITHHELD: [f"why: {_why(event)}"] if event.flags & FLAG_WITHHELD and _why(event) else [],
    }
    return [
        Flag(
            name=name,
            sentence=FLAG_SENTENCES[bit],
            details=details.get(bit, []),
            href=erasure_href if bit == FLAG_ERASED else None,
        )
        for bit, name in FLAG_NAMES.items()
        if event.flags & bit
    ]


def _listed(lines: list[str]) -> list[str]:
    rest = len(lines) - DETAILS_MAX
    return lines if rest <= 0 else [*lines[:DETAILS_MAX], f"and {fmt.count(rest)} more"]


def _why(event: StoredEvent) -> str:
    payload = decoded(bytes(event.payload))
    return words(payload.get("reason") or payload.get("withheld"))[:200]


# ── the events around it ─────────────────────────────────────────────────────────────────────────────────────────────


def neighbours_of(services: Services, event: StoredEvent) -> Neighbours:
    """The nearest of the same type in its run, and what it is paired with."""
    if event.run_id is None:
        return Neighbours()
    same = EventFilter(run_id=event.run_id, types=(event.type,))
    earlier = read_events(services.store, same, before_id=event.id, limit=1, payloads=False).events
    later = read_events(services.store, same, after_id=event.id, limit=1, payloads=False).events
    return Neighbours(
        before=_neighbour(earlier[0], "Previous") if earlier else None,
        after=_neighbour(later[0], "Next") if later else None,
        partners=tuple(_partners(services, event)),
    )


def _partners(services: Services, event: StoredEvent) -> list[Neighbour]:
    types = _paired_with(event.type)
    if not types or event.correlation_id is None:
        return []
    wanted = EventFilter(run_id=event.run_id, correlation_id=event.correlation_id, types=types)
    found = read_events(services.store, wanted, limit=PARTNERS_MAX, payloads=False).events
    return [_neighbour(other, other.type) for other in found if other.id != event.id]


def _paired_with(type_: str) -> tuple[str, ...]:
    """The types that events of this one are paired with: what they answer and what answers them."""
    known = CATALOGUE.get(type_)
    answered = (known.answers,) if known is not None and known.answers else ()
    return (*answered, *(other.type for other in CATALOGUE.values() if other.answers == type_ != other.type))


def _neighbour(event: StoredEvent, word: str) -> Neighbour:
    return Neighbour(id=event.id, word=word, href=href(f"/events/{event.event_id}"))


def _seal_fact(beside: Beside) -> list[Fact]:
    return [Fact(word="Seal", value=beside.seal)] if beside.seal else []


def _model_call(event: StoredEvent) -> list[Fact]:
    """The page of the model call that the event is of, if it is of one."""
    if event.type not in CALL_TYPES:
        return []
    found = generation_id_of(event, is_span(event))
    return [Fact(word="Model call", value=found, href=href(f"/traces/{found}"), mono=True)]


def _facts(event: StoredEvent, started_at: int | None) -> list[Fact]:
    into_run = fmt.offset(event.created_at, started_at) if started_at is not None else ""
    run_href = href(f"/runs/{event.run_id}") if event.run_id else None
    told = [
        Fact(word="Happened", value=fmt.in_full(event.created_at)),
        Fact(word="Into the run", value=into_run),
        Fact(word="Stored", value=fmt.in_full(event.received_at)),
        Fact(word="Name", value=event.name or ""),
        Fact(word="Status", value=event.status or ""),
        Fact(word="Took", value=fmt.duration(event.duration_ns) if event.duration_ns is not None else ""),
        Fact(word="Level", value=event.level if event.level != "info" else ""),
        Fact(word="Actor", value=event.actor or ""),
        Fact(word="Source", value=event.source or ""),
        Fact(word="Run", value=event.run_id or "", href=run_href, mono=True),
        *_model_call(event),
        Fact(word="Task", value=event.task_id or "", mono=True),
        Fact(word="Correlation", value=event.correlation_id or "", mono=True),
        Fact(word="Trace", value=event.trace_id or "", mono=True),
        Fact(word="Span", value=event.span_id or "", mono=True),
        Fact(word="Parent span", value=event.parent_span_id or "", mono=True),
        Fact(word="Project", value=event.project if event.project != "default" else ""),
        Fact(word="Producer", value=f"{event.producer_id} #{event.seq}" if event.producer_id else "", mono=True),
        Fact(word="Event id", value=event.event_id, mono=True),
        Fact(word="Payload digest", value="" if event.flags & FLAG_ERASED else event.payload_digest, mono=True),
    ]
    return [fact for fact in told if fact.value]
