"""The part of an erasure that runs hold: previews of what was asked and answered, and the words of feedback."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import or_, update

from flightlog.runs.feedback_table import feedback
from flightlog.runs.generation_table import generations
from flightlog.store.contract import Tx


def erase(tx: Tx, ids: Sequence[int]) -> None:
    """Forget what came from the payloads of these events. Counts, tokens, cost and times stay."""
    of_these = or_(generations.c.id.in_(ids), generations.c.answer_id.in_(ids), generations.c.request_id.in_(ids))
    tx.sql.execute(update(generations).where(of_these).values(input_preview=None, output_preview=None))
    tx.sql.execute(update(feedback).where(feedback.c.id.in_(ids)).values(comment=None, value_text=None))
