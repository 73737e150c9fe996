"""How a room above keeps a table in step with the journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flightlog.events.envelope import StoredEvent
from flightlog.store.contract import Tx


class Projector(Protocol):
    """Follows the journal inside the append's own transaction, so that a projection never lags or leads."""

    def apply(self, tx: Tx, events: Sequence[StoredEvent]) -> None:
        """Take in events that were just stored, by rising id, each exactly once; duplicates never come here."""
