"""Pages of events that hold a text: by the index as far as there is one, else by looking at a bounded number of payloads."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from sqlalchemy import Connection

from flightlog.events.envelope import StoredEvent
from flightlog.journal import index, rows
from flightlog.journal.filter import EventFilter
from flightlog.journal.history import line_of
from flightlog.journal.lookup import rows_at_that_hold
from flightlog.journal.plan import Span
from flightlog.journal.words import Sought, text_of

CHUNK_EVENTS = 500


class Scanned(msgspec.Struct, frozen=True):
    """How far a search looked: `count` events from `from_id` to `to_id`. When not `complete`, there is more to look at."""

    count: int
    from_id: int | None
    to_id: int | None
    complete: bool


# Reads the events of a span that pass a filter without text: at most so many, in the span's direction.
Reader = Callable[[EventFilter, Span, int], list[StoredEvent]]


class Search:
    """One search: goes from the near end of its span, chunk by chunk, until enough was found or looked at."""

    def __init__(self, connection: Connection, wanted: EventFilter, span: Span, read: Reader) -> None:
        self._connection = connection
        self._sought = Sought(wanted.text or "")
        self._plain = msgspec.structs.replace(wanted, text=None)
        self._span = span
        self._read = read
        self.found: list[StoredEvent] = []
        self.looked = 0
        self.first: int | None = None
        self.last: int | None = None

    def run(self, count: int, head: int, looked_max: int) -> bool:
        """Find up to `count` events; whether all of the span was looked at, which it is not when these were found before,
        or `looked_max` events were looked at."""
        if not self._sought.phrases:
            return True
        after, before = self._span.after_id or 0, min(self._span.before_id or head + 1, head + 1)
        parts = self._parts(after, before)
        for low, high, by_index in parts if not self._span.backwards else reversed(parts):
            if not self._go(low, high, by_index, count, looked_max):
                return False
        return True

    def scanned(self, complete: bool) -> Scanned:
        """How far it looked."""
        ends = [end for end in (self.first, self.last) if end is not None]
        return Scanned(self.looked, min(ends, default=None), max(ends, default=None), complete)

    def _parts(self, after: int, before: int) -> list[tuple[int, int, bool]]:
        """The span as stretches that the index holds or not, each between two ids."""
        known = index.held(self._connection)
        if known is None or known.last_id < known.first_id:
            return [(after, before, False)]
        # What was archived has left the index.
        edge = min(max(known.first_id, line_of(self._connection) + 1, after + 1), before)
        made = [(after, edge, False)] if edge > after + 1 else []
        return [*made, (edge - 1, before, True)] if before > edge else made

    def _go(self, low: int, high: int, by_index: bool, count: int, looked_max: int) -> bool:
        """Whether the whole stretch was looked at."""
        while high > low + 1:
            if len(self.found) >= count or self.looked >= looked_max:
                return False
            # A page is often full after a few; only a rare word is worth large steps.
            size = min(CHUNK_EVENTS, looked_max - self.looked, max(CHUNK_EVENTS // 5, self.looked))
            ids, events = self._chunk(low, high, by_index, size)
            self.looked += len(ids)
            if ids:
                self.first = ids[0] if self.first is None else self.first
                for event in events:
                    if self._sought.matches(text_of(bytes(event.payload), event.name)):
                        self.found.append(event)
                        if len(self.found) >= count:
                            self.last = event.id
                            return False
                self.last = ids[-1]
            if len(ids) < size:
                return True
            low, high = (low, ids[-1]) if self._span.backwards else (ids[-1], high)
        return True

    def _chunk(self, low: int, high: int, by_index: bool, size: int) -> tuple[list[int], list[StoredEvent]]:
        """The next ids to look at, and the events of them that pass the filter's other fields."""
        down = self._span.backwards
        if not by_index:
            events = self._read(self._plain, Span(low, high, down), size)
            return [event.id for event in events], events
        ids = index.candidates(self._connection, self._sought.as_match(), low, high, size, down)
        found = rows_at_that_hold(self._connection, rows.WHOLE, self._plain, ids)
        return ids, [rows.from_row(row) for row in (reversed(found) if down else found)]
