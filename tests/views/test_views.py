"""Saved views: kept under a name, changed by saving again, gone when deleted, and refused when they make no sense."""

from __future__ import annotations

import pytest

from flightlog.clock import FakeClock
from flightlog.errors import StoreUnavailable, ViewInvalid, ViewNotFound
from flightlog.ids import SequentialIds
from flightlog.store.contract import Store
from flightlog.views.delete import delete_view
from flightlog.views.listing import list_views
from flightlog.views.save import save_view
from flightlog.views.view import NAME_CHARS_MAX, QUERY_CHARS_MAX, VIEWS_MAX, SavedView
from tests.contract.backends import Backend


def save(store: Store, name: str = "Failed today", page: str = "runs", query: str = "q=status%3Afailed") -> SavedView:
    return save_view(store, name=name, page=page, query=query)


def test_a_view_is_kept_as_it_was_saved(store: Store) -> None:
    clock, ids = FakeClock(), SequentialIds()
    made = save_view(store, name="Failed today", page="runs", query="q=status%3Afailed&since=24h", clock=clock, ids=ids)
    assert made.created_at == clock.now_ns()
    assert (made.name, made.page, made.query) == ("Failed today", "runs", "q=status%3Afailed&since=24h")
    assert list_views(store) == [made]


def test_it_is_there_after_the_store_was_closed_and_opened(store: Store, backend: Backend) -> None:
    made = save(store)
    store.close()
    assert list_views(backend.open()) == [made]


def test_views_come_by_page_and_name_whenever_they_were_saved(store: Store) -> None:
    for page, name in (("runs", "b"), ("events", "z"), ("runs", "a")):
        save(store, name, page)
    assert [(view.page, view.name) for view in list_views(store)] == [("events", "z"), ("runs", "a"), ("runs", "b")]


def test_saving_under_a_name_again_changes_what_it_shows_and_nothing_else(store: Store) -> None:
    first = save(store, query="q=one")
    second = save(store, query="q=two")
    assert (second.view_id, second.created_at, second.query) == (first.view_id, first.created_at, "q=two")
    assert list_views(store) == [second]


def test_the_same_name_on_another_page_is_another_view(store: Store) -> None:
    runs, events = save(store, page="runs"), save(store, page="events")
    assert runs.view_id != events.view_id
    assert len(list_views(store)) == 2


def test_a_place_in_the_list_and_empty_parameters_are_not_part_of_a_view(store: Store) -> None:
    view = save(store, query="?q=login+bug&project=&sort=-cost&cursor=abc&afterId=5&since=7d")
    assert view.query == "q=login+bug&sort=-cost&since=7d"


@pytest.mark.parametrize("name", ["", "   ", "x" * (NAME_CHARS_MAX + 1), "a\nb", "a\x00b", "a\ud800b"], ids=repr)
def test_a_name_is_one_short_line(store: Store, name: str) -> None:
    with pytest.raises(ViewInvalid, match="a name has 1 to"):
        save(store, name)
    assert list_views(store) == []


def test_the_name_keeps_no_white_space_around_it(store: Store) -> None:
    save(store, "Failed")
    save(store, "  Failed ")
    assert [view.name for view in list_views(store)] == ["Failed"]


@pytest.mark.parametrize("page", ["", "run", "Runs", "/events"])
def test_there_are_views_of_lists_only(store: Store, page: str) -> None:
    with pytest.raises(ViewInvalid, match="page is one of runs, traces, events"):
        save(store, page=page)


@pytest.mark.parametrize("query", ["q=" + "x" * QUERY_CHARS_MAX, "q=%ff", "q=\ud800", "&".join(["a=b"] * 60)])
def test_a_query_that_is_none_is_refused(store: Store, query: str) -> None:
    with pytest.raises(ViewInvalid):
        save(store, query=query)
    assert list_views(store) == []


def test_there_is_an_end_to_how_many_but_known_ones_can_still_change(store: Store) -> None:
    for number in range(VIEWS_MAX):
        save(store, f"view {number}")
    with pytest.raises(ViewInvalid, match="delete one"):
        save(store, "one too many")
    assert save(store, "view 0", query="q=new").query == "q=new"
    assert len(list_views(store)) == VIEWS_MAX


def test_a_deleted_view_is_gone_and_only_that_one(store: Store) -> None:
    gone, left = save(store, "gone"), save(store, "left")
    delete_view(store, gone.view_id)
    assert list_views(store) == [left]
    with pytest.raises(ViewNotFound, match=gone.view_id):
        delete_view(store, gone.view_id)


def test_a_store_that_is_only_read_says_that_it_can_not_be_written(store: Store, backend: Backend) -> None:
    made = save(store)
    reader = backend.open(writable=False)
    assert list_views(reader) == [made]
    with pytest.raises(StoreUnavailable, match="for reading only"):
        save(reader, "another")
    with pytest.raises(StoreUnavailable, match="for reading only"):
        delete_view(reader, made.view_id)
