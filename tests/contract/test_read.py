"""Reading pages: filters combine, cursors miss nothing, and a page is read by an index."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete
from sqlalchemy import event as sa_event

from flightlog.config import Settings
from flightlog.errors import CursorInvalid, EventNotFound, FilterInvalid, LimitInvalid
from flightlog.events.envelope import Event, StoredEvent
from flightlog.journal import plan
from flightlog.journal.append import Journal
from flightlog.journal.read import EventFilter, get_event, get_event_at, get_events_at, read_events
from flightlog.journal.table import event_payloads
from flightlog.store.contract import Store
from tests.contract.backends import Backend
from tests.contract.making import START, event, numbers

COUNT = 240


def various(number: int) -> Event:
    """Events in which every filter finds some and misses some."""
    return event(
        number,
        ("note", "llm_request", "llm_response", "acme.thing")[number % 4],
        run_id=(None, "r1", "r2")[number % 3],
        project=("default", "p2")[number % 5 == 0],
        level=("debug", "info", "warn", "error", "info", "info")[number % 6],
        source=("agent", "server", None)[number % 3],
        actor=(None, "a1", "a2", "a3")[number % 4],
        status=("ok", "error", None)[number % 3],
        # A trace may be a run of the same id, in that run and elsewhere.
        trace_id=(None, "r1", "t2", "r1", "t1", "r1")[number % 6],
        span_id=f"s{number % 7}",
        task_id=("T1", None)[number % 2],
        correlation_id=f"c{number // 2}" if number % 4 in (1, 2) else None,
        name=("gpt", "search", None)[number % 3],
        # Not in the order of arrival, as imports are.
        created_at=START + (number * 37) % COUNT,
    )


ALL = [various(number) for number in range(COUNT)]


@pytest.fixture
def filled(store: Store) -> Store:
    journal = Journal(store)
    for start in range(0, COUNT, 50):
        journal.append(ALL[start : start + 50])
    return store


def passes(wanted: EventFilter, found: Event) -> bool:
    """The filter as the docs say it, in plain Python."""
    one = ("project", "run_id", "trace_id", "span_id", "task_id", "correlation_id", "name")
    many = {"types": "type", "levels": "level", "sources": "source", "actors": "actor", "statuses": "status"}
    return (
        all(getattr(wanted, name) in (None, getattr(found, name)) for name in one)
        and all(
            not getattr(wanted, field) or getattr(found, name) in getattr(wanted, field) for field, name in many.items()
        )
        and (wanted.since is None or found.created_at >= wanted.since)
        and (wanted.until is None or found.created_at < wanted.until)
    )


def some(*values: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), max_size=3).map(tuple)


def maybe(*values: str) -> st.SearchStrategy[str | None]:
    return st.none() | st.none() | st.sampled_from(values)


FILTERS = st.builds(
    EventFilter,
    project=maybe("default", "p2", "nobody"),
    run_id=maybe("r1", "r2", "nobody"),
    types=some("note", "llm_request", "llm_response", "acme.thing", "nothing"),
    levels=some("debug", "info", "warn", "error"),
    sources=some("agent", "server"),
    actors=some("a1", "a2", "nobody"),
    statuses=some("ok", "error"),
    trace_id=maybe("t1", "t2", "r1"),
    span_id=maybe("s1", "s2"),
    task_id=maybe("T1"),
    correlation_id=maybe("c5", "c6"),
    name=maybe("gpt", "search"),
    since=st.none() | st.integers(START, START + COUNT // 2),
    until=st.none() | st.integers(START + COUNT // 2, START + COUNT),
)


def forwards(store: Store, wanted: EventFilter, limit: int) -> list[StoredEvent]:
    found: list[StoredEvent] = []
    after: int | None = None
    while True:
        page = read_events(store, wanted, after_id=after, limit=limit)
        assert len(page.events) <= limit
        found += page.events
        after = page.next_after_id
        if not page.more:
            return found


def backwards(store: Store, wanted: EventFilter, limit: int) -> list[StoredEvent]:
    found: list[StoredEvent] = []
    before: int | None = None
    while True:
        page = read_events(store, wanted, before_id=before, limit=limit, backwards=True)
        found = page.events + found
        before = page.next_before_id
        if not page.more:
            return found


@pytest.mark.parametrize("narrow_events_max", [0, 20_000], ids=["wide times", "narrow times"])
def test_every_combination_of_filters_gives_what_plain_python_gives(
    filled: Store, monkeypatch: pytest.MonkeyPatch, narrow_events_max: int
) -> None:
    monkeypatch.setattr(plan, "NARROW_EVENTS_MAX", narrow_events_max)

    @given(FILTERS, st.integers(1, 40))
    def check(wanted: EventFilter, limit: int) -> None:
        expected = [found.event_id for found in ALL if passes(wanted, found)]
        assert [found.event_id for found in forwards(filled, wanted, limit)] == expected
        assert [found.event_id for found in backwards(filled, wanted, limit)] == expected

    check()


def test_more_values_than_branches_is_only_slower(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "BRANCHES_MAX", 1)
    for wanted in (EventFilter(run_id="r1", types=("note", "llm_request")), EventFilter(actors=("a1", "a2"))):
        assert numbers(forwards(filled, wanted, 7)) == numbers([found for found in ALL if passes(wanted, found)])


def test_both_cursors_bound_a_page(filled: Store) -> None:
    assert [f.id for f in read_events(filled, after_id=10, before_id=15).events] == [11, 12, 13, 14]
    assert [f.id for f in read_events(filled, after_id=10, before_id=100, limit=2).events] == [11, 12]
    assert [f.id for f in read_events(filled, after_id=10, before_id=100, limit=2, backwards=True).events] == [98, 99]


def test_a_before_id_alone_reads_backwards(filled: Store) -> None:
    page = read_events(filled, before_id=10, limit=3)
    assert ([f.id for f in page.events], page.next_before_id, page.more) == ([7, 8, 9], 7, True)
    assert [f.id for f in read_events(filled, limit=2, backwards=True).events] == [COUNT - 1, COUNT]


def test_a_poller_can_hand_back_the_cursor_of_an_empty_page(filled: Store) -> None:
    page = read_events(filled, after_id=COUNT)
    assert (page.events, page.next_after_id, page.more) == ([], COUNT, False)
    Journal(filled).append([various(COUNT)])
    assert [f.id for f in read_events(filled, after_id=page.next_after_id).events] == [COUNT + 1]


def test_the_page_after_the_last_full_one_says_that_there_is_no_more(filled: Store) -> None:
    assert read_events(filled, limit=COUNT).more is False
    assert read_events(filled, limit=COUNT - 1).more is True


def test_a_page_of_envelopes_leaves_the_payload_out_and_says_its_size(filled: Store) -> None:
    with_payload = read_events(filled, limit=1).events[0]
    without = read_events(filled, limit=1, payloads=False).events[0]
    assert bytes(without.payload) == b"{}"
    assert without.payload_bytes == with_payload.payload_bytes == len(with_payload.payload)
    assert without.payload_digest == with_payload.payload_digest


def test_an_erased_payload_leaves_its_envelope_and_digest(filled: Store) -> None:
    digest = get_event(filled, "e000000").payload_digest
    filled.write(lambda tx: tx.sql.execute(delete(event_payloads).where(event_payloads.c.id == 1)).rowcount)
    found = read_events(filled, limit=1).events[0]
    assert (bytes(found.payload), found.payload_digest) == (b"{}", digest)
    assert bytes(get_event(filled, "e000000").payload) == b"{}"


@pytest.mark.parametrize("event_id", ["nobody", "", "\ud800"])
def test_an_unknown_event_is_an_error(filled: Store, event_id: str) -> None:
    with pytest.raises(EventNotFound):
        get_event(filled, event_id)


def test_events_are_found_by_their_places_in_commit_order(filled: Store) -> None:
    found = get_events_at(filled, [3, 1, COUNT + 1])
    assert [event.id for event in found] == [1, 3]
    assert found == [get_event_at(filled, 1), get_event_at(filled, 3)]
    with pytest.raises(EventNotFound):
        get_event_at(filled, COUNT + 1)


@pytest.mark.parametrize("limit", [0, -1, 1_001, 2**70])
def test_a_limit_outside_its_bounds_is_refused(filled: Store, limit: int) -> None:
    with pytest.raises(LimitInvalid, match="1 to 1000"):
        read_events(filled, limit=limit)


def test_page_events_max_and_default_are_settings(filled: Store) -> None:
    settings = Settings(page_events_default=3, page_events_max=5)
    assert len(read_events(filled, settings=settings).events) == 3
    assert len(read_events(filled, settings=settings, limit=5).events) == 5
    with pytest.raises(LimitInvalid):
        read_events(filled, settings=settings, limit=6)


@pytest.mark.parametrize("cursor", [-1, 2**63])
def test_a_cursor_that_was_never_given_out_is_refused(filled: Store, cursor: int) -> None:
    with pytest.raises(CursorInvalid):
        read_events(filled, after_id=cursor)
    with pytest.raises(CursorInvalid):
        read_events(filled, before_id=cursor)


@pytest.mark.parametrize(
    "wanted",
    [
        EventFilter(run_id="\ud800"),
        EventFilter(types=("note", "\ud800")),
        EventFilter(since=2**63),
        EventFilter(since=2, until=1),
        EventFilter(levels=("loud",)),
    ],
    ids=["run_id", "types", "since", "order", "level"],
)
def test_a_filter_that_can_not_be_asked_is_refused(filled: Store, wanted: EventFilter) -> None:
    with pytest.raises(FilterInvalid):
        read_events(filled, wanted)


def test_an_empty_store_has_an_empty_page(store: Store) -> None:
    page = read_events(store)
    assert (page.events, page.next_after_id, page.next_before_id, page.more) == ([], None, None, False)


PLANNED: dict[str, EventFilter] = {
    "run": EventFilter(run_id="r1"),
    "run and type": EventFilter(run_id="r1", types=("note",)),
    "run and types": EventFilter(run_id="r1", types=("note", "error")),
    "trace": EventFilter(trace_id="t1"),
    "trace that is a run too": EventFilter(trace_id="r1"),
    "trace and types": EventFilter(trace_id="r1", types=("note", "error")),
    "trace of its own run": EventFilter(trace_id="r1", run_id="r1"),
    "trace in another run": EventFilter(trace_id="r1", run_id="r2"),
    "task": EventFilter(task_id="T1"),
    "correlation": EventFilter(correlation_id="c5"),
    "time": EventFilter(since=START, until=START + 10),
    "since": EventFilter(since=START + 200),
    "type": EventFilter(types=("note",)),
    "actor": EventFilter(actors=("a1",)),
    "errors": EventFilter(levels=("error",)),
    "errors and warnings": EventFilter(levels=("error", "warn")),
    "run and level": EventFilter(run_id="r1", levels=("info",)),
    "everything at once": EventFilter(
        project="default", run_id="r1", types=("note",), levels=("info",), sources=("agent",), actors=("a1",), since=START
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANNED)
def test_whatever_it_is_read_by_nothing_is_left_out(filled: Store, name: str) -> None:
    expected = numbers([found for found in ALL if passes(PLANNED[name], found)])
    assert numbers(forwards(filled, PLANNED[name], 7)) == expected
    assert numbers(backwards(filled, PLANNED[name], 7)) == expected


@pytest.mark.parametrize("name", PLANNED)
@pytest.mark.parametrize("back", [False, True], ids=["forwards", "backwards"])
def test_a_page_is_read_by_an_index(backend: Backend, filled: Store, name: str, back: bool) -> None:
    # Without a cursor: with one, a scan of the whole table would look like a search by id.
    asked = statements(filled, lambda: read_events(filled, PLANNED[name], limit=10, backwards=back))
    for statement, values in asked:
        if "run_events" in statement and not statement.startswith(("BEGIN", "SAVEPOINT")):
            steps = backend.plan(filled, statement, values)
            assert steps
            assert not [step for step in steps if backend.is_full_scan(step)], steps


def test_the_whole_journal_is_walked_by_id(backend: Backend, filled: Store) -> None:
    asked = statements(filled, lambda: read_events(filled, after_id=5, limit=10))
    steps = list(itertools.chain(*(backend.plan(filled, s, v) for s, v in asked if "run_events" in s)))
    assert not [step for step in steps if backend.is_full_scan(step)], steps


def statements(store: Store, ask: Callable[[], object]) -> list[tuple[str, Any]]:
    """The statements that this call runs, with their values."""
    caught: list[tuple[str, Any]] = []
    with store.read() as connection:
        engine = connection.engine

    def listen(_conn: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        caught.append((statement, values))

    sa_event.listen(engine, "before_cursor_execute", listen)
    try:
        ask()
    finally:
        sa_event.remove(engine, "before_cursor_execute", listen)
    assert caught
    return caught
