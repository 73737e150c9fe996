"""One event: its panel, and its page of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from flightlog.console import format as fmt
from flightlog.console.kinds import kind_of
from flightlog.console.page import Page, href
from flightlog.console.payload import Piece, pretty
from flightlog.console.summary import summarize
from flightlog.events.envelope import (
    FLAG_IMPORTED,
    FLAG_INVALID,
    FLAG_NAMES,
    FLAG_ORPHAN,
    FLAG_REDACTED,
    FLAG_TRUNCATED,
    FLAG_WITHHELD,
    StoredEvent,
)
from flightlog.journal.read import get_event
from flightlog.services import Services
from flightlog.version import __version__

# What was done to an event on its way in, as a sentence.
FLAG_SENTENCES: dict[int, str] = {
    FLAG_TRUNCATED: "Parts of this payload are previews: it was larger than what is kept.",
    FLAG_REDACTED: "Secrets were taken out before anything touched a disk.",
    FLAG_WITHHELD: "The payload was not stored: it could not be shown to be free of secrets.",
    FLAG_ORPHAN: "Its task was not known when it was stored.",
    FLAG_INVALID: "The caller broke a rule; it was recorded as well as it could be.",
    FLAG_IMPORTED: "Taken over from a file, with the file's times.",
}


@dataclass(frozen=True, kw_only=True)
class Flag:
    """One thing that was done to an event."""

    name: Annotated[str, "Its name."]
    sentence: Annotated[str, "What it means."]


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One line of the envelope."""

    word: Annotated[str, "What it is."]
    value: Annotated[str, "Its value."]
    href: Annotated[str | None, "Where it leads, if anywhere."] = None
    mono: Annotated[bool, "Whether it is an id."] = False


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One event in full."""

    id: Annotated[int, "Its place in commit order."]
    type: Annotated[str, "Its type."]
    kind: Annotated[str, "Its kind: the class of its colour."]
    level: Annotated[str, "Its level."]
    summary: Annotated[str, "What it says, in one line; may be empty."]
    facts: Annotated[list[Fact], "Its envelope, as far as it says something."]
    flags: Annotated[list[Flag], "What was done to it on its way in."]
    payload: Annotated[list[Piece], "Its payload as indented text, in pieces."]
    payload_size: Annotated[str, "How large the payload is, as it is stored."]
    permalink: Annotated[str, "Its own page."]
    json_href: Annotated[str, "The same as JSON."]


@dataclass(frozen=True, kw_only=True)
class EventPage(Page):
    """One event by itself, for links from elsewhere."""

    template: ClassVar[str] = "event.html"

    panel: Annotated[Panel, "The event."]
    run_href: Annotated[str | None, "Where it stands in its run, if it has one."]
    run_name: Annotated[str, "The id of that run, shortened."]


def event_page(services: Services, event_id: str) -> EventPage:
    """The page of one event. Raises EventNotFound."""
    event = get_event(services.store, event_id)
    return EventPage(
        title=f"{event.type} #{event.id}",
        version=__version__,
        panel=panel_of(event),
        run_href=in_its_run(event),
        run_name=fmt.short_id(event.run_id or ""),
    )


def in_its_run(event: StoredEvent) -> str | None:
    """The run's page, opened at this event."""
    if event.run_id is None:
        return None
    return href(f"/runs/{event.run_id}", {"afterId": str(event.id - 1), "event": event.event_id}) + f"#e{event.id}"


def panel_of(event: StoredEvent, started_at: int | None = None) -> Panel:
    """One event in full; with `started_at` its time is also told from the start of its run."""
    return Panel(
        id=event.id,
        type=event.type,
        kind=kind_of(event.type).key,
        level=event.level,
        summary=summarize(event),
        facts=_facts(event, started_at),
        flags=[Flag(name=name, sentence=FLAG_SENTENCES[bit]) for bit, name in FLAG_NAMES.items() if event.flags & bit],
        payload=pretty(bytes(event.payload)),
        payload_size=fmt.size(event.payload_bytes),
        permalink=href(f"/events/{event.event_id}"),
        json_href=href(f"/api/events/{event.event_id}"),
    )


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
        Fact(word="Task", value=event.task_id or "", mono=True),
        Fact(word="Correlation", value=event.correlation_id or "", mono=True),
        Fact(word="Trace", value=event.trace_id or "", mono=True),
        Fact(word="Span", value=event.span_id or "", mono=True),
        Fact(word="Parent span", value=event.parent_span_id or "", mono=True),
        Fact(word="Project", value=event.project if event.project != "default" else ""),
        Fact(word="Producer", value=f"{event.producer_id} #{event.seq}" if event.producer_id else "", mono=True),
        Fact(word="Event id", value=event.event_id, mono=True),
        Fact(word="Payload digest", value=event.payload_digest, mono=True),
    ]
    return [fact for fact in told if fact.value]
