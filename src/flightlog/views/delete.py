"""Deleting a saved view."""

from __future__ import annotations

from flightlog.errors import ViewNotFound
from flightlog.store.contract import Store, Tx
from flightlog.views.table import saved_views


def delete_view(store: Store, view_id: str) -> None:
    """Forget this view. Raises ViewNotFound, and what the store raises when it can't be written."""
    store.write(lambda tx: _delete(tx, view_id))


def _delete(tx: Tx, view_id: str) -> None:
    if not tx.sql.execute(saved_views.delete().where(saved_views.c.view_id == view_id)).rowcount:
        raise ViewNotFound(view_id=view_id)
