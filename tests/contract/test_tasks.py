"""Tasks on every store: accepted once, moved by version, and the ledger in step with them whatever happens in between."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from flightlog.config import Settings
from flightlog.errors import (
    KeyInvalid,
    KeyMisused,
    LedgerBroken,
    MoveIllegal,
    PipelineNotFound,
    QuotaExceeded,
    TaskInputTooLarge,
    TaskNotFound,
    TaskUnderWay,
    VersionConflict,
)
from flightlog.ids import SystemIds
from flightlog.journal.append import Journal
from flightlog.journal.read import EventFilter, read_events
from flightlog.outbox.table import outbox_events
from flightlog.runs.project import RunProjector
from flightlog.runs.summary import get_run
from flightlog.store.contract import Store
from flightlog.tasks.commands import Asked, Tasks
from flightlog.tasks.erase import erase, guard_of, left_over, stands
from flightlog.tasks.keys import forget_keys
from flightlog.tasks.moves import Mover
from flightlog.tasks.pipeline import CANCELED, FAILED, MEDIA, QUEUED, SUCCEEDED, Pipeline
from flightlog.tasks.table import tasks as tasks_table
from flightlog.tasks.task import ERASED, Task
from flightlog.testing import FakeClock
from flightlog.usage.ledger import COMMITTED, HELD, RELEASED, Entry, UsageLedger, net_units, set_units_max
from flightlog.usage.table import usage_accounts, usage_ledger
from tests.contract.backends import BACKENDS

SUMMARISE = Pipeline("summarise", ("QUEUED", "READING", "WRITING"))
PIPELINES = {"summarise": SUMMARISE, "media": MEDIA}
ERROR = {"kind": "OSError", "message": "no"}


def make_tasks(store: Store, clock: FakeClock, pipelines: Mapping[str, Pipeline] = PIPELINES, **given: Any) -> Tasks:
    journal = Journal(store, [RunProjector()], clock=clock)
    mover = Mover(journal, UsageLedger(), clock, SystemIds())
    return Tasks(store, mover, pipelines, Settings(**given), lambda: 0.5)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def tasks(store: Store, clock: FakeClock) -> Tasks:
    return make_tasks(store, clock)


def ask(user: str = "ann", **given: Any) -> Asked:
    return Asked(**{"pipeline": "summarise", "input": {"folder": "a"}, "user_id": user} | given)


def ledger_of(store: Store, task_id: str) -> list[tuple[str, str]]:
    with store.read() as connection:
        wanted = select(usage_ledger.c.status, usage_ledger.c.source).where(usage_ledger.c.task_id == task_id)
        return [tuple(row) for row in connection.execute(wanted.order_by(usage_ledger.c.id))]


def told_of(store: Store, task_id: str) -> list[tuple[str, int]]:
    with store.read() as connection:
        wanted = select(outbox_events.c.topic, outbox_events.c.available_at).where(outbox_events.c.task_id == task_id)
        return [tuple(row) for row in connection.execute(wanted.order_by(outbox_events.c.id))]


def moves_of(store: Store, task_id: str) -> list[tuple[str, str, int]]:
    found = read_events(store, EventFilter(task_id=task_id, types=("task_transition",)), limit=500).events
    said = [msgspec.json.decode(bytes(event.payload)) for event in found]
    return [(one["from"], one["to"], one["version"]) for one in said]


def work_off(tasks: Tasks, task: Task) -> Task:
    task = tasks.begin(task.task_id, task.attempt_no, "w1")
    while not task.is_over:
        task = tasks.done(task, {"done": task.state})
    return task


# ── one walk ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_task_walks_from_its_acceptance_to_its_end_in_one_story(tasks: Tasks, store: Store) -> None:
    task, is_new = tasks.submit(ask())
    assert (is_new, task.state, task.version) == (True, QUEUED, 1)
    ended = work_off(tasks, task)
    assert (ended.state, ended.progress, ended.result) == (SUCCEEDED, 1_000, {"done": "WRITING"})
    assert tasks.get(task.task_id) == ended
    assert moves_of(store, task.task_id) == [
        ("", QUEUED, 1), (QUEUED, "READING", 2), ("READING", "WRITING", 3), ("WRITING", SUCCEEDED, 4),
    ]  # fmt: skip
    assert ledger_of(store, task.task_id) == [(HELD, "round-1"), (COMMITTED, "round-1")]
    assert [topic for topic, _ in told_of(store, task.task_id)] == ["task.created", "task.succeeded"]
    run = get_run(store, task.task_id)
    assert (run.name, run.status, run.task_id) == ("summarise", "succeeded", task.task_id)


def test_a_task_that_waits_for_its_upload_is_queued_on_its_way(tasks: Tasks, store: Store) -> None:
    task, _ = tasks.submit(ask(pipeline="media"))
    assert task.state == "UPLOADED"
    assert tasks.begin(task.task_id, 1, "w1").state == "PREPROCESSING"
    assert [to for _, to, _ in moves_of(store, task.task_id)] == ["UPLOADED", QUEUED, "PREPROCESSING"]


def test_what_fails_for_now_waits_and_goes_on_after_what_is_done(tasks: Tasks, store: Store, clock: FakeClock) -> None:
    task, _ = tasks.submit(ask())
    task = tasks.done(tasks.begin(task.task_id, 1, "w1"), {"words": 3})
    failed_at = clock.now_ns()
    task = tasks.failed(task, ERROR)
    assert (task.state, task.attempt_no, task.tries) == (QUEUED, 2, 1)
    topic, available_at = told_of(store, task.task_id)[-1]
    assert topic == "task.requeued"
    assert available_at - failed_at == pytest.approx(1e9, abs=1e8)
    task = tasks.begin(task.task_id, 2, "w1")
    assert (task.state, task.results) == ("WRITING", {"READING": {"words": 3}})
    task = tasks.failed(task, ERROR, wait_seconds=60)
    assert told_of(store, task.task_id)[-1][1] - clock.now_ns() == pytest.approx(60e9, abs=1e8)
    task = tasks.failed(tasks.begin(task.task_id, 3, "w1"), ERROR)
    assert (task.state, task.tries, task.error) == (FAILED, 3, ERROR)
    assert ledger_of(store, task.task_id) == [(HELD, "round-1"), (RELEASED, "round-1")]
    assert get_run(store, task.task_id).status == "failed"


def test_what_nothing_can_help_fails_at_once(tasks: Tasks) -> None:
    task, _ = tasks.submit(ask())
    assert tasks.failed(tasks.begin(task.task_id, 1, "w1"), ERROR, final=True).state == FAILED


def test_a_retry_is_a_round_of_its_own_from_the_first_step_on(tasks: Tasks, store: Store) -> None:
    task, _ = tasks.submit(ask())
    tasks.failed(tasks.done(tasks.begin(task.task_id, 1, "w1"), 1), ERROR, final=True)
    again = tasks.retry(task.task_id, user_id="ann")
    assert (again.state, again.round_no, again.attempt_no, again.results) == (QUEUED, 2, 2, {})
    assert work_off(tasks, again).state == SUCCEEDED
    assert ledger_of(store, task.task_id) == [
        (HELD, "round-1"), (RELEASED, "round-1"), (HELD, "round-2"), (COMMITTED, "round-2"),
    ]  # fmt: skip
    assert get_run(store, task.task_id).status == "succeeded"


def test_the_third_worker_that_dies_of_it_was_one_too_many(tasks: Tasks) -> None:
    task, _ = tasks.submit(ask())
    for attempt_no in (1, 2):
        tasks.begin(task.task_id, attempt_no, "w1")
        task = tasks.lost(task.task_id, attempt_no)
        assert (task.state, task.attempt_no, task.tries) == (QUEUED, attempt_no + 1, 0)
    tasks.begin(task.task_id, 3, "w1")
    task = tasks.lost(task.task_id, 3)
    assert task.state == FAILED
    assert task.error is not None
    assert task.error["kind"] == "poison"


def test_what_a_stopping_worker_hands_back_counts_as_no_try_and_no_death(tasks: Tasks, store: Store) -> None:
    task, _ = tasks.submit(ask())
    assert tasks.hand_back(task.task_id, 1).attempt_no == 1  # nobody has begun it: there is nothing to hand back
    for attempt_no in range(1, 6):
        begun = tasks.begin(task.task_id, attempt_no, "w1")
        assert (begun.worker_id, begun.began_at is not None) == ("w1", True)
        task = tasks.hand_back(task.task_id, attempt_no)
        assert (task.state, task.attempt_no, task.tries, task.deaths) == (QUEUED, attempt_no + 1, 0, 0)
        assert (task.worker_id, task.began_at) == (None, None)
    assert work_off(tasks, task).state == SUCCEEDED
    assert [topic for topic, _ in told_of(store, task.task_id)].count("task.requeued") == 5


def test_a_task_past_its_deadline_fails_wherever_it_is(tasks: Tasks, store: Store, clock: FakeClock) -> None:
    due = clock.now_ns() + 10_000_000_000
    waits, runs, done, free = (tasks.submit(ask(deadline_at=at))[0] for at in (due, due, due, None))
    tasks.begin(runs.task_id, 1, "w1")
    work_off(tasks, done)
    assert tasks.expire(due - 1).tasks == 0
    clock.advance(10)
    late, _ = tasks.submit(ask(deadline_at=due))
    begun = tasks.begin(late.task_id, 1, "w1")  # whoever takes it finds out as well
    assert (begun.state, begun.error) == (FAILED, {"kind": "deadline", "message": "its deadline passed"})
    assert tasks.expire(clock.now_ns()).tasks == 2
    states = [tasks.get(task.task_id).state for task in (waits, runs, done, free)]
    assert states == [FAILED, FAILED, SUCCEEDED, QUEUED]
    assert ledger_of(store, runs.task_id) == [(HELD, "round-1"), (RELEASED, "round-1")]
    again = tasks.retry(waits.task_id, user_id="ann")
    assert again.deadline_at is None
    assert work_off(tasks, again).state == SUCCEEDED


def test_expiry_goes_on_until_nothing_is_left(tasks: Tasks, clock: FakeClock) -> None:
    for _ in range(45):  # more than two transactions take
        tasks.submit(ask(deadline_at=clock.now_ns() + 1))
    clock.advance(1)
    assert tasks.expire(clock.now_ns()) == (45, 0, 0)


def test_a_result_is_dropped_when_its_time_is_over_and_the_task_stays(tasks: Tasks, clock: FakeClock) -> None:
    task, _ = tasks.submit(ask(key="k", body=b"{}"))
    ended = work_off(tasks, task)
    clock.advance(7 * 24 * 3600 - 1)
    assert tasks.expire(clock.now_ns()) == (0, 0, 1)  # the key
    assert tasks.get(task.task_id) == ended
    clock.advance(1)
    assert tasks.expire(clock.now_ns()) == (0, 1, 0)
    left = tasks.get(task.task_id)
    assert (left.state, left.result, left.results, left.result_until) == (SUCCEEDED, None, {}, None)
    assert tasks.expire(clock.now_ns()) == (0, 0, 0)


def test_every_step_is_a_span_that_says_how_it_ended(tasks: Tasks, store: Store, clock: FakeClock) -> None:
    task, _ = tasks.submit(ask())
    held = tasks.begin(task.task_id, 1, "w1")
    clock.advance(2)
    tasks.failed(tasks.done(held, {"words": 3}), ERROR)
    tasks.lost(tasks.begin(task.task_id, 2, "w2").task_id, 2)
    work_off(tasks, tasks.get(task.task_id))
    found = read_events(store, EventFilter(run_id=task.task_id), limit=500).events
    spans = [event for event in found if event.type.startswith("span_")]
    assert [(event.type, event.name, event.status) for event in spans] == [
        ("span_started", "READING", None), ("span_finished", "READING", "ok"),
        ("span_started", "WRITING", None), ("span_finished", "WRITING", "error"),
        ("span_started", "WRITING", None), ("span_finished", "WRITING", "error"),
        ("span_started", "WRITING", None), ("span_finished", "WRITING", "ok"),
    ]  # fmt: skip
    assert spans[1].duration_ns == pytest.approx(2e9)
    assert len({event.span_id for event in spans}) == 4
    assert {(event.trace_id, event.parent_span_id) for event in spans} == {(task.trace_id, task.root_span_id)}
    said = [msgspec.json.decode(event.payload) for event in spans]
    assert (said[1]["output"], said[3]["error"], said[5]["error"]["kind"]) == ({"words": 3}, ERROR, "lost")
    assert [one["attributes"]["worker_id"] for one in said] == ["w1"] * 4 + ["w2"] * 2 + ["w1"] * 2


# ── who may not ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_worker_that_was_taken_for_dead_can_write_nothing_any_more(tasks: Tasks, store: Store) -> None:
    task, _ = tasks.submit(ask())
    zombie = tasks.begin(task.task_id, 1, "w1")
    tasks.lost(task.task_id, 1)
    heir = tasks.begin(task.task_id, 2, "w2")
    before = moves_of(store, task.task_id)
    for act in (
        lambda: tasks.done(zombie, 1),
        lambda: tasks.failed(zombie, ERROR),
        lambda: tasks.progress(zombie, 0.9),
        lambda: tasks.begin(task.task_id, 1, "w1"),
        lambda: tasks.begin(task.task_id, 2, "w1"),
        lambda: tasks.lost(task.task_id, 1),
        lambda: tasks.hand_back(task.task_id, 1),
    ):
        with pytest.raises(VersionConflict):
            act()
    assert moves_of(store, task.task_id) == before
    assert tasks.done(heir, 2).state == "WRITING"


def test_a_move_from_what_was_read_before_somebody_else_moved_it_is_refused(tasks: Tasks, store: Store) -> None:
    task, _ = tasks.submit(ask())
    tasks.begin(task.task_id, 1, "w1")
    for write in (
        lambda tx: tasks._mover.move(tx, task, SUMMARISE, "READING"),
        lambda tx: tasks._mover.note(tx, task, progress=5),
    ):
        with pytest.raises(VersionConflict):
            store.write(write)
    assert tasks.get(task.task_id).version == 2


def test_what_is_over_is_neither_canceled_nor_worked_on(tasks: Tasks) -> None:
    task, _ = tasks.submit(ask())
    work_off(tasks, task)
    with pytest.raises(MoveIllegal) as caught:
        tasks.cancel(task.task_id, user_id="ann")
    assert caught.value.facts["before"] == SUCCEEDED
    with pytest.raises(MoveIllegal):
        tasks.retry(task.task_id, user_id="ann")
    with pytest.raises(VersionConflict):
        tasks.begin(task.task_id, 1, "w1")


def test_what_is_under_way_is_not_retried(tasks: Tasks) -> None:
    task, _ = tasks.submit(ask())
    with pytest.raises(MoveIllegal):
        tasks.retry(task.task_id, user_id="ann")


def test_progress_never_goes_back_and_is_whole_only_at_the_end(tasks: Tasks) -> None:
    task, _ = tasks.submit(ask())
    task = tasks.begin(task.task_id, 1, "w1")
    seen = [tasks.progress(task, share).progress for share in (0.2, 0.1, 0.7, 9.0, -1.0)]
    assert seen == [200, 200, 700, 999, 999]
    assert tasks.done(task, 1).progress == 999


def test_nothing_is_stored_of_what_is_refused(tasks: Tasks, store: Store) -> None:
    with pytest.raises(PipelineNotFound, match="media, summarise"):
        tasks.submit(ask(pipeline="nosuch"))
    with pytest.raises(TaskInputTooLarge):
        tasks.submit(ask(input={"text": "x" * 300_000}))
    for key in ("", "a b\n", "ü", "x" * 256):
        with pytest.raises(KeyInvalid):
            tasks.submit(ask(key=key))
    with pytest.raises(TaskNotFound):
        tasks.cancel("nosuch", user_id="ann")
    assert read_events(store).events == []


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_key_and_body_is_the_same_task_and_another_body_is_refused(tasks: Tasks) -> None:
    first, is_new = tasks.submit(ask(key="k1", body=b"{}"))
    again, is_new_again = tasks.submit(ask(key="k1", body=b"{}"))
    assert (is_new, is_new_again, again.task_id) == (True, False, first.task_id)
    with pytest.raises(KeyMisused):
        tasks.submit(ask(key="k1", body=b"[]"))
    other, is_new = tasks.submit(ask(user="bob", key="k1", body=b"[]"))
    assert (is_new, other.task_id != first.task_id) == (True, True)


def test_a_key_is_forgotten_when_its_time_is_over(tasks: Tasks, store: Store, clock: FakeClock) -> None:
    first, _ = tasks.submit(ask(key="k1", body=b"{}"))
    clock.advance(24 * 3600 - 1)
    assert tasks.submit(ask(key="k1", body=b"{}"))[0].task_id == first.task_id
    clock.advance(2)
    assert tasks.submit(ask(key="k1", body=b"[]"))[1]
    clock.advance(25 * 3600)
    assert store.write(lambda tx: forget_keys(tx, clock.now_ns(), 100)) == 1


def test_an_action_is_done_once_however_often_it_is_asked_for(tasks: Tasks, store: Store) -> None:
    one, _ = tasks.submit(ask())
    two, _ = tasks.submit(ask())
    canceled = tasks.cancel(one.task_id, user_id="ann", key="c1")
    assert tasks.cancel(one.task_id, user_id="ann", key="c1") == canceled
    for task_id, act in ((two.task_id, tasks.cancel), (one.task_id, tasks.retry)):
        with pytest.raises(KeyMisused):
            act(task_id, user_id="ann", key="c1")
    tasks.retry(one.task_id, user_id="ann", key="r1")
    tasks.retry(one.task_id, user_id="ann", key="r1")
    assert [to for _, to, _ in moves_of(store, one.task_id)] == [QUEUED, CANCELED, QUEUED]


def test_sixty_four_at_once_with_one_key_make_one_task(tasks: Tasks, store: Store) -> None:
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: tasks.submit(ask(key="k", body=b"{}")), range(64)))
    assert len({task.task_id for task, _ in made}) == 1
    assert [is_new for _, is_new in made].count(True) == 1
    with store.read() as connection:
        assert len(connection.execute(select(tasks_table.c.task_id)).all()) == 1


# ── the ledger ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_of_four_hundred_at_once_exactly_as_many_are_admitted_as_there_is_room_for(tasks: Tasks, store: Store) -> None:
    store.write(lambda tx: set_units_max(tx, "ann", 100))

    def many(_: int) -> int:
        admitted = 0
        for _ in range(50):
            try:
                tasks.submit(ask())
                admitted += 1
            except QuotaExceeded:
                pass
        return admitted

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(many, range(8))) == 100
    with store.read() as connection:
        account = connection.execute(select(usage_accounts)).one()
    assert (account.held, account.committed) == (100, 0)


def test_room_that_is_let_go_of_can_be_used_again_and_what_was_used_can_not(tasks: Tasks, store: Store) -> None:
    store.write(lambda tx: set_units_max(tx, "ann", 1))
    task, _ = tasks.submit(ask())
    with pytest.raises(QuotaExceeded, match="1 of 1 units"):
        tasks.submit(ask())
    tasks.cancel(task.task_id, user_id="ann")
    task, _ = tasks.submit(ask())
    work_off(tasks, task)
    with pytest.raises(QuotaExceeded):
        tasks.submit(ask())
    with pytest.raises(QuotaExceeded):
        store.write(lambda tx: set_units_max(tx, "ann", 0))
    assert store.write(lambda tx: net_units(tx, task.task_id)) == 1


def test_the_ledger_ends_nothing_that_it_does_not_hold(store: Store) -> None:
    ledger = UsageLedger()
    with pytest.raises(LedgerBroken):
        store.write(lambda tx: ledger.commit(tx, "ann", "t", "round-1", 1, 1))
    store.write(lambda tx: ledger.hold(tx, *Entry("ann", "t", "round-1"), 1))
    store.write(lambda tx: ledger.release(tx, *Entry("ann", "t", "round-1"), 1))
    with pytest.raises(LedgerBroken):
        store.write(lambda tx: ledger.commit(tx, *Entry("ann", "t", "round-1"), 1))


# ── whatever happens ─────────────────────────────────────────────────────────────────────────────────────────────────


def holds_together(store: Store, user_id: str) -> None:
    """What is true of a user's tasks, their ledger, outbox and journal at any time."""
    with store.read() as connection:
        mine = [
            select(table).where(table.c.user_id == user_id) for table in (usage_ledger, usage_accounts, tasks_table)
        ]
        entries = connection.execute(mine[0].order_by(usage_ledger.c.id)).all()
        accounts = {row.user_id: row for row in connection.execute(mine[1])}
        found = connection.execute(mine[2]).all()
    held = dict.fromkeys(accounts, 0)
    committed = dict(held)
    for task in found:
        rounds: dict[str, list[str]] = {}
        for entry in entries:
            if entry.task_id == task.task_id:
                rounds.setdefault(entry.source, []).append(entry.status)
        assert sorted(rounds) == [f"round-{number}" for number in range(1, task.round_no + 1)]
        for source, statuses in rounds.items():
            assert statuses[0] == HELD
            assert len(statuses) <= 2
            if source != f"round-{task.round_no}":
                assert statuses[1] == RELEASED
        last = rounds[f"round-{task.round_no}"][1:]
        assert last == {SUCCEEDED: [COMMITTED], FAILED: [RELEASED], CANCELED: [RELEASED]}.get(task.state, [])
        if not last:
            held[task.user_id] += task.units
        committed[task.user_id] += task.units if last == [COMMITTED] else 0
        found_events = read_events(store, EventFilter(run_id=task.task_id), limit=1000).events
        told = [msgspec.json.decode(event.payload) for event in found_events if event.type == "ledger_entry"]
        ours = [(entry.status, entry.source) for entry in entries if entry.task_id == task.task_id]
        assert [(one["status"], one["source"]) for one in told] == ours
        types = [event.type for event in found_events]
        assert types.count("span_started") - types.count("span_finished") == (task.began_at is not None)
        assert types.count("run_finished") == len([status for status, _ in ours if status != HELD])
        assert (task.worker_id is None) == (task.began_at is None)
        moves = moves_of(store, task.task_id)
        assert [version for *_, version in moves] == list(range(1, task.version + 1))
        assert [after for _, after, _ in moves][-1] == task.state
        assert all(earlier[1] == later[0] for earlier, later in itertools.pairwise(moves))
        assert all(PIPELINES[task.pipeline].allows(before, after) for before, after, _ in moves)
    for user, account in accounts.items():
        assert (account.held, account.committed) == (held[user], committed[user])
        assert account.units_max is None or account.held + account.committed <= account.units_max


ACTIONS = (
    "submit",
    "cancel",
    "retry",
    "begin",
    "done",
    "failed",
    "final",
    "lost",
    "hand_back",
    "expire",
    "progress",
    "stale",
)


@pytest.mark.parametrize(("name", "examples"), [("sqlite", 12), ("postgresql", 3)])
def test_whatever_order_things_happen_in_it_holds_together(
    name: str, examples: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    backend = BACKENDS[name](tmp_path_factory.mktemp("tasks"))
    number = itertools.count()

    @settings(max_examples=examples, deadline=None, phases=[Phase.generate, Phase.shrink])
    @given(seed=st.integers(0, 2**32), chosen=st.lists(st.sampled_from(ACTIONS), min_size=5, max_size=40))
    def run(seed: int, chosen: list[str]) -> None:
        clock, user = FakeClock(), f"ann-{next(number)}"
        tasks = make_tasks(store, clock)
        store.write(lambda tx: set_units_max(tx, user, 3))
        chance = random.Random(seed)
        seen: list[Task] = []
        for action in chosen:
            try:
                _act(tasks, action, seen, chance, clock, user)
            except (MoveIllegal, VersionConflict, QuotaExceeded):
                continue  # refused, as it may be, and nothing else
        holds_together(store, user)

    try:
        store = backend.open()
        run()
    finally:
        backend.close()


def _act(tasks: Tasks, action: str, seen: list[Task], chance: random.Random, clock: FakeClock, user: str) -> None:
    if action == "submit" or not seen:
        due = chance.choice([None, clock.now_ns() + 2_500_000_000])
        seen.append(tasks.submit(ask(user, pipeline=chance.choice(["summarise", "media"]), deadline_at=due))[0])
        return
    if action == "expire":
        clock.advance(1)
        tasks.expire(clock.now_ns())
        return
    old = chance.choice(seen)
    task = old if action == "stale" else tasks.get(old.task_id)
    match action:
        case "cancel":
            task = tasks.cancel(task.task_id, user_id=user)
        case "retry":
            task = tasks.retry(task.task_id, user_id=user)
        case "begin":
            task = tasks.begin(task.task_id, task.attempt_no, chance.choice(["w1", "w2"]))
        case "lost":
            task = tasks.lost(task.task_id, task.attempt_no)
        case "hand_back":
            task = tasks.hand_back(task.task_id, task.attempt_no)
        case "progress":
            task = tasks.progress(task, chance.random())
        case "failed" | "final":
            task = tasks.failed(task, ERROR, final=action == "final")
        case _:  # a worker says done of a task that it read at some time
            task = tasks.done(tasks.begin(task.task_id, task.attempt_no, "w1"), {"by": "worker"})
    seen.append(task)


# ── erased ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_erased_of_a_task_is_all_that_it_was_given_and_came_to(tasks: Tasks, store: Store) -> None:
    done, waits = work_off(tasks, tasks.submit(ask())[0]), tasks.submit(ask("bob"))[0]
    with store.read() as connection:
        assert guard_of(connection) is not None
        assert left_over(connection, EventFilter(run_id=waits.task_id), 10) == []
        ((task_id, held),) = left_over(connection, EventFilter(actors=("ann", "bob"), since=0), 10)
        assert (task_id, '{"folder":"a"}' in held) == (done.task_id, True)
        assert stands(connection, '"folder":"a"')
    told = read_events(store, EventFilter(run_id=done.task_id)).events
    store.write(lambda tx: erase(tx, [event.id for event in told]))
    left = tasks.get(done.task_id)
    assert (left.input, left.results, left.result, left.error, left.is_erased) == (ERASED, {}, None, None, True)
    assert (left.state, left.version, left.user_id) == (done.state, done.version, done.user_id)
    assert tasks.get(waits.task_id) == waits
    with store.read() as connection:
        assert left_over(connection, EventFilter(), 10) == []
        check = guard_of(connection)
        assert check is not None
        check([event.id for event in told])
        with pytest.raises(TaskUnderWay):
            check([event.id for event in read_events(store, EventFilter(run_id=waits.task_id)).events])
