"""A span is found by its id alone, whether its events are entered yet or not."""

from __future__ import annotations

import pytest

from flightlog.journal import spans
from flightlog.journal.append import Journal
from flightlog.journal.spans import events_of_spans
from flightlog.journal.table import span_places
from flightlog.store.contract import Store
from tests.contract.backends import Backend
from tests.contract.making import event
from tests.contract.test_read import statements

TYPES = ("span_started", "llm_response", "note", "tool_result", "llm_request", "span_finished")
ALL = [event(n, TYPES[n % 6], run_id=f"r{n % 4}", span_id=None if n % 5 == 4 else f"s{n % 7}") for n in range(60)]


def found(store: Store, *wanted: str) -> list[tuple[int, str, str]]:
    with store.read() as connection:
        return sorted((row.id, row.span_id, row.run_id) for row in events_of_spans(connection, wanted))


def expected(*wanted: str, until: int = len(ALL)) -> list[tuple[int, str, str]]:
    told = ("span_started", "span_finished", "llm_response", "tool_result")
    return [
        (number, str(each.span_id), str(each.run_id))
        for number, each in enumerate(ALL[:until], 1)
        if each.type in told and each.span_id in wanted
    ]


@pytest.mark.parametrize("behind", [1, 7, 25, 1_000])
@pytest.mark.parametrize("batch", [1, 6, 20])
def test_spans_are_found_at_any_time_each_event_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, behind: int, batch: int
) -> None:
    monkeypatch.setattr(spans, "BEHIND_EVENTS_MAX", behind)
    journal = Journal(store)
    for start in range(0, len(ALL), batch):
        journal.append(ALL[start : start + batch])
        for wanted in (("s1",), ("s0", "s3", "nobody"), ()):
            assert found(store, *wanted) == expected(*wanted, until=start + batch)


def test_at_most_so_many_of_the_newest_events_are_walked(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "BEHIND_EVENTS_MAX", 10)
    journal = Journal(store)
    for start in range(0, len(ALL), 4):
        journal.append(ALL[start : start + 4])
        with store.read() as connection:
            last = spans._entered(connection)
            entered = connection.execute(span_places.select()).all()
        assert start + 4 - 10 < last <= start + 4
        assert {(row.id, row.span_id) for row in entered} == {
            (number, span) for number, span, _ in expected(*(f"s{n}" for n in range(7)), until=last)
        }


def test_no_look_for_a_span_walks_the_whole_journal(backend: Backend, store: Store) -> None:
    Journal(store).append(ALL)
    asked = statements(store, lambda: found(store, "s1", "s2"))
    looked = [(statement, values) for statement, values in asked if "span_id" in statement]
    assert looked
    for statement, values in looked:
        assert not [step for step in backend.plan(store, statement, values) if backend.is_full_scan(step)]
