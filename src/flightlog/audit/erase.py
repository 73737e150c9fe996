"""The part of an erasure that the audit trail holds: what was done stays, to whom and why goes."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import update

from flightlog.audit.table import audits
from flightlog.store.contract import Tx


def erase(tx: Tx, ids: Sequence[int]) -> None:
    """Forget what came from the payloads of these events."""
    tx.sql.execute(update(audits).where(audits.c.id.in_(ids)).values(subject_id=None, reason=None, approver=None))
