"""The part of an erasure that dead letters hold: what an error said goes, that there was one and where stays."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import update

from flightlog.deadletters.letters import EVENT_PREFIX
from flightlog.deadletters.table import dead_letters, replay_items
from flightlog.journal.lookup import rows_at
from flightlog.store.contract import Tx

ERASED = "[erased]"


def erase(tx: Tx, ids: Sequence[int]) -> None:
    """Forget what letters and plans share with the payloads of these events."""
    letters, tasks = [], []
    for _, type_, event_id, task_id in rows_at(tx.sql, ("id", "type", "event_id", "task_id"), ids):
        if type_ == "dead_letter":
            letters.append(event_id.removeprefix(EVENT_PREFIX))
        elif type_ == "dead_letter_replayed":
            tasks.append(task_id)
    if letters:
        values = {"kind": ERASED, "message": ERASED, "input_digest": None}
        tx.sql.execute(update(dead_letters).where(dead_letters.c.letter_id.in_(letters)).values(values))
    if tasks:
        tx.sql.execute(update(replay_items).where(replay_items.c.task_id.in_(tasks)).values(detail=None))
