"""The one way into the journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from flightlog.clock import Clock, SystemClock
from flightlog.config import Settings
from flightlog.errors import FlightlogError
from flightlog.events.envelope import Event
from flightlog.journal.projector import Projector
from flightlog.store.contract import Store, Tx

SYSTEM_CLOCK = SystemClock()


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
        self.settings = settings or Settings()

    def append(
        self,
        events: Sequence[Event],
        *,
        position: SpoolPosition | None = None,
        rejects: Literal["raise", "return"] = "raise",
        timeout: float | None = None,
    ) -> Appended:
        """Store a batch in one transaction and return after its commit.

        An event whose id is already there with the same content is counted as a duplicate. One that can't be stored
        (EventIdConflict, EventInvalid) refuses the whole batch, or, with `rejects="return"`, only itself.
        """
        raise NotImplementedError

    def append_in(
        self,
        tx: Tx,
        events: Sequence[Event],
        *,
        position: SpoolPosition | None = None,
        rejects: Literal["raise", "return"] = "raise",
    ) -> Appended:
        """The same inside a transaction that the caller has open, so that a state and its event commit together."""
        raise NotImplementedError

    def position(self, segment: str) -> int:
        """How far this segment was taken in; 0 when it is not known."""
        raise NotImplementedError

    def forget(self, segment: str) -> None:
        """Drop the position of a segment that was removed."""
        raise NotImplementedError
