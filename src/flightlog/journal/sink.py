"""The recorder's way in: what its drain hands over is in the journal when `write` returns."""

from __future__ import annotations

from collections.abc import Sequence

from flightlog.errors import FlightlogError
from flightlog.events.envelope import Event
from flightlog.journal.append import Journal, SpoolPosition


class JournalSink:
    """A sink (see `flightlog.recorder.sinks`) that appends to the journal of this process."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def write(self, events: Sequence[Event], segment: str, offset: int) -> list[tuple[int, FlightlogError]]:
        """Store a batch and, in the same transaction, that `segment` was taken in up to `offset`.

        Returns the events that the journal refused, by index, with the reason; all others are stored. Raises
        Unavailable or StoreBroken when the same batch should come again.
        """
        position = SpoolPosition(segment, offset)
        return self._journal.append(events, position=position, rejects="return").rejected

    def position(self, segment: str) -> int:
        """How far this segment was taken in; 0 when it is not known."""
        return self._journal.position(segment)

    def forget(self, segment: str) -> None:
        """The segment was removed: drop its position."""
        self._journal.forget(segment)

    def close(self) -> None:
        """Nothing to let go of: the store belongs to whoever opened it."""
