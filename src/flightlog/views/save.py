"""Saving a view."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import func, select

from flightlog.clock import Clock, SystemClock
from flightlog.errors import ViewInvalid
from flightlog.ids import Ids, SystemIds
from flightlog.store.contract import Store, Tx
from flightlog.views.listing import view_of
from flightlog.views.table import saved_views
from flightlog.views.view import VIEWS_MAX, SavedView, checked_name, checked_page, checked_query


def save_view(
    store: Store,
    *,
    name: str,
    page: str,
    query: str,
    clock: Clock | None = None,
    ids: Ids | None = None,
    note: Callable[[Tx, SavedView], None] = lambda tx, view: None,
) -> SavedView:
    """Keep this query of a page under this name. A name is there once a page: saving again changes what it shows. `note` is
    called in the same transaction.

    Raises ViewInvalid, and what the store raises when it can't be written.
    """
    now = (clock or SystemClock()).now_ns()
    wanted = SavedView(
        view_id=(ids or SystemIds()).event_id(now),
        name=checked_name(name),
        page=checked_page(page),
        query=checked_query(query),
        created_at=now,
    )

    def work(tx: Tx) -> SavedView:
        made = _put(tx, wanted)
        note(tx, made)
        return made

    return store.write(work)


def _put(tx: Tx, wanted: SavedView) -> SavedView:
    known = saved_views.c.page == wanted.page, saved_views.c.name == wanted.name
    if tx.sql.execute(saved_views.update().where(*known).values(query=wanted.query)).rowcount:
        return view_of(tx.sql.execute(select(saved_views).where(*known)).one())
    if tx.sql.execute(select(func.count()).select_from(saved_views)).scalar_one() >= VIEWS_MAX:
        raise ViewInvalid(reason=f"there are {VIEWS_MAX} already; delete one that nobody needs")
    tx.insert_many(
        (saved_views, [(wanted.view_id, wanted.name, wanted.page, wanted.query, wanted.created_at)]),
    )
    return wanted
