"""Pages of the journal, by id, in commit order."""

from __future__ import annotations

import msgspec

from flightlog.config import Settings
from flightlog.events.envelope import StoredEvent
from flightlog.store.contract import Store


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events: every field that is given has to hold. A tuple asks for any of its values.

    `since` (inclusive) and `until` (exclusive) are created_at in nanoseconds.
    """

    project: str | None = None
    run_id: str | None = None
    types: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    trace_id: str | None = None
    span_id: str | None = None
    task_id: str | None = None
    correlation_id: str | None = None
    name: str | None = None
    since: int | None = None
    until: int | None = None


EVERYTHING = EventFilter()


class EventPage(msgspec.Struct, frozen=True):
    """One page, oldest first whatever the direction of reading.

    `next_after_id` is where reading forwards goes on; it is never lost, so a poller can hand it back for ever: the id
    of the page's newest event, or the `after_id` that was asked for when the page is empty. `next_before_id` is where
    reading backwards goes on. `more` says whether there is more in the direction that was read.
    """

    events: list[StoredEvent]
    next_after_id: int | None
    next_before_id: int | None
    more: bool


def read_events(
    store: Store,
    filter: EventFilter = EVERYTHING,  # noqa: A002 (the caller's word for it)
    *,
    after_id: int | None = None,
    before_id: int | None = None,
    limit: int | None = None,
    backwards: bool = False,
    payloads: bool = True,
    settings: Settings | None = None,
) -> EventPage:
    """The events that pass the filter with `after_id < id < before_id`, at most `limit` (`page_events_default`).

    Forwards gives the oldest of them, `backwards` (or a `before_id` without an `after_id`) the newest. Without
    `payloads` the payload column is not touched. Raises LimitInvalid and FilterInvalid.
    """
    raise NotImplementedError


def get_event(store: Store, event_id: str) -> StoredEvent:
    """The event with its payload. Raises EventNotFound."""
    raise NotImplementedError
