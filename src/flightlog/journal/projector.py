"""How a room above keeps a table in step with the journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from flightlog.events.envelope import Event, StoredEvent

if TYPE_CHECKING:
    from flightlog.store.contract import Tx

Payload = dict[str, Any]


class Projector(Protocol):
    """Follows the journal inside the append's own transaction, so that a projection never lags or leads.

    One that is a Looker too is handed what it saw of each event as a third argument, `looks`.
    """

    def apply(self, tx: Tx, events: Sequence[StoredEvent]) -> None:
        """Take in events that were just stored, by rising id, each exactly once; duplicates never come here."""


@runtime_checkable
class Looker(Protocol):
    """Reads events before they are stored: outside the transaction, maybe in another process, which has no store.

    `look` depends on nothing but the event. What it gives may be used more than once, where a transaction is done again, and
    is not changed by that.
    """

    looks_for: str  # the name that it has in every process

    def look(self, event: Event, payload: Payload | None = None) -> Any:
        """What the projector wants to know of an event; None where that is nothing. Never raises for anything in the payload.

        `payload` is the event's as objects, where somebody has them: then it need not be decoded. What is seen is the same.
        """

    def pack(self, looks: Sequence[Any]) -> bytes:
        """What was seen, for another process of the same version. It may be changed by that."""

    def unpack(self, data: bytes) -> list[Any]:
        """What `pack` packed. Raises msgspec.MsgspecError."""
