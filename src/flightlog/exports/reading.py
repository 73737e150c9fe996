"""The events that an export takes out, page by page: as many in memory as a page has, however many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from flightlog.config import Settings
from flightlog.events.envelope import StoredEvent
from flightlog.journal.filter import EventFilter
from flightlog.journal.read import head_id, read_events
from flightlog.store.contract import Store

Progress = Callable[[int, int], object]


class Wanted(NamedTuple):
    """What is exported: the events of a store that pass a filter, and whom to tell how far it is (place, last place)."""

    store: Store
    filter: EventFilter
    settings: Settings
    progress: Progress | None = None


def pages(wanted: Wanted) -> Iterator[list[StoredEvent]]:
    """Every event that passes and was there when this began, in commit order. Raises FilterInvalid at the first page.

    Each page is a snapshot of its own, so that an export of hours keeps nobody's snapshot for hours; what is committed
    meanwhile is not part of it.
    """
    wanted.filter.check()
    with wanted.store.read() as connection:
        head = head_id(connection)
    after_id = 0
    while True:
        page = read_events(
            wanted.store,
            wanted.filter,
            after_id=after_id,
            before_id=head + 1,
            limit=wanted.settings.page_events_max,
            settings=wanted.settings,
        )
        after_id = page.next_after_id or after_id
        if wanted.progress is not None:
            wanted.progress(after_id if page.more else head, head)
        if page.events:
            yield page.events
        if not page.more:
            return
