"""The states of a message and the moves between them, as data. `tests/contract/test_outbox.py` writes them out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import update

from flightlog.errors import MoveIllegal
from flightlog.outbox.table import outbox_events
from flightlog.store.contract import Tx

PENDING, PUBLISHED, DEAD = "PENDING", "PUBLISHED", "DEAD"
STATES = (PENDING, PUBLISHED, DEAD)

# A message that is refused for now stays PENDING, and is due later.
MOVES = frozenset({(PENDING, PUBLISHED), (PENDING, DEAD), (DEAD, PENDING)})


def move(tx: Tx, ids: Sequence[int], before: str, after: str, **changes: Any) -> int:
    """Have those of the messages that are `before` be `after`; how many these were. Raises MoveIllegal."""
    if (before, after) not in MOVES:
        raise MoveIllegal(task_id=f"outbox message {ids[0] if ids else ''}", before=before, after=after)
    if not ids:
        return 0
    mine = outbox_events.c.id.in_(ids), outbox_events.c.status == before
    return tx.sql.execute(update(outbox_events).where(*mine).values(status=after, **changes)).rowcount
