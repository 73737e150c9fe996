"""Deleting a saved view."""

from __future__ import annotations

from collections.abc import Callable

from flightlog.errors import ViewNotFound
from flightlog.store.contract import Store, Tx
from flightlog.views.table import saved_views


def delete_view(store: Store, view_id: str, note: Callable[[Tx], None] = lambda tx: None) -> None:
    """Forget this view; `note` is called in the same transaction. Raises ViewNotFound, and what the store raises when it can't
    be written."""

    def work(tx: Tx) -> None:
        _delete(tx, view_id)
        note(tx)

    store.write(work)


def _delete(tx: Tx, view_id: str) -> None:
    if not tx.sql.execute(saved_views.delete().where(saved_views.c.view_id == view_id)).rowcount:
        raise ViewNotFound(view_id=view_id)
