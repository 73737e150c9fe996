"""Appending: exactly once, ids in commit order, all of a batch or none, projections in step."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from flightlog.clock import FakeClock
from flightlog.errors import EventIdConflict, EventInvalid, FlightlogError, RunNotFound
from flightlog.events.envelope import FLAG_IMPORTED, FLAG_REDACTED, Event, StoredEvent
from flightlog.journal.append import Journal, SpoolPosition
from flightlog.journal.read import EventFilter, get_event, read_events
from flightlog.journal.sink import JournalSink
from flightlog.journal.table import event_payloads, run_events
from flightlog.runs.project import RunProjector
from flightlog.runs.summary import get_run
from flightlog.store.contract import Store, Tx
from tests.contract.backends import Backend
from tests.contract.making import START, event, numbers


def stored(store: Store) -> list[StoredEvent]:
    return read_events(store, limit=1_000).events


def test_an_event_comes_back_as_it_went_in(store: Store) -> None:
    full = Event(
        event_id="e1",
        type="tool_result",
        created_at=START,
        run_id="r1",
        project="p",
        name="search ✈",
        level="warn",
        source="agent",
        actor="agent-7",
        trace_id="t" * 32,
        span_id="s" * 16,
        parent_span_id="q" * 16,
        task_id="T-1",
        correlation_id="c1",
        status="error",
        duration_ns=2**62,
        producer_id="p1",
        seq=7,
        flags=FLAG_REDACTED | FLAG_IMPORTED,
        payload=msgspec.Raw('{"text":"ünï\\u0000"}'.encode()),
    )
    Journal(store, clock=FakeClock(START + 5)).append([full])
    [found] = stored(store)
    for name in Event.__struct_fields__[:-1]:
        assert getattr(found, name) == getattr(full, name), name
    assert bytes(found.payload) == bytes(full.payload)
    assert (found.id, found.received_at, found.payload_bytes) == (1, START + 5, len(full.payload))
    assert found.payload_digest == "sha256:" + hashlib.sha256(bytes(full.payload)).hexdigest()
    assert msgspec.structs.asdict(get_event(store, "e1")).keys() == msgspec.structs.asdict(found).keys()
    assert bytes(get_event(store, "e1").payload) == bytes(full.payload)


def test_an_event_of_the_fewest_fields_comes_back_too(store: Store) -> None:
    Journal(store).append([Event(event_id="e1", type="note", created_at=0)])
    [found] = stored(store)
    assert (found.run_id, found.level, found.project, bytes(found.payload)) == (None, "info", "default", b"{}")


def test_a_stored_event_can_be_appended_to_another_journal(store: Store) -> None:
    again = StoredEvent(event_id="e1", type="note", created_at=1, id=77, received_at=5, payload_digest="sha256:no")
    appended = Journal(store).append([again])
    assert appended.ids == [1]


def test_ids_are_dense_and_rise_in_commit_order(store: Store, journal: Journal) -> None:
    first = journal.append([event(number) for number in range(3)])
    second = journal.append([event(number) for number in range(3, 5)])
    assert (first.ids, first.first_id, first.last_id) == ([1, 2, 3], 1, 3)
    assert (second.ids, second.first_id, second.last_id) == ([4, 5], 4, 5)
    assert [found.id for found in stored(store)] == [1, 2, 3, 4, 5]


def test_ids_stay_dense_when_many_threads_append(store: Store, journal: Journal) -> None:
    def work(thread: int) -> list[int]:
        return [
            found
            for batch in range(10)
            for found in journal.append([event(thread * 1_000 + batch * 10 + n) for n in range(3)], timeout=30).ids
        ]

    with ThreadPoolExecutor(8) as pool:
        ids = [found for result in pool.map(work, range(8)) for found in result]
    assert sorted(ids) == list(range(1, 241))
    assert [found.id for found in stored(store)] == list(range(1, 241))


def test_ids_are_never_used_again_even_when_the_newest_events_are_removed(store: Store, journal: Journal) -> None:
    journal.append([event(1), event(2)])
    store.write(lambda tx: tx.sql.execute(delete(run_events)).rowcount)
    store.write(lambda tx: tx.sql.execute(delete(event_payloads)).rowcount)
    assert journal.append([event(3)]).ids == [3]


def test_an_empty_batch_is_fine(journal: Journal) -> None:
    appended = journal.append([])
    assert (appended.ids, appended.stored, appended.first_id, appended.last_id) == ([], 0, 0, 0)


def test_a_batch_that_comes_again_is_counted_and_keeps_its_ids(store: Store, journal: Journal) -> None:
    batch = [event(number) for number in range(5)]
    first = journal.append(batch)
    again = journal.append(batch)
    assert (again.stored, again.duplicates, again.ids) == (0, 5, first.ids)
    assert (again.first_id, again.last_id) == (0, 0)
    assert get_run(store, "r1").event_count == 5


def test_new_events_among_duplicates_are_stored_in_their_order(store: Store, journal: Journal) -> None:
    journal.append([event(1), event(3)])
    appended = journal.append([event(number) for number in range(5)])
    assert (appended.stored, appended.duplicates) == (3, 2)
    assert appended.ids == [3, 1, 4, 2, 5]
    assert numbers(stored(store)) == [1, 3, 0, 2, 4]
    assert get_run(store, "r1").event_count == 5


def test_the_same_event_twice_in_one_batch_is_stored_once(store: Store, journal: Journal) -> None:
    appended = journal.append([event(1), event(2), event(1)])
    assert (appended.stored, appended.duplicates, appended.ids) == (2, 1, [1, 2, 1])
    assert numbers(stored(store)) == [1, 2]


def test_a_large_batch_of_duplicates_is_recognised(journal: Journal) -> None:
    batch = [event(number) for number in range(1_500)]
    journal.append(batch[:1_400])
    appended = journal.append(batch)
    assert (appended.stored, appended.duplicates) == (100, 1_400)
    assert appended.ids == list(range(1, 1_501))


def test_flags_do_not_make_another_event(journal: Journal) -> None:
    journal.append([event(1)])
    assert journal.append([event(1, flags=FLAG_REDACTED)]).duplicates == 1


def test_one_event_by_two_ways_is_one(store: Store, journal: Journal) -> None:
    by_recorder = event(1, producer_id="p1", seq=4)
    assert journal.append([by_recorder, event(1), event(1, producer_id="p2", seq=1)]).duplicates == 2
    assert journal.append([event(1)]).duplicates == 1
    assert [(one.producer_id, one.seq) for one in stored(store)] == [("p1", 4)]


def test_the_first_description_of_a_resource_stays_and_another_one_is_a_conflict(
    store: Store, journal: Journal
) -> None:
    journal.append([event(1, "resource", payload={"digest": "d", "attributes": {"a": 1}})])
    again = event(1, "resource", payload={"digest": "d", "attributes": {"a": 1}}, created_at=START)
    assert journal.append([again]).duplicates == 1
    with pytest.raises(EventIdConflict):
        journal.append([event(1, "resource", payload={"digest": "d", "attributes": {"a": 2}})])


CHANGES: list[dict[str, Any]] = [
    {"payload": {"text": "other"}},
    {"name": "other"},
    {"created_at": START},
    {"run_id": "r2"},
    {"status": "error"},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_an_id_with_other_content_is_a_conflict_and_refuses_the_batch(
    store: Store, journal: Journal, change: dict[str, Any]
) -> None:
    journal.append([event(1)])
    with pytest.raises(EventIdConflict, match="e000001"):
        journal.append([event(2), event(1, **change), event(3)], position=SpoolPosition("s", 9))
    assert numbers(stored(store)) == [1]
    assert journal.position("s") == 0
    assert get_run(store, "r1").event_count == 1
    assert journal.append([event(2)]).ids == [2]


def test_with_rejects_returned_only_the_conflict_is_left_out(store: Store, journal: Journal) -> None:
    journal.append([event(1)])
    appended = journal.append([event(2), event(1, name="x"), event(3), event(1)], rejects="return")
    [(place, error)] = appended.rejected
    assert (place, type(error)) == (1, EventIdConflict)
    assert (appended.ids, appended.stored, appended.duplicates) == ([2, 0, 3, 1], 2, 1)
    assert numbers(stored(store)) == [1, 2, 3]


def test_two_contents_under_one_id_in_one_batch_conflict(store: Store, journal: Journal) -> None:
    appended = journal.append([event(1), event(1, name="x")], rejects="return")
    assert [(place, type(error)) for place, error in appended.rejected] == [(1, EventIdConflict)]
    assert numbers(stored(store)) == [1]


POISON: list[dict[str, Any]] = [
    {"created_at": 2**63},
    {"seq": -(2**64)},
    {"name": "\ud800"},
    {"event_id": "\udfff"},
    {"run_id": b"\xff"},
    {"level": None},
    {"event_id": None},
    {"type": None},
    {"actor": object()},
    {"payload": "not bytes"},
]


@pytest.mark.parametrize("poison", POISON, ids=lambda poison: next(iter(poison)))
def test_an_event_that_no_database_takes_is_rejected_alone(
    store: Store, journal: Journal, poison: dict[str, Any]
) -> None:
    bad = event(2)
    for field, value in poison.items():
        setattr(bad, field, value)
    with pytest.raises(EventInvalid):
        journal.append([event(1), bad, event(3)])
    assert stored(store) == []
    appended = journal.append([event(1), bad, event(3)], position=SpoolPosition("s", 9), rejects="return")
    [(place, error)] = appended.rejected
    assert place == 1
    assert isinstance(error, EventInvalid)
    assert appended.ids == [1, 0, 2]
    assert numbers(stored(store)) == [1, 3]
    assert get_run(store, "r1").event_count == 2
    assert journal.position("s") == 9


def test_a_payload_that_is_not_utf8_is_rejected(store: Store, journal: Journal) -> None:
    bad = event(1)
    bad.payload = msgspec.Raw(b'{"text":"\xff"}')
    appended = journal.append([bad, event(2)], rejects="return")
    assert [(place, type(error)) for place, error in appended.rejected] == [(0, EventInvalid)]
    assert numbers(stored(store)) == [2]


def test_the_copy_of_a_rejected_event_is_rejected_too(journal: Journal) -> None:
    bad = event(1, seq=2**64)
    appended = journal.append([bad, bad, event(2)], rejects="return")
    assert [place for place, _ in appended.rejected] == [0, 1]
    assert (appended.stored, appended.duplicates) == (1, 0)


def test_a_position_commits_with_its_events(store: Store, journal: Journal, backend: Backend) -> None:
    assert journal.position("p1-1") == 0
    journal.append([event(1)], position=SpoolPosition("p1-1", 100))
    journal.append([event(2)], position=SpoolPosition("p1-1", 200))
    journal.append([event(3)], position=SpoolPosition("p2-1", 50))
    store.close()
    journal = Journal(backend.open())
    assert (journal.position("p1-1"), journal.position("p2-1")) == (200, 50)
    journal.forget("p1-1")
    assert (journal.position("p1-1"), journal.position("p2-1")) == (0, 50)


def test_a_position_moves_on_over_duplicates_and_without_events(journal: Journal) -> None:
    journal.append([event(1)], position=SpoolPosition("s", 10))
    journal.append([event(1)], position=SpoolPosition("s", 20))
    journal.append([], position=SpoolPosition("s", 30))
    assert journal.position("s") == 30


class Watching:
    """A projector that remembers what it was handed, and fails on demand."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, str, str, int]] = []
        self.fail = False

    def apply(self, tx: Tx, events: Sequence[StoredEvent]) -> None:
        self.seen += [(found.id, found.event_id, found.payload_digest, found.received_at) for found in events]
        if self.fail:
            raise ValueError("projector")


def test_a_projector_gets_each_stored_event_once_with_its_id(store: Store) -> None:
    watching = Watching()
    journal = Journal(store, [watching], clock=FakeClock(START))
    journal.append([event(1), event(2)])
    journal.append([event(2), event(3)])
    assert watching.seen == [(f.id, f.event_id, f.payload_digest, f.received_at) for f in stored(store)]


def test_a_failing_projector_undoes_the_append(store: Store) -> None:
    watching = Watching()
    watching.fail = True
    with pytest.raises(ValueError, match="projector"):
        Journal(store, [RunProjector(), watching]).append([event(1)], position=SpoolPosition("s", 1))
    assert stored(store) == []
    assert Journal(store).position("s") == 0
    with pytest.raises(RunNotFound):
        get_run(store, "r1")
    assert Journal(store).append([event(2)]).ids == [1]


def test_append_in_commits_with_the_callers_transaction_or_not_at_all(store: Store, journal: Journal) -> None:
    def command(fail: bool, number: int) -> Any:
        def fn(tx: Tx) -> list[int]:
            ids = journal.append_in(tx, [event(number)]).ids
            if fail:
                raise ValueError("no")
            return ids

        return fn

    with pytest.raises(ValueError, match="no"):
        store.write(command(True, 1))
    assert store.write(command(False, 2)) == [1]
    assert numbers(stored(store)) == [2]


def test_a_refused_append_in_leaves_nothing_for_a_caller_that_goes_on(store: Store, journal: Journal) -> None:
    journal.append([event(1)])

    def fn(tx: Tx) -> list[int]:
        for bad in (event(1, name="x"), event(4, seq=2**64)):
            with pytest.raises(EventInvalid):
                journal.append_in(tx, [event(2), bad, event(3)])
        return journal.append_in(tx, [event(5)]).ids

    assert store.write(fn) == [2]
    assert numbers(stored(store)) == [1, 5]


def test_the_sink_stores_reports_and_remembers(store: Store, journal: Journal) -> None:
    sink = JournalSink(journal)
    assert sink.position("s") == 0
    assert sink.write([event(1), event(2)], "s", 100) == []
    rejected: list[tuple[int, FlightlogError]] = sink.write([event(2, name="x"), event(3)], "s", 200)
    assert [(place, type(error)) for place, error in rejected] == [(0, EventIdConflict)]
    assert sink.position("s") == 200
    assert numbers(stored(store)) == [1, 2, 3]
    sink.forget("s")
    assert sink.position("s") == 0
    sink.close()
    sink.close()


@settings(max_examples=30)
@given(st.lists(st.lists(st.integers(0, 30), max_size=12), max_size=8))
def test_however_batches_overlap_each_event_is_stored_once(backend: Backend, batches: list[list[int]]) -> None:
    store = backend.open()
    try:
        journal = Journal(store, [RunProjector()])
        known = set(numbers(stored(store)))
        before = len(known)
        total = 0
        for batch in batches:
            appended = journal.append([event(number) for number in batch])
            assert appended.stored + appended.duplicates == len(batch)
            total += appended.stored
            for number, row_id in zip(batch, appended.ids, strict=True):
                assert get_event(store, f"e{number:06d}").id == row_id
        found = stored(store)
        assert sorted(numbers(found)) == sorted(known | {number for batch in batches for number in batch})
        assert [row.id for row in found] == list(range(1, before + total + 1))
        with store.read() as connection:
            assert connection.execute(select(func.count()).select_from(event_payloads)).scalar() == len(found)
        if found:
            assert get_run(store, "r1").event_count == len(found)
    finally:
        store.close()


def test_filtering_by_an_id_that_was_rejected_finds_nothing(store: Store, journal: Journal) -> None:
    journal.append([event(1, seq=2**64)], rejects="return")
    assert read_events(store, EventFilter(run_id="r1")).events == []
