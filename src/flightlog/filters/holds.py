"""What a legal hold covers, from what somebody gave."""

from __future__ import annotations

from typing import Any

import msgspec

from flightlog.filters.compile import event_filter, narrowed_events
from flightlog.journal.filter import EventFilter


class HoldGiven(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to be held: all that is given has to hold for an event. `query` is a query for events; `reason` is kept."""

    reason: str
    run_id: str | None = None
    task_id: str | None = None
    actor: str | None = None
    project: str | None = None
    query: str | None = None


def hold_filter(given: HoldGiven, now_ns: int) -> tuple[EventFilter, dict[str, Any]]:
    """The filter, and the same in words for the audit trail. Raises QueryInvalid.

    >>> hold_filter(HoldGiven(reason="a claim", run_id="r1"), 0)[1]
    {'run_id': 'r1'}
    """
    wanted = EventFilter(
        project=given.project,
        run_id=given.run_id,
        task_id=given.task_id,
        actors=() if given.actor is None else (given.actor,),
    )
    if given.query is not None:
        wanted = narrowed_events(event_filter(given.query, now_ns), wanted)
    said = {name: getattr(given, name) for name in ("run_id", "task_id", "actor", "project", "query")}
    return wanted, {name: value for name, value in said.items() if value is not None}
