"""Applying a newer mapping to events of OpenTelemetry that are stored: the tables made from them follow, the journal does not.

A piece at a time, each in one transaction: rows of generations, totals of runs, what is still not understood, feedback that
evaluations turn out to be, an `audit` event that says what was done, and how far it came. So it can be stopped at any time.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from flightlog.clock import Clock, SystemClock
from flightlog.events.envelope import Event, StoredEvent
from flightlog.ids import Ids, SystemIds
from flightlog.ingest.otlp.mapping import MAPPING_VERSION
from flightlog.ingest.otlp.remap import TYPES, Reading, look_in, read_again
from flightlog.ingest.otlp.sources import Sources
from flightlog.ingest.otlp.unmapped import Seen, UnmappedProjector
from flightlog.ingest.otlp.unmapped_table import unmapped_attributes
from flightlog.journal.filter import EventFilter
from flightlog.journal.lookup import ids_of
from flightlog.journal.plan import Span
from flightlog.journal.read import events_of_page, head_id
from flightlog.journal.table import projections
from flightlog.runs.feedback_project import link_pending
from flightlog.runs.project import RunProjector
from flightlog.runs.reread import Change, apply_changes, changes
from flightlog.store.contract import Tx
from flightlog.wiring import Keeper

BATCH_EVENTS = 1_000  # in one transaction, so that appends are not kept waiting
PIECE_SECONDS = 600.0  # a piece waits for its turn as long as this; nobody is kept waiting by it
EXAMPLES_MAX = 20
OPERATION = "otlp.remap"
# And the mapping's version: the name under which it is kept how far a look at everything has come.
MARK = "remap-"

Told = Callable[[int, int], None]
Read = Callable[[StoredEvent], Reading | None]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which events. With none of these it is a pass over everything, and what is not understood is counted anew."""

    since: int | None = None
    until: int | None = None
    run_id: str | None = None

    @property
    def is_everything(self) -> bool:
        return self == Wanted()


class Remapped(msgspec.Struct, kw_only=True):
    """What was read anew, and what came of it, or would in a dry run.

    `events` are those of which more was understood; `attributes` says how often each attribute was that nobody had understood.
    """

    dry_run: bool
    mapping: int
    looked_at: int = 0
    events: int = 0
    attributes: dict[str, int] = {}
    generations_new: int = 0
    generations_changed: int = 0
    feedback: int = 0
    event_ids: list[str] = []

    def add(self, piece: Remapped) -> None:
        """Count what another piece did."""
        for name in ("looked_at", "events", "generations_new", "generations_changed", "feedback"):
            setattr(self, name, getattr(self, name) + getattr(piece, name))
        for key, count in piece.attributes.items():
            self.attributes[key] = self.attributes.get(key, 0) + count
        self.event_ids += piece.event_ids


class Remap:
    """One remap of a keeper's store; `version` and `ids` are for tests."""

    def __init__(
        self,
        keeper: Keeper,
        wanted: Wanted,
        *,
        version: int = MAPPING_VERSION,
        batch_events: int = BATCH_EVENTS,
        clock: Clock | None = None,
        ids: Ids | None = None,
    ) -> None:
        self._store, self._journal, self._settings = keeper.store, keeper.journal, keeper.settings
        self._runs = RunProjector(keeper.prices)
        self._unmapped = UnmappedProjector(keeper.settings)
        self._sources = Sources()
        self._wanted = wanted
        self._version = version
        self._batch = batch_events
        self._clock, self._ids = clock or SystemClock(), ids or SystemIds()
        self._filter = EventFilter(types=TYPES, since=wanted.since, until=wanted.until, run_id=wanted.run_id)

    def dry_run(self, told: Told = lambda done, total: None) -> Remapped:
        """What `run` would do."""
        made = Remapped(dry_run=True, mapping=self._version)
        position = 0
        with self._store.read() as connection:
            until = head_id(connection)
        while True:
            with self._store.read() as connection:
                events = self._events(connection, position, until)
                made.add(self._look(connection, events)[0])
            if len(events) < self._batch:
                return made
            position = events[-1].id
            told(position, until)

    def run(self, told: Told = lambda done, total: None) -> Remapped:
        """Do it, from where a pass over everything by the same mapping was stopped. Safe to do again."""
        made = Remapped(dry_run=False, mapping=self._version)
        position, until = self._store.write(self._begin, PIECE_SECONDS)
        while position < until:
            told(position, until)
            piece, position = self._store.write(lambda tx: self._piece(tx, position, until), PIECE_SECONDS)  # noqa: B023
            made.add(piece)
        if made.generations_new:
            self._store.write(link_pending, PIECE_SECONDS)
        return made

    def _begin(self, tx: Tx) -> tuple[int, int]:
        head = head_id(tx.sql)
        if not self._wanted.is_everything:
            return 0, head
        name = f"{MARK}{self._version}"
        row = tx.sql.execute(select(projections).where(projections.c.name == name)).first()
        if row is not None and row.position < row.until_id:
            return row.position, row.until_id
        # From here on what comes is counted as it comes, and what is there is counted as it is read.
        tx.sql.execute(delete(projections).where(projections.c.name.startswith(MARK)))
        tx.sql.execute(delete(unmapped_attributes))
        tx.sql.execute(insert(projections).values(name=name, position=0, until_id=head))
        return 0, head

    def _piece(self, tx: Tx, position: int, until: int) -> tuple[Remapped, int]:
        events = self._events(tx.sql, position, until)
        made, readings, found, fresh = self._look(tx.sql, events)
        apply_changes(tx, found)
        if self._wanted.is_everything:
            seen = Seen()
            for event, reading in readings:
                if reading.left:
                    seen.add(reading.scope, reading.left, event)
            self._unmapped.count(tx, seen)
        if made.generations_new or made.generations_changed or fresh:
            told = self._audit(made, found)
            made.event_ids.append(told.event_id)
            self._journal.append_in(tx, [told, *fresh], rejects="return")
        reached = events[-1].id if len(events) == self._batch else until
        if self._wanted.is_everything:
            name = f"{MARK}{self._version}"
            tx.sql.execute(update(projections).where(projections.c.name == name).values(position=reached))
        return made, reached

    def _events(self, connection: Connection, position: int, until: int) -> list[StoredEvent]:
        return events_of_page(connection, self._filter, Span(position, until + 1, backwards=False), self._batch)

    def _look(
        self, connection: Connection, events: list[StoredEvent]
    ) -> tuple[Remapped, list[tuple[StoredEvent, Reading]], list[Change], list[Event]]:
        """What these events say now, and what that changes."""
        made = Remapped(dry_run=False, mapping=self._version)
        look = look_in(connection, self._sources)
        readings = [(event, read) for event in events if (read := read_again(event, look, self._version)) is not None]
        made.looked_at = len(readings)
        given = _not_there(connection, [one for _, reading in readings for one in reading.feedback])
        made.feedback = len(given)
        for _, reading in readings:
            made.events += reading.event is not None or bool(reading.understood)
            for key in reading.understood:
                made.attributes[key] = made.attributes.get(key, 0) + 1
        anew = [reading.event for _, reading in readings if reading.event is not None]
        found = changes(connection, anew, self._runs.read)
        made.generations_new = sum(one.before is None for one in found)
        made.generations_changed = len(found) - made.generations_new
        return made, readings, found, given

    def _audit(self, made: Remapped, found: list[Change]) -> Event:
        now = self._clock.now_ns()
        details = {
            "mapping": self._version,
            "events": made.events,
            "attributes": dict(sorted(made.attributes.items())[:EXAMPLES_MAX]),
            "generations_new": made.generations_new,
            "generations_changed": made.generations_changed,
            "feedback": made.feedback,
            "generations": [one.after.generation_id for one in found[:EXAMPLES_MAX]],
        }
        payload = {"operation": OPERATION, "subject_type": "events", "outcome": "succeeded", "details": details}
        return Event(
            event_id=self._ids.event_id(now),
            type="audit",
            created_at=now,
            project=self._settings.project,
            name=OPERATION,
            source="flightlog",
            payload=msgspec.Raw(msgspec.json.encode(payload)),
        )


def _not_there(connection: Connection, events: list[Event]) -> list[Event]:
    """Those that are not stored yet."""
    fresh = {event.event_id: event for event in events}
    known = ids_of(connection, list(fresh))
    return [event for event_id, event in fresh.items() if event_id not in known]


def is_half_done(connection: Connection) -> bool:
    """Whether a pass over everything was stopped, so that the list of what is not understood is not whole."""
    row = connection.execute(
        select(projections.c.name).where(
            projections.c.name.startswith(MARK), projections.c.position < projections.c.until_id
        )
    ).first()
    return row is not None
