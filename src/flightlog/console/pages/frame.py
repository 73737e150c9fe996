"""What is around every page: the projects and saved views there are, and whether anything was lost or is not getting through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from flightlog.clock import NS_PER_SECOND
from flightlog.console.format import DAY, count
from flightlog.console.page import Fragment, Notice, Page, ViewLink, href
from flightlog.events.envelope import StoredEvent
from flightlog.journal.read import EventFilter, read_events
from flightlog.runs.projects import list_projects
from flightlog.services import Services
from flightlog.views.listing import list_views
from flightlog.views.view import PLACES, SavedView

PATHS = {"runs": "/", "traces": "/traces", "events": "/events", "audit": "/audit", "stats": "/stats"}

F = TypeVar("F", bound=Fragment)

# Newest first; more losses than this in a day are said to be "at least".
LOSSES_MAX = 50


def framed(services: Services, page: F, params: Mapping[str, str]) -> F:
    """The page with what the frame around it shows of the store; a fragment as it is."""
    if not isinstance(page, Page):
        return page
    projects = list_projects(services.store) if page.project is not None else []
    views = [_link(view, page.place, params) for view in list_views(services.store)]
    # SQL is asked of SQLite's file.
    absent = () if services.store.dialect == "sqlite" else ("sql",)
    return replace(page, projects=projects, views=views, absent=absent)


def _link(view: SavedView, place: str, params: Mapping[str, str]) -> ViewLink:
    asked = {name: value for name, value in params.items() if value and name not in PLACES}
    return ViewLink(
        view_id=view.view_id,
        name=view.name,
        page=view.page,
        href=PATHS[view.page] + (f"?{view.query}" if view.query else ""),
        is_set=view.page == place and dict(parse_qsl(view.query)) == asked,
    )


def notice_for(services: Services) -> Notice | None:
    """The banner of a page that shows more than one run."""
    health = services.drain() if services.drain is not None else None
    if health is not None and health.error:
        return Notice(text="New events are not arriving", detail=f"They wait in the spool: {health.error}")
    since = services.clock.now_ns() - DAY * NS_PER_SECOND
    wanted = EventFilter(types=("degraded",))
    page = read_events(services.store, wanted, backwards=True, limit=LOSSES_MAX, settings=services.settings)
    recent = [event for event in page.events if event.created_at >= since]
    lost = sum(lost_by(event) for event in recent)
    if not lost:
        return None
    least = "At least " if page.more and len(recent) == LOSSES_MAX else ""
    noun = "event was" if lost == 1 else "events were"
    return Notice(
        text=f"{least}{count(lost)} {noun} lost in the last 24 hours",
        detail=", ".join(sorted({reason_of(event) for event in recent if lost_by(event)})),
        href=href(f"/events/{recent[-1].event_id}"),
        link="See the latest",
    )


def lost_by(event: StoredEvent) -> int:
    """How many events a degraded event says are gone."""
    value = _payload(event).get("count")
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def reason_of(event: StoredEvent) -> str:
    """Why, in words."""
    return str(_payload(event).get("reason", "unknown")).replace("_", " ")


def _payload(event: StoredEvent) -> dict[str, Any]:
    try:
        payload = msgspec.json.decode(event.payload)
    except (ValueError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}
