"""Reading the saved views."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, select

from flightlog.store.contract import Store
from flightlog.views.table import saved_views
from flightlog.views.view import VIEWS_MAX, SavedView


def list_views(store: Store) -> list[SavedView]:
    """All of them, by page and name."""
    wanted = select(saved_views).order_by(saved_views.c.page, saved_views.c.name).limit(VIEWS_MAX)
    with store.read() as connection:
        return [view_of(row) for row in connection.execute(wanted)]


def view_of(row: Row[Any]) -> SavedView:
    """The view in a row."""
    return SavedView(view_id=row.view_id, name=row.name, page=row.page, query=row.query, created_at=row.created_at)
