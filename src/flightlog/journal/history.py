"""The older part of a journal, which may lie elsewhere than in the tables; and where the line between the two is.

A history holds a prefix of the journal: every id up to `until`, and the tables everything after it. Rows below the line that are
still in the tables are on their way out, and no reader looks at them. A store whose `history` is None has all of it in its tables.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection

from flightlog.journal.filter import EventFilter
from flightlog.journal.plan import Span
from flightlog.store.contract import HISTORY, Tx

# Asked for as many rows as there are.
ALL_ROWS = 2**31 - 1


class History(Protocol):
    """Answers for the ids up to `until`. Columns are named as in `run_events`, and `payload` and `salt` beside them; both are
    None once they were erased.

    `connection` is the snapshot that the caller reads. What a history lets go of meanwhile, it reads where it lies now.
    """

    def until(self, connection: Connection) -> int:
        """The last id that is in here; 0 when there is none."""

    def newest(self, connection: Connection) -> int:
        """No event in here was created later than this (nanoseconds since 1970)."""

    def rows(
        self, connection: Connection, columns: Sequence[str], wanted: EventFilter, span: Span, count: int
    ) -> list[tuple[Any, ...]]:
        """At most `count` events from the near end of the span that pass the filter (but for its text), in its direction."""

    def at(self, connection: Connection, columns: Sequence[str], ids: Collection[int]) -> list[tuple[Any, ...]]:
        """The events at these places, oldest first; those that are not there are left out."""

    def find(self, connection: Connection, event_ids: Collection[str]) -> dict[str, int]:
        """The places of those of these events that are in here."""

    def outdate(self, tx: Tx, ids: Collection[int]) -> None:
        """What other tables say of these events, and was put down beside them in here, is not the same any more."""


class Parts(NamedTuple):
    """A span on both sides of the line; None where nothing of it is."""

    older: Span | None
    newer: Span | None


def history_of(connection: Connection) -> History | None:
    """The history of the store that is read here, if it has one."""
    found: History | None = connection.info.get(HISTORY)
    return found


def line_of(connection: Connection) -> int:
    """The last id that is in the history and not in the tables; 0 when all is in the tables."""
    history = history_of(connection)
    return 0 if history is None else history.until(connection)


def outdate(tx: Tx, ids: Collection[int]) -> None:
    """What other tables say of these events has changed: a history that keeps it with them has to know."""
    history = history_of(tx.sql)
    if history is not None and ids:
        history.outdate(tx, ids)


def split(span: Span, until: int) -> Parts:
    """The span as two that meet at the line: ids up to `until`, and those after it.

    >>> split(Span(3, 12, backwards=False), until=8)
    Parts(older=Span(after_id=3, before_id=9, backwards=False), newer=Span(after_id=8, before_id=12, backwards=False))
    """
    if not until:
        return Parts(None, span)
    after, before = span.after_id or 0, span.before_id
    older = newer = None
    if after < until:
        older = span._replace(before_id=until + 1 if before is None else min(before, until + 1))
    if before is None or before > until + 1:
        newer = span._replace(after_id=max(after, until))
    return Parts(older, newer)
