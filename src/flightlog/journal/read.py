"""Pages of the journal, by id, in commit order."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy import Connection, select

from flightlog.config import Settings
from flightlog.errors import CursorInvalid, EventNotFound, LimitInvalid
from flightlog.events.envelope import StoredEvent
from flightlog.journal import rows
from flightlog.journal.filter import EVERYTHING, INT64_MAX, EventFilter, is_storable
from flightlog.journal.lookup import ids_of, rows_at, rows_of_page
from flightlog.journal.plan import Span
from flightlog.journal.search import Scanned, Search
from flightlog.journal.table import journal_head
from flightlog.store.contract import Store

__all__ = [
    "EVERYTHING",
    "EventFilter",
    "EventPage",
    "get_event",
    "get_event_at",
    "get_events_at",
    "head_id",
    "read_events",
    "read_page",
]

DEFAULTS = Settings()


class EventPage(msgspec.Struct, frozen=True):
    """One page, oldest first whatever the direction of reading.

    `next_after_id` is where reading forwards goes on; it is never lost, so a poller can hand it back for ever: the id
    of the page's newest event, or the `after_id` that was asked for when the page is empty. `next_before_id` is the
    same for reading backwards. `more` says whether there is more in the direction that was read.

    A page of a search for a text has `scanned`; when it is not complete, the page may be empty and the cursors still move.
    """

    events: list[StoredEvent]
    next_after_id: int | None
    next_before_id: int | None
    more: bool
    scanned: Scanned | None = None


def read_events(
    store: Store,
    filter: EventFilter = EVERYTHING,  # noqa: A002 (the caller's word for it)
    *,
    after_id: int | None = None,
    before_id: int | None = None,
    limit: int | None = None,
    backwards: bool = False,
    payloads: bool = True,
    settings: Settings = DEFAULTS,
) -> EventPage:
    """The events that pass the filter with `after_id < id < before_id`, at most `limit` (`page_events_default`).

    Forwards gives the oldest of them, `backwards` (or a `before_id` without an `after_id`) the newest. Without
    `payloads` the payload column is not touched. Raises LimitInvalid, CursorInvalid, FilterInvalid.
    """
    filter.check()
    limit = check_limit(limit, settings)
    for cursor in (after_id, before_id):
        if cursor is not None and not 0 <= cursor <= INT64_MAX:
            raise CursorInvalid(cursor=cursor)
    span = Span(after_id, before_id, backwards or (before_id is not None and after_id is None))
    with store.read() as connection:
        looked_max = settings.search_events_max
        return read_page(connection, filter, span, limit, payloads=payloads, looked_max=looked_max)


def check_limit(limit: int | None, settings: Settings) -> int:
    """The limit in force. Raises LimitInvalid."""
    if limit is None:
        return min(settings.page_events_default, settings.page_events_max)
    if not 1 <= limit <= settings.page_events_max:
        raise LimitInvalid(limit=limit, limit_max=settings.page_events_max)
    return limit


def read_page(
    connection: Connection,
    wanted: EventFilter,
    span: Span,
    limit: int,
    *,
    payloads: bool = True,
    looked_max: int = DEFAULTS.search_events_max,
) -> EventPage:
    """read_events on a snapshot that the caller holds, with arguments that were checked."""
    if wanted.text is None:
        events = _read(connection, wanted, span, limit + 1, payloads=payloads)
        return _page(events, span, limit)
    search = Search(connection, wanted, span, lambda plain, part, count: _read(connection, plain, part, count))
    complete = search.run(limit + 1, head_id(connection), looked_max)
    page = _page(search.found, span, limit)
    scanned = search.scanned(complete)
    if complete or page.more:
        return msgspec.structs.replace(page, scanned=scanned)
    moved = {"next_before_id" if span.backwards else "next_after_id": search.last}
    return msgspec.structs.replace(page, scanned=scanned, more=True, **moved)


def _read(
    connection: Connection, wanted: EventFilter, span: Span, count: int, *, payloads: bool = True
) -> list[StoredEvent]:
    """At most `count` events from the near end of the span, in its direction."""
    names = rows.WHOLE if payloads else rows.ENVELOPE
    return [rows.from_row(row) for row in rows_of_page(connection, names, wanted, span, count)]


def _page(events: list[StoredEvent], span: Span, limit: int) -> EventPage:
    more = len(events) > limit
    events = events[:limit]
    if span.backwards:
        events.reverse()
    return EventPage(
        events=events,
        next_after_id=events[-1].id if events else span.after_id,
        next_before_id=events[0].id if events else span.before_id,
        more=more,
    )


def get_event(store: Store, event_id: str) -> StoredEvent:
    """The event with its payload. Raises EventNotFound."""
    with store.read() as connection:
        places = ids_of(connection, [event_id]) if is_storable(event_id) else {}
        found = rows_at(connection, rows.WHOLE, places.values())
    if not found:
        raise EventNotFound(event_id=event_id)
    return rows.from_row(found[0])


def get_event_at(store: Store, id: int) -> StoredEvent:  # noqa: A002 (the journal's own word)
    """The event at this place in commit order, with its payload. Raises EventNotFound."""
    found = get_events_at(store, [id]) if 0 < id <= INT64_MAX else []
    if not found:
        raise EventNotFound(event_id=id)
    return found[0]


def get_events_at(store: Store, ids: Collection[int]) -> list[StoredEvent]:
    """The events at these places in commit order, with their payloads; those that are not there are left out."""
    with store.read() as connection:
        return events_at(connection, ids)


def events_at(connection: Connection, ids: Collection[int]) -> list[StoredEvent]:
    """The same on a snapshot that the caller holds."""
    return [rows.from_row(row) for row in rows_at(connection, rows.WHOLE, ids)]


def events_of_page(connection: Connection, wanted: EventFilter, span: Span, count: int) -> list[StoredEvent]:
    """At most `count` events with their payloads from the near end of the span, in its direction; `wanted` without a text."""
    return _read(connection, wanted, span, count)


def head_id(connection: Connection) -> int:
    """The last id that was given out, as this snapshot sees it; a reader who has it has missed nothing."""
    return int(connection.execute(select(journal_head.c.last_id)).scalar_one())
