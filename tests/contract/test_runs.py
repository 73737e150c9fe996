"""Run summaries: the same whatever the order, batching and repetition of the events."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog.clock import FakeClock
from flightlog.config import Settings
from flightlog.errors import CursorInvalid, FilterInvalid, LimitInvalid, RunNotFound
from flightlog.events.envelope import FLAG_ROOT, Event
from flightlog.journal.append import Journal
from flightlog.runs.facets import count_facets
from flightlog.runs.filter import ALL_RUNS, RunFilter
from flightlog.runs.listing import list_runs
from flightlog.runs.project import RunProjector
from flightlog.runs.status import TASKS_SOURCE
from flightlog.runs.summary import RunSummary, get_run
from flightlog.store.contract import Store
from flightlog.tasks.story import SOURCE
from tests.contract.backends import Backend
from tests.contract.making import SECOND, START, event

CLOCK = FakeClock(START + 1_000 * SECOND)


def started(number: int, **fields: Any) -> Event:
    return event(number, "run_started", payload={"name": "fix it"}, **{"name": "fix it", "actor": "agent-7", **fields})


def finished(number: int, status: str | None = "succeeded", **fields: Any) -> Event:
    return event(number, "run_finished", payload={}, status=status, **fields)


def response(number: int, payload: Any, **fields: Any) -> Event:
    return event(number, "llm_response", payload=payload, **fields)


def summary(store: Store, *events: Event) -> RunSummary:
    Journal(store, [RunProjector()]).append(events)
    return get_run(store, "r1", clock=CLOCK)


def test_a_whole_run_adds_up(store: Store) -> None:
    usage = {"input_tokens": 100, "output_tokens": 20, "cached_input_tokens": 60, "reasoning_tokens": 5}
    found = summary(
        store,
        started(1, project="p", source="agent", task_id="T1", trace_id="t1"),
        event(2, "llm_request", name="gpt-x"),
        response(3, {"usage": usage, "cost_usd": 0.1}, name="gpt-x"),
        response(4, {"model": "claude-y", "usage": usage, "cost_usd": 0.2}),
        event(5, "error", level="error", payload={"message": "no"}),
        event(6, level="error"),
        event(7, "degraded", payload={"reason": "dropped", "count": 12}),
        event(8, "degraded", payload={"reason": "gap", "count": 3}),
        finished(9),
    )
    assert found == RunSummary(
        run_id="r1",
        project="p",
        name="fix it",
        status="succeeded",
        hung=False,
        actor="agent-7",
        source="agent",
        task_id="T1",
        trace_id="t1",
        started_at=START + 1 * SECOND,
        finished_at=START + 9 * SECOND,
        duration_ns=8 * SECOND,
        last_event_at=START + 9 * SECOND,
        last_event_id=9,
        event_count=9,
        counts={
            "run_started": 1,
            "llm_request": 1,
            "llm_response": 2,
            "error": 1,
            "note": 1,
            "degraded": 2,
            "run_finished": 1,
        },
        error_count=2,
        lost_count=15,
        models=["claude-y", "gpt-x"],
        tokens_input=200,
        tokens_output=40,
        tokens_cached_input=120,
        tokens_reasoning=10,
        cost_usd=0.3,
    )


def test_any_event_makes_its_run_known(store: Store) -> None:
    found = summary(store, event(3, actor="a1", task_id="T1"))
    assert (found.status, found.name, found.actor, found.started_at) == ("running", None, "a1", START + 3 * SECOND)


def test_the_run_takes_its_name_and_place_from_run_started_even_when_that_comes_late(store: Store) -> None:
    summary(store, event(1, actor="early", trace_id="t0"), finished(5))
    found = summary(store, started(2, trace_id="t1"))
    assert (found.name, found.actor, found.trace_id) == ("fix it", "agent-7", "t1")
    assert (found.started_at, found.duration_ns) == (START + 2 * SECOND, 3 * SECOND)


def test_the_earliest_run_started_counts(store: Store) -> None:
    found = summary(store, started(5, name="resumed"), started(2, name="first"), started(7, name="again"))
    assert (found.name, found.started_at) == ("first", START + 2 * SECOND)


def test_the_name_is_found_in_the_payload_too(store: Store) -> None:
    assert summary(store, started(1, name=None)).name == "fix it"


def test_a_duration_that_the_producer_measured_is_believed(store: Store) -> None:
    assert summary(store, started(1), finished(9, duration_ns=123)).duration_ns == 123


def test_a_clock_that_went_backwards_gives_no_negative_duration(store: Store) -> None:
    found = summary(store, started(9), finished(1))
    assert (found.status, found.duration_ns, found.hung) == ("succeeded", 0, False)


# Every move by hand: what the status was, what comes, what it is then. The second run_finished is later in time.
MOVES = [
    ([], "running"),
    ([event(5)], "running"),
    ([started(5)], "running"),
    ([finished(5, "succeeded")], "succeeded"),
    ([finished(5, "failed")], "failed"),
    ([finished(5, "canceled")], "canceled"),
    ([finished(5, "succeeded"), event(6)], "succeeded"),
    ([finished(5, "failed"), event(6)], "failed"),
    ([finished(5, "canceled"), event(6)], "canceled"),
    ([finished(5, "succeeded"), started(6)], "succeeded"),
    ([finished(5, "failed"), started(6)], "failed"),
    ([finished(5, "canceled"), started(6)], "canceled"),
    ([finished(5, "succeeded"), finished(6, "succeeded")], "succeeded"),
    ([finished(5, "succeeded"), finished(6, "failed")], "failed"),
    ([finished(5, "succeeded"), finished(6, "canceled")], "canceled"),
    ([finished(5, "failed"), finished(6, "succeeded")], "succeeded"),
    ([finished(5, "failed"), finished(6, "failed")], "failed"),
    ([finished(5, "failed"), finished(6, "canceled")], "canceled"),
    ([finished(5, "canceled"), finished(6, "succeeded")], "succeeded"),
    ([finished(5, "canceled"), finished(6, "failed")], "failed"),
    ([finished(5, "canceled"), finished(6, "canceled")], "canceled"),
    # The one that is earlier in time changes nothing, however late it arrives.
    ([finished(6, "failed"), finished(5, "succeeded")], "failed"),
    ([finished(6, "succeeded"), finished(5, "failed")], "succeeded"),
    ([finished(6, "canceled"), finished(5, "failed")], "canceled"),
    # An outcome that is missing or unknown asks for attention.
    ([finished(5, None)], "failed"),
    ([finished(5, "running")], "failed"),
    ([finished(5, "done")], "failed"),
]


@pytest.mark.parametrize(("events", "status"), MOVES)
@pytest.mark.parametrize("at_once", [True, False], ids=["one batch", "one by one"])
def test_every_move_of_a_run(store: Store, events: list[Event], status: str, at_once: bool) -> None:
    all_events = [started(1), *(msgspec.structs.replace(e, event_id=f"m{n}") for n, e in enumerate(events))]
    for batch in [all_events] if at_once else [[one] for one in all_events]:
        found = summary(store, *batch)
    assert found.status == status


def root(number: int, status: str = "ok", **fields: Any) -> Event:
    """A finished span that is its run's root; it took two seconds."""
    payload = {"otlp": {"name": f"root {number}"}}
    given = {"duration_ns": 2 * SECOND, "flags": FLAG_ROOT, "name": "agent", "status": status, "payload": payload}
    return event(number, "span_finished", **{**given, **fields})


def test_a_root_span_says_how_its_run_began_and_ended(store: Store) -> None:
    found = summary(store, event(4, duration_ns=SECOND), root(5, actor="a1", trace_id="t1"))
    assert (found.name, found.status, found.actor, found.trace_id) == ("root 5", "succeeded", "a1", "t1")
    assert (found.started_at, found.finished_at, found.duration_ns) == (
        START + 3 * SECOND,
        START + 5 * SECOND,
        2 * SECOND,
    )


def test_a_model_call_may_be_the_root(store: Store) -> None:
    found = summary(store, msgspec.structs.replace(root(5, "error"), type="llm_response", level="error"))
    assert (found.name, found.status, found.error_count, found.started_at) == (
        "root 5",
        "failed",
        1,
        START + 3 * SECOND,
    )


@pytest.mark.parametrize("order", [1, -1], ids=["outer first", "inner first"])
def test_of_several_services_the_one_that_has_no_caller_tells_the_run(store: Store, order: int) -> None:
    outer, inner = root(5, "error"), root(9, "ok", parent_span_id="of another process", event_id="inner")
    found = summary(store, *[outer, inner][::order])
    assert (found.name, found.status, found.finished_at) == ("root 5", "failed", START + 5 * SECOND)


def test_while_the_caller_is_not_there_yet_the_called_service_tells_the_run(store: Store) -> None:
    found = summary(store, root(9, "error", parent_span_id="of another process"))
    assert (found.name, found.status) == ("root 9", "failed")


def test_of_several_roots_the_first_to_begin_names_the_run_and_the_last_to_end_ends_it(store: Store) -> None:
    found = summary(store, root(8, "error"), root(5), root(6))
    assert (found.name, found.status, found.finished_at) == ("root 5", "failed", START + 8 * SECOND)


@pytest.mark.parametrize("order", [1, -1], ids=["root last", "root first"])
def test_what_a_recorder_says_of_the_run_itself_comes_before_any_root(store: Store, order: int) -> None:
    found = summary(store, *[started(4), finished(6, "canceled"), root(9, "error")][::order])
    assert (found.name, found.status, found.started_at) == ("fix it", "canceled", START + 4 * SECOND)
    assert found.finished_at == START + 6 * SECOND


def test_the_first_event_of_a_run_began_before_it_was_over(store: Store) -> None:
    assert summary(store, event(5, "span_finished", duration_ns=2 * SECOND)).started_at == START + 3 * SECOND


NUMBERS = st.one_of(
    st.none(), st.integers(-5, 10**6), st.floats(0, 10), st.just(2**70), st.just("12"), st.just(True), st.just([])
)
RANDOM_EVENTS = st.builds(
    lambda at, kind, status, level, actor, a, b, root: (
        kind,
        {
            "flags": 0 if root is None else FLAG_ROOT,
            "parent_span_id": root,
            "duration_ns": None if root is None else at,
            "created_at": START + at,
            "status": status,
            "level": level,
            "actor": actor,
            "name": actor,
            "payload": {
                "name": "n",
                "otlp": {"name": actor},
                "model": a if isinstance(a, str) else "m",
                "usage": {"input_tokens": a, "output_tokens": b, "reasoning_tokens": a},
                "cost_usd": b,
                "count": a,
            },
        },
    ),
    st.integers(0, 6),
    st.sampled_from(
        ["run_started", "run_finished", "llm_request", "llm_response", "degraded", "error", "acme.x", "note"]
    ),
    st.sampled_from([None, "succeeded", "failed", "canceled", "odd", "ok", "error"]),
    st.sampled_from(["info", "error"]),
    st.sampled_from([None, "a1", "a2"]),
    NUMBERS,
    NUMBERS,
    st.sampled_from([None, None, "", "elsewhere"]),
).map(lambda made: (made[0], {**made[1], "parent_span_id": made[1]["parent_span_id"] or None}))


def test_order_batching_and_repetition_do_not_matter(backend: Backend) -> None:
    store = backend.open()
    journal = Journal(store, [RunProjector()])
    tries = iter(range(10**9))

    @given(st.lists(RANDOM_EVENTS, min_size=1, max_size=14), st.data())
    def check(drawn: list[tuple[str, dict[str, Any]]], data: st.DataObject) -> None:
        attempt = next(tries)

        def made(run_id: str) -> list[Event]:
            return [
                event(0, type_, run_id=run_id, event_id=f"{run_id}-{n:02d}", **f) for n, (type_, f) in enumerate(drawn)
            ]

        in_order, shuffled = f"o{attempt}", f"s{attempt}"
        journal.append(made(in_order))
        rest = data.draw(st.permutations(made(shuffled)))
        while rest:
            size = data.draw(st.integers(1, len(rest)))
            journal.append(rest[:size])
            if data.draw(st.booleans()):
                journal.append(rest[:size])
            rest = rest[size:]
        a, b = (msgspec.structs.asdict(get_run(store, run_id, clock=CLOCK)) for run_id in (in_order, shuffled))
        for found in (a, b):
            del found["run_id"], found["last_event_id"]
        assert a == b
        assert a["event_count"] == len(drawn) == sum(a["counts"].values())

    check()


@pytest.mark.parametrize(
    "payload",
    [
        {"usage": {"input_tokens": value, "output_tokens": value}, "cost_usd": value, "model": value}
        for value in (None, "12", [1], {}, True, -4, 2**70, 1e300)
    ]
    + [{"usage": "many"}, {"usage": [1, 2]}, [], {}],
    ids=repr,
)
def test_odd_numbers_do_not_stop_the_journal(store: Store, payload: Any) -> None:
    found = summary(store, response(1, payload), response(2, {"usage": {"input_tokens": 7}, "cost_usd": 0.5}))
    assert (found.tokens_input, found.tokens_output, found.cost_usd) == (7, 0, 0.5)


def test_sums_stay_at_the_largest_integer(store: Store) -> None:
    found = summary(store, *(response(n, {"usage": {"input_tokens": 2**63 - 1}, "cost_usd": 9e9}) for n in range(3)))
    assert found.tokens_input == 2**63 - 1
    assert found.cost_usd == pytest.approx((2**63 - 1) / 1e9)


def test_the_models_of_a_run_are_kept_within_bounds(store: Store) -> None:
    found = summary(store, *(event(n, "llm_request", name=f"m{n:04d}") for n in reversed(range(150))))
    assert found.models == [f"m{n:04d}" for n in range(100)]


def test_a_batch_of_many_runs(store: Store, journal: Journal) -> None:
    journal.append([event(n, run_id=f"run{n % 700}") for n in range(1_400)])
    journal.append([event(n, run_id=f"run{n % 900}") for n in range(1_400, 2_300)])
    counts = sorted(get_run(store, f"run{n}").event_count for n in range(900))
    assert counts == sorted([3] * 700 + [1] * 200)


def test_events_without_a_run_make_none(store: Store, journal: Journal) -> None:
    journal.append([event(1, run_id=None)])
    assert list_runs(store).runs == []


def test_a_silent_running_run_is_hung_and_a_finished_one_is_not(store: Store, journal: Journal) -> None:
    journal.append([started(1), event(2), started(3, run_id="r2"), finished(4, run_id="r2")])
    for seconds, hung in ((62, False), (62.5, True)):
        clock = FakeClock(START + int(seconds * SECOND))
        assert get_run(store, "r1", clock=clock).hung is hung
        assert get_run(store, "r2", clock=clock).hung is False
        assert [run.run_id for run in list_runs(store, RunFilter(statuses=("hung",)), clock=clock).runs] == [
            "r1"
        ] * hung
    quick = Settings(hung_seconds=1.0)
    assert get_run(store, "r1", clock=FakeClock(START + 4 * SECOND), settings=quick).hung
    journal.append([event(100)])
    assert not get_run(store, "r1", clock=FakeClock(START + 101 * SECOND)).hung


def test_a_tasks_own_run_is_never_hung_however_long_it_waits(store: Store, journal: Journal) -> None:
    journal.append([
        started(1, run_id="t1", task_id="t1", source="tasks"),
        started(2, run_id="r1", task_id="t1", source="worker"),  # what somebody else told of that task is a run of its own
        started(3, run_id="r2", source="tasks"),
        started(4, run_id="r3", task_id="r3"),
    ])  # fmt: skip
    clock = FakeClock(START + 3_600 * SECOND)
    found = {run.run_id: run.hung for run in list_runs(store, clock=clock).runs}
    assert found == {"t1": False, "r1": True, "r2": True, "r3": True}
    assert not get_run(store, "t1", clock=clock).hung
    hung = list_runs(store, RunFilter(statuses=("hung",)), clock=clock).runs
    assert sorted(run.run_id for run in hung) == ["r1", "r2", "r3"]
    for wanted in (ALL_RUNS, RunFilter(name="fix")):  # by the index of the column, and run by run
        counted = count_facets(store, wanted, clock=clock).facets["status"]
        assert {one.value: one.count for one in counted} == {"running": 1, "hung": 3}
    assert SOURCE == TASKS_SOURCE


@pytest.mark.parametrize("run_id", ["nobody", "", "\ud800"])
def test_an_unknown_run_is_an_error(store: Store, run_id: str) -> None:
    with pytest.raises(RunNotFound):
        get_run(store, run_id)


@pytest.fixture
def many(store: Store, journal: Journal) -> Store:
    """Runs 0 to 29: every third starts at the same moment as the one before it."""
    events = []
    for n in range(30):
        at = START + (n - (n % 3 == 1)) * SECOND
        fields = {"run_id": f"run{n:02d}", "created_at": at, "project": f"p{n % 2}", "actor": f"a{n % 5}"}
        name = f"Fix %_{n}" if n % 2 else "Look"
        events.append(
            started(0, **{**fields, "name": name, "event_id": f"s{n}", "task_id": f"T{n % 4}", "trace_id": f"t{n}"})
        )
        if n % 4:
            events.append(finished(0, ["succeeded", "failed", "canceled"][n % 3], event_id=f"f{n}", **fields))
    journal.append(events)
    return store


RUN_FILTERS = st.builds(
    RunFilter,
    project=st.sampled_from([None, None, "p0", "p1", "p2"]),
    statuses=st.lists(st.sampled_from(["running", "succeeded", "failed", "canceled", "hung"]), max_size=3).map(tuple),
    actor=st.sampled_from([None, None, "a1", "nobody"]),
    task_id=st.sampled_from([None, None, "T1"]),
    trace_id=st.sampled_from([None, None, None, "t7"]),
    name=st.sampled_from([None, None, "fix", "LOOK", "%", "_2", "nothing"]),
    since=st.none() | st.integers(START, START + 15 * SECOND),
    until=st.none() | st.integers(START + 10 * SECOND, START + 30 * SECOND),
)


def run_passes(wanted: RunFilter, run: RunSummary) -> bool:
    return (
        all(getattr(wanted, n) in (None, getattr(run, n)) for n in ("project", "actor", "task_id", "trace_id"))
        and (not wanted.statuses or run.status in wanted.statuses or ("hung" in wanted.statuses and run.hung))
        and (wanted.name is None or wanted.name.lower() in (run.name or "").lower())
        and (wanted.since is None or run.started_at >= wanted.since)
        and (wanted.until is None or run.started_at < wanted.until)
    )


def test_filters_of_runs_combine_and_pages_follow_each_other(many: Store) -> None:
    clock = FakeClock(START + 75 * SECOND)  # some of the running ones are hung
    everything = [get_run(many, f"run{n:02d}", clock=clock) for n in range(30)]
    everything.sort(key=lambda run: (run.started_at, run.run_id), reverse=True)

    @given(RUN_FILTERS, st.integers(1, 12))
    def check(wanted: RunFilter, limit: int) -> None:
        found: list[RunSummary] = []
        cursor: str | None = None
        while True:
            page = list_runs(many, wanted, limit=limit, cursor=cursor, clock=clock)
            found += page.runs
            cursor = page.next_cursor
            if cursor is None:
                break
            assert len(page.runs) == limit
        assert found == [run for run in everything if run_passes(wanted, run)]

    check()


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "é", "bm90IGpzb24", "WzEsMl0", "WzEsICJhIiwgM10", "\ud800", "WzkyMjMzNzIwMzY4NTQ3NzU4MDgsImEiXQ"],
)
def test_a_cursor_that_was_never_given_out_is_refused(many: Store, cursor: str) -> None:
    with pytest.raises(CursorInvalid):
        list_runs(many, cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_a_limit_outside_its_bounds_is_refused(many: Store, limit: int) -> None:
    with pytest.raises(LimitInvalid):
        list_runs(many, limit=limit)


def test_page_runs_max_is_a_setting(many: Store) -> None:
    settings = Settings(page_runs_max=4)
    assert len(list_runs(many, settings=settings).runs) == 4
    with pytest.raises(LimitInvalid):
        list_runs(many, settings=settings, limit=5)


@pytest.mark.parametrize("wanted", [RunFilter(statuses=("asleep",)), RunFilter(name="\ud800"), RunFilter(since=2**63)])
def test_a_filter_that_can_not_be_asked_is_refused(many: Store, wanted: RunFilter) -> None:
    with pytest.raises(FilterInvalid):
        list_runs(many, wanted)
