"""Searching for text: the same answers with an index, without, and with half of one; bounded, and never silent about it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flightlog.config import Settings
from flightlog.events.envelope import Event
from flightlog.filters.language import quote
from flightlog.journal import index
from flightlog.journal.append import Journal
from flightlog.journal.filter import EventFilter
from flightlog.journal.read import read_events
from flightlog.journal.tail import Tail
from flightlog.journal.words import Sought, text_of
from flightlog.store.contract import Store
from tests.contract.backends import BACKENDS
from tests.contract.making import event, numbers

WORDS = ["disk", "Disks", "full", "no", "space", "_x1", "ÉTÉ", "été2", "a" * 80, "a" * 70 + "b", "0x1f"]
texts = st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=5).map(" ".join)
payloads = st.recursive(
    texts | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
)


def noted(number: int, payload: Any, **fields: Any) -> Event:
    return event(number, payload={"value": payload}, **fields)


def searched(store: Store, text: str, **more: Any) -> list[int]:
    """All that a search finds, over all of its pages."""
    found: list[int] = []
    after, rounds = 0, 0
    while True:
        page = read_events(store, EventFilter(text=text, **more), after_id=after, limit=3)
        found += numbers(page.events)
        rounds += 1
        assert rounds < 1_000
        if not page.more:
            return found
        assert page.next_after_id is not None
        assert page.next_after_id > after
        after = page.next_after_id


WITH_INDEX = [name for name, backend in BACKENDS.items() if backend.has_text_index]


@pytest.fixture
def journal(store: Store) -> Journal:
    return Journal(store, [index.IndexProjector()])


@pytest.mark.parametrize(
    ("name", "indexed"),
    [
        (name, indexed)
        for name, backend in BACKENDS.items()
        for indexed in ("not at all", *(("from the middle", "wholly") if backend.has_text_index else ()))
    ],
)
@given(contents=st.lists(payloads, min_size=2, max_size=12), asked=texts)
@settings(max_examples=15)
@example(contents=["no space on disk", "space no", {"full": ["DISKS"]}], asked='"no space" dis')
def test_a_search_finds_exactly_the_events_that_hold_the_text(
    indexed: str, name: str, contents: list[Any], asked: str
) -> None:
    with TemporaryDirectory() as folder:
        backend = BACKENDS[name](Path(folder))
        try:
            store = backend.open()
            journal = Journal(store, [index.IndexProjector()])
            events = [noted(number, content, name="ls") for number, content in enumerate(contents, 1)]
            half = len(events) // 2
            journal.append(events[:half])
            if indexed == "from the middle":
                store.write(index._begin)
            journal.append(events[half:])
            if indexed == "wholly":
                index.build(store)
            sought = Sought(asked)
            wanted = [n for n, one in enumerate(events, 1) if sought.matches(text_of(bytes(one.payload), one.name))]
            assert searched(store, asked) == wanted
            backwards = read_events(store, EventFilter(text=asked), limit=500, backwards=True)
            assert numbers(backwards.events) == wanted
        finally:
            backend.close()


@pytest.mark.parametrize("backend", WITH_INDEX, indirect=True)
def test_a_search_combines_with_the_other_filters(store: Store, journal: Journal) -> None:
    journal.append([noted(n, "disk full", level="error" if n % 2 else "info") for n in range(1, 9)])
    for _ in range(2):
        assert searched(store, "disk", levels=("error",)) == [1, 3, 5, 7]
        assert searched(store, "disk", run_id="r2") == []
        index.build(store)


@pytest.mark.parametrize("backend", WITH_INDEX, indirect=True)
def test_without_an_index_a_page_says_how_far_it_looked_and_where_to_go_on(store: Store, journal: Journal) -> None:
    journal.append([noted(n, "needle" if n in (2, 90) else "hay") for n in range(1, 101)])
    few = Settings(search_events_max=30)
    page = read_events(store, EventFilter(text="needle"), backwards=True, settings=few)
    assert numbers(page.events) == [90]
    assert page.scanned is not None
    assert (page.scanned.count, page.scanned.from_id, page.scanned.to_id, page.scanned.complete) == (30, 71, 100, False)
    assert (page.more, page.next_before_id) == (True, 71)
    page = read_events(store, EventFilter(text="needle"), before_id=71, settings=few)
    assert (page.events, page.more, page.next_before_id) == ([], True, 41)
    page = read_events(store, EventFilter(text="needle"), before_id=11, settings=few)
    assert numbers(page.events) == [2]
    assert page.scanned is not None
    assert page.scanned.complete
    index.build(store)
    page = read_events(store, EventFilter(text="needle"), backwards=True, settings=few)
    assert numbers(page.events) == [2, 90]


@pytest.mark.parametrize("backend", WITH_INDEX, indirect=True)
def test_the_index_grows_with_every_append_and_is_built_backwards(store: Store, journal: Journal) -> None:
    journal.append([noted(n, "old") for n in range(1, 6)])
    told: list[index.Held] = []
    assert index.build(store, told.append) == index.Held(1, 5)
    journal.append([noted(n, "new") for n in range(6, 9)])
    with store.read() as connection:
        assert index.held(connection) == index.Held(1, 8)
    assert index.build(store) == index.Held(1, 8)
    assert index.drop(store)
    assert not index.drop(store)
    with store.read() as connection:
        assert index.held(connection) is None
    journal.append([noted(9, "newest")])
    assert searched(store, "new") == [6, 7, 8, 9]


@pytest.mark.parametrize("backend", WITH_INDEX, indirect=True)
def test_a_batch_that_is_refused_leaves_nothing_in_the_index(store: Store, journal: Journal) -> None:
    index.build(store)
    journal.append([noted(1, "kept")])
    with pytest.raises(Exception, match="already in the journal"):
        journal.append([noted(2, "lost"), noted(1, "other")])
    journal.append([noted(3, "after")])
    assert searched(store, "lost") == []
    assert searched(store, "after") == [3]


def test_a_tail_that_looks_for_text_gets_what_holds_it(store: Store, journal: Journal) -> None:
    tail = Tail(store, EventFilter(text="disk"), after_id=0)
    journal.append([noted(1, "hay"), noted(2, "disk full"), noted(3, "hay")])
    assert numbers(tail.next(1)) == [2]
    assert tail.position == 3
    assert tail.next(0) == []


@given(payloads, texts)
def test_an_event_holds_each_word_of_its_own(payload: Any, name: str) -> None:
    found = text_of(msgspec.json.encode({"value": payload}), name)
    for word in found.split():
        sought = Sought(quote(word))
        assert not sought.phrases or sought.matches(found)


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff\xfe", b"[" * 5_000, b'{"a":1e999}', b"null"])
def test_no_payload_breaks_a_search(payload: bytes) -> None:
    assert isinstance(text_of(payload, None), str)


def test_looking_for_nothing_finds_nothing(store: Store, journal: Journal) -> None:
    journal.append([noted(1, "x")])
    assert searched(store, "!?") == []
    assert searched(store, '"') == []
