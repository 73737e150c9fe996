"""A count of changes to rows that were stored before, for whoever reads them now and acts on it later."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from flightlog.journal.table import journal_changes
from flightlog.store.contract import Tx


def note_change(tx: Tx) -> None:
    """Say that this transaction changes or removes rows of events that are in the journal's tables. Appending is no change."""
    tx.sql.execute(update(journal_changes).values(changes=journal_changes.c.changes + 1))


def changes(connection: Connection) -> int:
    """How often that was said."""
    return int(connection.execute(select(journal_changes.c.changes)).scalar_one())
