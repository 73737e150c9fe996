"""The seal's part of an erasure: without its salt, a leaf says nothing of its payload any more."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete

from flightlog.seal.table import seal_salts
from flightlog.store.contract import Tx


def erase(tx: Tx, ids: Sequence[int]) -> None:
    """Forget the salts of these events."""
    tx.sql.execute(delete(seal_salts).where(seal_salts.c.id.in_(ids)))
