"""Which index a filter is read by, and that a cursor is part of the search."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flightlog.journal.append import Journal
from flightlog.journal.filter import EventFilter
from flightlog.journal.plan import NARROW_EVENTS_MAX, Span, choose, ids_of_page
from flightlog.store.contract import Store
from flightlog.store.engine import open_store
from tests.contract.making import SECOND, START, event

CHOICES: list[tuple[EventFilter, str | None]] = [
    (EventFilter(), None),
    (EventFilter(correlation_id="c", trace_id="t", run_id="r"), "run_events_correlation"),
    (EventFilter(trace_id="t", task_id="T"), "run_events_trace"),
    (EventFilter(trace_id="t", run_id="r"), "run_events_trace"),
    (EventFilter(trace_id="t", run_id="t"), "run_events_run"),
    (EventFilter(trace_id="t", run_id="t", types=("note",)), "run_events_run_type"),
    (EventFilter(task_id="T", run_id="r"), "run_events_task"),
    (EventFilter(run_id="r", types=("note",)), "run_events_run_type"),
    (EventFilter(run_id="r", levels=("error",), since=0), "run_events_run"),
    (EventFilter(run_id="r", types=tuple(f"acme.t{n}" for n in range(33))), "run_events_run"),
    (EventFilter(since=START, types=("note",)), "run_events_created_at"),
    (EventFilter(until=START, actors=("a",)), "run_events_created_at"),
    (EventFilter(levels=("error", "warn"), actors=("a",)), "run_events_level"),
    (EventFilter(levels=("error", "info"), actors=("a",)), "run_events_actor"),
    (EventFilter(actors=("a", "b"), types=("note",)), "run_events_actor"),
    (EventFilter(types=("note", "error")), "run_events_type"),
    (EventFilter(types=tuple(f"acme.t{n}" for n in range(33))), None),
    (EventFilter(project="p", sources=("agent",), statuses=("ok",), name="n", span_id="s"), None),
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = open_store(tmp_path, writable=True)
    Journal(made).append([event(number) for number in range(10)])
    yield made
    made.close()


@pytest.mark.parametrize(("wanted", "index"), CHOICES)
def test_the_index_of_a_filter(store: Store, wanted: EventFilter, index: str | None) -> None:
    with store.read() as connection:
        assert choose(connection, wanted).via == index


def test_a_time_range_with_many_events_is_walked_by_id_from_its_first(store: Store) -> None:
    journal = Journal(store)
    for start in range(10, NARROW_EVENTS_MAX + 100, 5_000):
        journal.append([event(number) for number in range(start, start + 5_000)])
    wide, narrow = EventFilter(since=START + 50 * SECOND), EventFilter(since=START + 20_000 * SECOND)
    with store.read() as connection:
        assert choose(connection, wide).via is None
        assert choose(connection, narrow).via == "run_events_created_at"
        page = ids_of_page(connection, wide, Span(None, None, backwards=False), 10)
        compiled = page.element.compile(dialect=connection.dialect)  # type: ignore[attr-defined]
        assert 50 in compiled.params.values()  # event 50 has id 51; the walk begins after id 50


def test_a_cursor_is_part_of_the_search_in_the_index(store: Store) -> None:
    with store.read() as connection:
        wanted = EventFilter(run_id="r1", types=("note",))
        page = ids_of_page(connection, wanted, Span(5, None, backwards=False), 10).element
        compiled = page.compile(dialect=connection.dialect)  # type: ignore[attr-defined]
        values = tuple(compiled.params[name] for name in compiled.positiontup)
        steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", values).fetchall()
    assert [step[3] for step in steps] == [
        "SEARCH run_events USING COVERING INDEX run_events_run_type (run_id=? AND type=? AND id>?)"
    ]
