"""What events say in one line each, for a script that shows many of them and has fetched none."""

from __future__ import annotations

from flightlog.console.summary import summarize
from flightlog.errors import FilterInvalid
from flightlog.filters.params import parse_id, words
from flightlog.journal.read import get_events_at
from flightlog.services import Services

PARAMETERS = frozenset({"ids"})
IDS_MAX = 200


def lines_of(services: Services, run_id: str, ids: str) -> dict[str, str]:
    """The lines by id, of those that are events of this run. Raises FilterInvalid, CursorInvalid."""
    asked = words([ids])
    if len(asked) > IDS_MAX:
        raise FilterInvalid(reason=f"ids names {len(asked)} events; {IDS_MAX} at once are the most")
    wanted = [number for text in asked if (number := parse_id(text))]
    found = get_events_at(services.store, wanted)
    return {str(event.id): summarize(event) for event in found if event.run_id == run_id}
