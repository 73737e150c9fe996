"""The part of an erasure that dead letters hold: what an error said goes, that there was one and where stays."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update

from flightlog.deadletters.letters import EVENT_PREFIX
from flightlog.deadletters.table import dead_letters, replay_items
from flightlog.journal.table import run_events
from flightlog.store.contract import Tx

ERASED = "[erased]"


def erase(tx: Tx, ids: Sequence[int]) -> None:
    """Forget what letters and plans share with the payloads of these events."""
    event = run_events.c
    told = select(event.event_id, event.task_id, event.type).where(
        event.id.in_(ids), event.type.in_(("dead_letter", "dead_letter_replayed"))
    )
    rows = tx.sql.execute(told).all()
    letters = [row.event_id.removeprefix(EVENT_PREFIX) for row in rows if row.type == "dead_letter"]
    if letters:
        values = {"kind": ERASED, "message": ERASED, "input_digest": None}
        tx.sql.execute(update(dead_letters).where(dead_letters.c.letter_id.in_(letters)).values(values))
    replayed = [row.task_id for row in rows if row.type == "dead_letter_replayed"]
    if replayed:
        tx.sql.execute(update(replay_items).where(replay_items.c.task_id.in_(replayed)).values(detail=None))
