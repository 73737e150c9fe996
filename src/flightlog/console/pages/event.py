"""One event by itself, for links from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from flightlog.console import format as fmt
from flightlog.console.page import Page, href
from flightlog.console.pages.panel import FLAG_SENTENCES, Fact, Flag, Panel, beside, neighbours_of, panel_of, started_at
from flightlog.events.envelope import StoredEvent
from flightlog.journal.read import get_event
from flightlog.services import Services
from flightlog.version import __version__

__all__ = ["FLAG_SENTENCES", "EventPage", "Fact", "Flag", "Panel", "event_page", "in_its_run", "panel_of"]


@dataclass(frozen=True, kw_only=True)
class EventPage(Page):
    """One event by itself, for links from elsewhere."""

    template: ClassVar[str] = "event.html"

    panel: Annotated[Panel, "The event."]
    run_href: Annotated[str | None, "Where it stands in its run, if it has one."]
    run_name: Annotated[str, "The id of that run, shortened."]


def event_page(services: Services, event_id: str, base_url: str = "") -> EventPage:
    """The page of one event. Raises EventNotFound."""
    event = get_event(services.store, event_id)
    return EventPage(
        title=f"{event.type} #{event.id}",
        version=__version__,
        place="runs",
        panel=panel_of(
            event, started_at(services, event), neighbours_of(services, event), base_url, beside(services, event)
        ),
        run_href=in_its_run(event),
        run_name=fmt.short_id(event.run_id or ""),
    )


def in_its_run(event: StoredEvent) -> str | None:
    """The run's page, opened at this event."""
    if event.run_id is None:
        return None
    return href(f"/runs/{event.run_id}", {"afterId": str(event.id - 1), "event": event.event_id}) + f"#e{event.id}"
