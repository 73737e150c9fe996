"""Bringing a table that came later up to the journal: what was stored before it is taken in afterwards, piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, select, update

from flightlog.events.envelope import StoredEvent
from flightlog.journal.filter import EventFilter
from flightlog.journal.plan import Span
from flightlog.journal.read import events_of_page
from flightlog.journal.table import projections
from flightlog.store.contract import Store, Tx

BATCH_EVENTS = 1_000  # in one transaction, so that appends are not kept waiting
PIECE_SECONDS = 600.0  # a piece waits for its turn as long as this; nobody is kept waiting by it

Take = Callable[[Tx, Sequence[StoredEvent]], None]


def catch_up(store: Store, name: str, types: Sequence[str], take: Take, *, batch_events: int = BATCH_EVENTS) -> int:
    """Hand `take` the events of these types (of all, if none are given) from before the projection `name`, oldest first and
    each exactly once; return how many there were.

    The migration that makes the projection's table says in `projections` up to which id. The position is kept in the same
    transaction as what `take` does, so it can be stopped at any time and goes on where it was. What comes meanwhile is the
    projector's own; a projection must not depend on the order.
    """
    taken = 0
    while True:
        found = store.write(lambda tx: _piece(tx, name, types, take, batch_events), PIECE_SECONDS)
        if found is None:
            return taken
        taken += found


def is_behind(connection: Connection, name: str) -> bool:
    """Whether there are events that the projection has not taken in."""
    row = connection.execute(select(projections).where(projections.c.name == name)).first()
    return row is not None and row.position < row.until_id


def _piece(tx: Tx, name: str, types: Sequence[str], take: Take, batch_events: int) -> int | None:
    """How many events this piece brought; None when there is nothing more."""
    row = tx.sql.execute(select(projections).where(projections.c.name == name)).first()
    if row is None or row.position >= row.until_id:
        return None
    # By the index of types where some are asked for: a walk over everything would look at most rows for nothing.
    span = Span(row.position, row.until_id + 1, backwards=False)
    events = events_of_page(tx.sql, EventFilter(types=tuple(types)), span, batch_events)
    if events:
        take(tx, events)
    reached = events[-1].id if len(events) == batch_events else row.until_id
    tx.sql.execute(update(projections).where(projections.c.name == name).values(position=reached))
    return len(events)
