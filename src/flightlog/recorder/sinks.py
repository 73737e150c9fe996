"""Where drained events go. A sink is durable when `write` returns, and takes the same events twice without harm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flightlog.errors import FlightlogError
from flightlog.events.envelope import Event


class Sink(Protocol):
    """The far end of the drain."""

    def write(self, events: Sequence[Event], segment: str, offset: int) -> Sequence[tuple[int, FlightlogError]]:
        """Keep these events and, in the same commit, that `segment` is delivered up to `offset`.

        Gives the (index, error) pairs of events that can't be kept whatever is tried; all others are durable. Raises
        Unavailable or StoreBroken when nothing was kept and it is worth trying again later.
        """

    def position(self, segment: str) -> int:
        """How far `segment` was delivered; 0 for one never seen."""

    def forget(self, segment: str) -> None:
        """`segment` is delivered to its end and its file is about to go."""

    def close(self) -> None:
        """Let go of everything. Safe to call twice."""
