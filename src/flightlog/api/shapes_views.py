"""Saved views as JSON."""

from __future__ import annotations

import msgspec

from flightlog.clock import format_ns
from flightlog.views.view import SavedView


class ViewGiven(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A view to save. `query` is what stands behind the question mark of the page's URL."""

    name: str
    page: str
    query: str


class ViewShape(msgspec.Struct, kw_only=True):
    """One saved view."""

    view_id: str
    name: str
    page: str
    query: str
    created_at: str


class ViewsShape(msgspec.Struct):
    """All saved views, by page and name."""

    views: list[ViewShape]


def view_shape(view: SavedView) -> ViewShape:
    """The view as JSON shows it."""
    return ViewShape(**{**msgspec.structs.asdict(view), "created_at": format_ns(view.created_at)})
