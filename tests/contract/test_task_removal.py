"""Tasks that are over are removed on every store when they were kept long enough, unless a legal hold is on their run."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from flightlog.config import Settings
from flightlog.deadletters.table import replay_items
from flightlog.errors import TaskNotFound
from flightlog.journal.filter import EventFilter
from flightlog.journal.read import read_events
from flightlog.retention import holds as legal
from flightlog.store.contract import Store
from flightlog.tasks import remove as removing
from flightlog.tasks.remove import BEGINNING, Holds
from flightlog.tasks.table import idempotency_keys, task_action_idempotency
from flightlog.tasks.task import Task
from flightlog.testing import FakeClock
from flightlog.usage.ledger import COMMITTED, HELD
from flightlog.working.holding import held_tasks
from flightlog.working.reaper import REMOVE_SECONDS
from tests.contract.test_tasks import ask, ledger_of, make_tasks, work_off
from tests.deadletters.making import Hangar
from tests.working.floor import make_platform, steps

DAY = 24 * 3600
KEPT_SECONDS = Settings().task_kept_seconds


def remove(store: Store, before_ns: int, holds: Holds) -> int:
    """The whole walk; how many were removed."""
    total, place = 0, BEGINNING
    while True:
        gone, after = removing.remove(store, before_ns, holds, place)
        total += gone
        if after is None:
            return total
        place = after


def nobody(connection: Connection, task_ids: Collection[str]) -> Collection[str]:
    return ()


def hold(store: Store, **wanted: Any) -> None:
    """A legal hold; its audit event is not what these tests are about."""
    store.write(
        lambda tx: legal.place(
            tx, f"h-{wanted}", EventFilter(**wanted), {}, reason="a claim", actor="ann", now_ns=1, say=lambda *said: 1
        )
    )


def is_there(hangar: Any, task: Task) -> bool:
    try:
        return bool(hangar.get(task.task_id))
    except TaskNotFound:
        return False


def test_a_task_is_removed_when_it_was_over_for_long_enough_and_not_before(store: Store) -> None:
    clock = FakeClock()
    tasks = make_tasks(store, clock)
    waits = tasks.submit(ask(key="k0", body=b"0"))[0]
    done = work_off(tasks, tasks.submit(ask(key="k1", body=b"1"))[0])
    canceled = tasks.cancel(tasks.submit(ask())[0].task_id, user_id="bob", key="k2")
    clock.advance(1)
    late = work_off(tasks, tasks.submit(ask(key="k3", body=b"3"))[0])
    assert done.finished_at is not None
    assert remove(store, done.finished_at, nobody) == 0
    assert remove(store, done.finished_at + 1, nobody) == 2
    assert [is_there(tasks, task) for task in (waits, done, canceled, late)] == [True, False, False, True]
    with store.read() as connection:
        kept = connection.execute(select(idempotency_keys.c.key).order_by(idempotency_keys.c.key)).scalars().all()
        assert kept == ["k0", "k3"]
        assert connection.execute(select(func.count()).select_from(task_action_idempotency)).scalar_one() == 0
    assert ledger_of(store, done.task_id) == [(HELD, "round-1"), (COMMITTED, "round-1")]
    assert read_events(store, EventFilter(run_id=done.task_id)).events
    assert tasks.submit(ask(key="k1", body=b"1"))[1]  # its key is free again


def test_many_are_removed_in_bounded_pieces(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    tasks = make_tasks(store, clock)
    made = [tasks.cancel(tasks.submit(ask())[0].task_id, user_id="ann") for _ in range(7)]
    tasks.submit(ask())
    monkeypatch.setattr(removing, "ROWS_MAX", 3)
    kept = {made[0].task_id, made[4].task_id}
    assert remove(store, clock.now_ns() + 1, lambda connection, ids: kept & set(ids)) == 5
    assert {task.task_id for task in made if is_there(tasks, task)} == kept


def test_one_that_is_retried_or_held_meanwhile_is_kept(store: Store) -> None:
    clock = FakeClock()
    tasks = make_tasks(store, clock)
    retried, held, gone = (tasks.cancel(tasks.submit(ask())[0].task_id, user_id="ann") for _ in range(3))
    looks = 0

    def meanwhile(connection: Connection, task_ids: Collection[str]) -> Collection[str]:
        nonlocal looks
        looks += 1
        if looks == 1:
            tasks.retry(retried.task_id, user_id="ann")
            return ()
        assert retried.task_id not in task_ids
        return {held.task_id}

    assert remove(store, clock.now_ns() + 1, meanwhile) == 1
    assert [is_there(tasks, task) for task in (retried, held, gone)] == [True, True, False]


@pytest.mark.parametrize(
    ("wanted", "is_held"),
    [
        (lambda task: {"run_id": task.task_id}, True),
        (lambda task: {"task_id": task.task_id, "types": ("llm_request",)}, True),
        (lambda task: {"actors": ("ann",)}, True),
        (lambda task: {"project": "default", "types": ("run_finished",), "statuses": ("canceled",)}, True),
        (lambda task: {"trace_id": task.trace_id}, True),
        (lambda task: {"until": task.finished_at + 1, "sources": ("tasks",)}, True),
        (lambda task: {"since": task.finished_at + 1}, False),
        (lambda task: {"run_id": "another"}, False),
        (lambda task: {"actors": ("bob",)}, False),
    ],
)
def test_a_legal_hold_on_its_run_keeps_a_task(store: Store, wanted: Any, is_held: bool) -> None:
    clock = FakeClock()
    tasks = make_tasks(store, clock)
    task = tasks.cancel(tasks.submit(ask())[0].task_id, user_id="ann")
    hold(store, **wanted(task))
    assert remove(store, clock.now_ns() + 1, held_tasks) == (0 if is_held else 1)
    assert is_there(tasks, task) is is_held


def test_whoever_looks_after_tasks_removes_them_after_the_time_that_is_set(store: Store, tmp_path: Any) -> None:
    clock = FakeClock()
    platform = make_platform(store, tmp_path, steps(READING=lambda task: None), clock=clock)
    free, held = (platform.tasks.submit(ask(user, pipeline="walk"))[0] for user in ("ann", "bob"))
    for task in (free, held):
        platform.tasks.cancel(task.task_id, user_id=task.user_id)
    hold(store, actors=("bob",))
    clock.advance(KEPT_SECONDS)
    platform.reaper.tick()
    assert is_there(platform.tasks, free)
    platform.reaper.tick()
    clock.advance(REMOVE_SECONDS)
    platform.reaper.tick()
    assert [is_there(platform.tasks, task) for task in (free, held)] == [False, True]


def test_the_dead_letter_of_a_task_that_is_gone_is_not_replayed(store: Store) -> None:
    hangar = Hangar(store)
    before, meanwhile = hangar.failed(2)
    removed = before.finished_at or 0
    assert remove(store, removed + 1, nobody) == 1
    plan = hangar.apply(hangar.plan())
    assert remove(store, hangar.clock.now_ns() + 1, nobody) == 1
    with store.read() as connection:
        asked = select(replay_items.c.expected).order_by(replay_items.c.letter_no)
        assert connection.execute(asked).scalars().all() == ["gone", "replayed"]
    hangar.run(plan)
    assert hangar.outcomes(plan) == ["gone", "gone"]
    assert [is_there(hangar.tasks, task) for task in (before, meanwhile)] == [False, False]
