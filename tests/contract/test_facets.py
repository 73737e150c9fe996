"""Runs in numbers: the same as counting one by one, bounded, and not hiding what one could choose instead."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog.clock import NS_PER_SECOND, FakeClock
from flightlog.config import Settings
from flightlog.filters.compile import run_filter
from flightlog.journal.append import Journal
from flightlog.runs.facets import BUCKETS_MAX, bucket_seconds, count_facets
from flightlog.runs.listing import list_runs
from flightlog.store.contract import Store
from tests.contract.making import SECOND, START, event

NOW = START + 100_000 * SECOND
CLOCK = FakeClock(NOW)
STATUSES = ("succeeded", "failed", None, "canceled", "succeeded")


@pytest.fixture
def filled(store: Store, journal: Journal) -> Store:
    events = []
    for number in range(40):
        run = {"run_id": f"r{number:03d}", "created_at": START + number * 100 * SECOND}
        events.append(
            event(3 * number, "run_started", name=f"run {number}", actor=f"a{number % 3}", source="agent", **run)
        )
        events.append(
            event(3 * number + 1, "llm_request", name=["gpt-4o", 'odd"name', "gpt-4o-mini"][number % 3], **run)
        )
        if (status := STATUSES[number % 5]) is not None:
            run["created_at"] += SECOND
            events.append(event(3 * number + 2, "run_finished", status=status, **run))
    journal.append(events)
    return store


@pytest.mark.parametrize(
    "query",
    ["", "status:failed", "actor:a1,a2", "-actor:a1", "model:gpt-4o", "model:gpt*", 'model:"odd\\"name"', "-model:gpt*",
     "type:run_finished", "type:run_fin*", "-type:run_finished", "events:2", "events:>=3", "status:hung", "-status:hung",
     "run", "r00", "cost:>1", "duration:>500ms", "source:ag*", "name:\"run 7\""],
)  # fmt: skip
def test_facets_count_what_the_list_shows(filled: Store, query: str) -> None:
    wanted = run_filter(query, NOW)
    found = count_facets(filled, wanted, clock=CLOCK)
    listed = list_runs(filled, wanted, limit=500, clock=CLOCK).runs
    assert (found.counted, found.complete) == (len(listed), True)
    if "status:" not in query:
        statuses = Counter("hung" if run.hung else run.status for run in listed)
        assert {one.value: one.count for one in found.facets["status"]} == statuses
    if "actor:" not in query:
        assert {one.value: one.count for one in found.facets["actor"]} == Counter(run.actor for run in listed)
    models = Counter(model for run in listed for model in run.models)
    if not query.startswith("model:"):
        assert {one.value: one.count for one in found.facets["model"]} == models
    if found.histogram is not None:
        buckets = found.histogram.buckets
        assert sum(b.succeeded + b.failed + b.running + b.canceled for b in buckets) == len(listed)


def test_the_value_that_is_chosen_leaves_the_others_in_sight(filled: Store) -> None:
    found = count_facets(filled, run_filter("actor:a1 status:failed", NOW), clock=CLOCK)
    assert {one.value for one in found.facets["actor"]} == {"a0", "a1", "a2"}
    assert {one.value for one in found.facets["status"]} == {"succeeded", "failed", "hung", "canceled"}
    assert found.counted == len(list_runs(filled, run_filter("actor:a1 status:failed", NOW), clock=CLOCK).runs)


def test_no_more_than_the_limit_is_counted_and_it_says_so(filled: Store) -> None:
    found = count_facets(filled, clock=CLOCK, settings=Settings(facet_runs_max=10))
    assert (found.counted, found.complete) == (10, False)
    assert sum(one.count for one in found.facets["status"]) == 10
    newest = list_runs(filled, limit=10, clock=CLOCK).runs
    assert {one.value: one.count for one in found.facets["actor"]} == Counter(run.actor for run in newest)
    assert count_facets(filled, clock=CLOCK, settings=Settings(facet_runs_max=40)).complete


def test_no_runs_have_no_histogram(store: Store) -> None:
    found = count_facets(store, clock=CLOCK)
    assert (found.counted, found.complete, found.histogram) == (0, True, None)


@pytest.mark.parametrize(
    "sort", ["started", "-started", "duration", "-duration", "cost", "-tokens", "errors", "-events"]
)
def test_pages_of_every_order_hold_every_run_once(filled: Store, sort: str) -> None:
    seen: list[str] = []
    cursor = None
    while True:
        page = list_runs(filled, sort=sort, limit=7, cursor=cursor, clock=CLOCK)
        seen += [run.run_id for run in page.runs]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 40
    whole = [run.run_id for run in list_runs(filled, sort=sort, limit=500, clock=CLOCK).runs]
    assert seen == whole


@given(st.integers(0, 2**62), st.integers(0, 2**60))
def test_a_histogram_never_has_more_stretches_than_fit(since: int, span: int) -> None:
    width = bucket_seconds(since, since + span) * NS_PER_SECOND
    assert width > 0
    assert (since + span) // width - since // width < BUCKETS_MAX
