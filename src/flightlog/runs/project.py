"""Keeps the table `runs` in step with the journal, inside the append's transaction."""

from __future__ import annotations

from collections.abc import Sequence

from flightlog.events.envelope import StoredEvent
from flightlog.store.contract import Tx


class RunProjector:
    """A Projector: one read and one write per run that a batch touches."""

    def apply(self, tx: Tx, events: Sequence[StoredEvent]) -> None:
        raise NotImplementedError
