"""The one way into the journal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update

from flightlog.clock import Clock, SystemClock
from flightlog.config import Settings
from flightlog.errors import FlightlogError
from flightlog.events.envelope import Event
from flightlog.journal import rows
from flightlog.journal.projector import Looker, Projector
from flightlog.journal.ready import Item, Preparation
from flightlog.journal.sift import Sifted, came_before, sift
from flightlog.journal.spans import enter_spans
from flightlog.journal.table import journal_head, spool_positions
from flightlog.store.contract import DuplicateKey, RowRefused, StartOver, Store, Tx
from flightlog.store.prepared import Prepared

SYSTEM_CLOCK = SystemClock()

Rejects = Literal["raise", "return"]

_HEAD = Prepared(select(journal_head.c.last_id))
_RAISE_HEAD = Prepared(
    update(journal_head).values(last_id=journal_head.c.last_id + bindparam("events")).returning(journal_head.c.last_id)
)
_SET_HEAD = Prepared(update(journal_head).values(last_id=bindparam("last_id")))
_NO_EVENT = Event(event_id="", type="", created_at=0)  # in the place of one that can't be stored


class SpoolPosition(NamedTuple):
    """How far a spool segment has been taken in."""

    segment: str
    offset: int


class Appended(msgspec.Struct, frozen=True):
    """What became of a batch. `ids` has one entry per event, of duplicates too; 0 where the event was rejected."""

    ids: list[int]
    stored: int
    duplicates: int
    first_id: int = 0
    last_id: int = 0
    rejected: list[tuple[int, FlightlogError]] = []


class Meter(Protocol):
    """Whoever counts what is appended. Called from any thread, and never raises."""

    def appended(self, events: Sequence[Event], appended: Appended, seconds: float | None) -> None:
        """A batch was stored, after so long; None where it is part of a transaction that somebody else has yet to commit."""

    def append_failed(self, error: BaseException) -> None:
        """A batch was not stored."""


class Journal:
    """Appends events, exactly once each, with their projections in the same transaction."""

    def __init__(
        self,
        store: Store,
        projectors: Sequence[Projector] = (),
        *,
        clock: Clock = SYSTEM_CLOCK,
        settings: Settings | None = None,
    ) -> None:
        self.store = store
        self._timeout = settings.write_timeout_seconds if settings else None
        lookers = [each for each in projectors if isinstance(each, Looker)]
        self.preparation = Preparation(lookers)
        self._projectors: list[tuple[Any, int | None]] = [
            (each, lookers.index(each) if isinstance(each, Looker) else None) for each in projectors
        ]
        self._clock = clock
        self.meter: Meter | None = None

    def append(
        self,
        events: Sequence[Event],
        *,
        position: SpoolPosition | None = None,
        rejects: Rejects = "raise",
        timeout: float | None = None,
    ) -> Appended:
        """Store a batch in one transaction and return after its commit.

        An event whose id is already there with the same content is counted as a duplicate. One that can't be stored
        (EventIdConflict, EventInvalid) refuses the whole batch, or, with `rejects="return"`, only itself.
        """
        return self._write_told(events, self.preparation.ready(events), position, rejects, timeout)

    def append_ready(self, items: list[Item], *, rejects: Rejects = "raise", timeout: float | None = None) -> Appended:
        """The same for events that `preparation` has made ready, here or in another process."""
        events = [_NO_EVENT if isinstance(item, FlightlogError) else item[0] for item in items]
        return self._write_told(events, items, None, rejects, timeout)

    def _write_told(
        self,
        events: Sequence[Event],
        batch: list[Item],
        position: SpoolPosition | None,
        rejects: Rejects,
        timeout: float | None,
    ) -> Appended:
        began = time.perf_counter()
        try:
            appended = self._write(batch, position, rejects, self._timeout if timeout is None else timeout)
        except BaseException as error:
            if self.meter is not None:
                self.meter.append_failed(error)
            raise
        if self.meter is not None:
            self.meter.appended(events, appended, time.perf_counter() - began)
        return appended

    def _write(
        self,
        batch: list[Item],
        position: SpoolPosition | None,
        rejects: Rejects,
        timeout: float | None,
    ) -> Appended:
        def hopefully(tx: Tx) -> Appended:
            tx.hopeful = True
            try:
                return self._append(tx, batch, position, rejects)
            finally:
                tx.hopeful = False

        try:
            return self.store.write(hopefully, timeout)
        except StartOver:  # some of it is there already, or can't be stored
            return self.store.write(lambda tx: self._append(tx, batch, position, rejects), timeout)

    def append_in(
        self, tx: Tx, events: Sequence[Event], *, position: SpoolPosition | None = None, rejects: Rejects = "raise"
    ) -> Appended:
        """The same inside a transaction that the caller has open, so that a state and its event commit together."""
        appended = self._append(tx, self.preparation.ready(events), position, rejects)
        if self.meter is not None:
            self.meter.appended(events, appended, None)
        return appended

    def position(self, segment: str) -> int:
        """How far this segment was taken in; 0 when it is not known."""
        wanted = select(spool_positions.c.position).where(spool_positions.c.segment == segment)
        with self.store.read() as connection:
            return int(connection.execute(wanted).scalar() or 0)

    def forget(self, segment: str, timeout: float | None = None) -> None:
        """Drop the position of a segment that was removed."""
        gone = delete(spool_positions).where(spool_positions.c.segment == segment)
        timeout = self._timeout if timeout is None else timeout
        self.store.write(lambda tx: tx.sql.execute(gone).rowcount, timeout)

    # ── inside the transaction ───────────────────────────────────────────────────────────────────────────────────

    def _append(self, tx: Tx, batch: list[Item], position: SpoolPosition | None, rejects: Rejects) -> Appended:
        now = self._clock.now_ns()
        first_id, sifted = self._insert_all(tx, batch, now)
        if sifted is None:
            sifted = self._insert_some(tx, batch, first_id, now, rejects)
            if sifted.stored:
                _SET_HEAD.run(tx, last_id=first_id + len(sifted.stored) - 1)
        stored = len(sifted.stored)
        if stored:
            enter_spans(tx, first_id, first_id + stored - 1)
        if stored and self._projectors:
            events = rows.as_stored(sifted.stored, first_id, now)
            for projector, place in self._projectors:
                if place is None:
                    projector.apply(tx, events)
                else:
                    projector.apply(tx, events, [item[4][place] for item in sifted.stored])
        if position is not None:
            _keep_position(tx, position, now)
        return Appended(
            ids=[sifted.ids.get(place, 0) for place in range(len(batch))],
            stored=stored,
            duplicates=len(batch) - stored - len(sifted.rejected),
            first_id=first_id if stored else 0,
            last_id=first_id + stored - 1 if stored else 0,
            rejected=sorted(sifted.rejected.items()),
        )

    def _insert_all(self, tx: Tx, batch: list[Item], now: int) -> tuple[int, Sifted | None]:
        """The usual case: all of it is new and sound. None when it is not, and nothing was done. With the id of the first."""
        ready = [item for item in batch if not isinstance(item, FlightlogError)]
        if not ready or len(ready) < len(batch) or came_before(tx, ready):
            return int(_HEAD.run(tx).fetchone()[0]) + 1, None
        last_id = int(_RAISE_HEAD.run(tx, events=len(ready)).fetchall()[0][0])
        first_id = last_id - len(ready) + 1
        try:
            rows.insert(tx, ready, first_id, now)
        except (DuplicateKey, RowRefused):
            _SET_HEAD.run(tx, last_id=first_id - 1)
            return first_id, None
        return first_id, Sifted(ready, dict(enumerate(range(first_id, last_id + 1))), {})

    def _insert_some(self, tx: Tx, batch: list[Item], first_id: int, now: int, rejects: Rejects) -> Sifted:
        with tx.sql.begin_nested():  # a caller that catches the error must not find half of the batch
            sifted = sift(tx, batch, first_id, now)
            if sifted.rejected and rejects == "raise":
                raise sifted.rejected[min(sifted.rejected)]
            return sifted


def _keep_position(tx: Tx, position: SpoolPosition, now: int) -> None:
    values = {"position": position.offset, "updated_at": now}
    known = tx.sql.execute(
        update(spool_positions).where(spool_positions.c.segment == position.segment).values(values)
    ).rowcount
    if not known:
        tx.sql.execute(insert(spool_positions).values(segment=position.segment, **values))
