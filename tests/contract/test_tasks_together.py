"""Moves that are asked for at the same moment: one transaction for all, and each has its own answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import delete, select

from flightlog.config import Settings
from flightlog.errors import KeyMisused, LedgerBroken, QuotaExceeded, StoreBusy, VersionConflict
from flightlog.events.envelope import Event
from flightlog.journal.append import Appended
from flightlog.store.contract import Store
from flightlog.tasks.commands import Tasks
from flightlog.tasks.pipeline import FAILED, QUEUED, SUCCEEDED
from flightlog.tasks.table import tasks as tasks_table
from flightlog.tasks.task import Task
from flightlog.testing import FakeClock
from flightlog.usage.ledger import COMMITTED, HELD, RELEASED, set_units_max
from flightlog.usage.table import usage_accounts, usage_ledger
from tests.contract.backends import Backend
from tests.contract.test_tasks import ask, ledger_of, make_tasks, moves_of, told_of

WAIT = 20.0
ERROR = {"kind": "OSError", "message": "no"}

Answer = Task | BaseException


@pytest.fixture
def tasks(store: Store) -> Tasks:
    return make_tasks(store, FakeClock())


@contextmanager
def busy(store: Store) -> Iterator[None]:
    """The writer has something else to do meanwhile."""
    there, go = threading.Event(), threading.Event()

    def hold(tx: Any) -> None:
        there.set()
        assert go.wait(WAIT)

    with ThreadPoolExecutor(1) as one:
        held = one.submit(store.write, hold, WAIT)
        assert there.wait(WAIT)
        try:
            yield
        finally:
            go.set()
            held.result(WAIT)


def at_once(tasks: Tasks, *asks: Callable[[], Any]) -> list[Any]:
    """What each is answered, when all of them are asked for in this order while the writer is busy."""
    with ThreadPoolExecutor(len(asks)) as pool:
        with busy(tasks.store):
            asked: list[Future[Any]] = []
            for one in asks:
                asked.append(pool.submit(one))
                deadline = time.monotonic() + WAIT
                while len(tasks._together._waiting) + len(tasks._submits._waiting) < len(asked):
                    assert time.monotonic() < deadline
        return [one.exception(WAIT) or one.result(WAIT) for one in asked]


class Appends:
    """Counts what is appended to the journal."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def appended(self, events: Sequence[Event], appended: Appended, seconds: float | None) -> None:
        self.sizes.append(len(events))

    def append_failed(self, error: BaseException) -> None:
        raise AssertionError(error)


def accounts(store: Store) -> dict[str, tuple[int, int]]:
    with store.read() as connection:
        return {row.user_id: (row.held, row.committed) for row in connection.execute(select(usage_accounts))}


def begun(tasks: Tasks, *users: str) -> list[Task]:
    made = [tasks.submit(ask(user))[0] for user in users]
    return [tasks.begin(task.task_id, 1, "w1") for task in made]


def last(tasks: Tasks, *users: str) -> list[Task]:
    """Tasks in their last step."""
    return [tasks.done(task, None) for task in begun(tasks, *users)]


def test_all_who_wait_are_one_append_and_who_is_too_late_loses_alone(tasks: Tasks, store: Store) -> None:
    made = [tasks.submit(ask())[0] for _ in range(4)]
    appends = tasks._mover.journal.meter = Appends()
    numbers = (1, 1, 2, 1)
    answers = at_once(
        tasks, *(lambda at=at, no=no: tasks.begin(at.task_id, no, "w1") for at, no in zip(made, numbers, strict=True))
    )
    assert appends.sizes == [6], "the moves and the steps of three tasks"
    assert isinstance(answers[2], VersionConflict)
    assert tasks.get(made[2].task_id) == made[2]
    for place in (0, 1, 3):
        assert answers[place] == tasks.get(made[place].task_id)
        assert moves_of(store, made[place].task_id) == [("", QUEUED, 1), (QUEUED, "READING", 2)]


def test_different_moves_go_together_and_the_accounts_add_up(tasks: Tasks, store: Store) -> None:
    one, other, third, late = last(tasks, "ann", "ann", "bob", "bob")
    answers = at_once(
        tasks,
        lambda: tasks.done(one, {"n": 1}),
        lambda: tasks.failed(other, ERROR, final=True),
        lambda: tasks.done(third, None),
        lambda: tasks.failed(late, ERROR),
    )
    assert [answer.state for answer in answers if isinstance(answer, Task)] == [SUCCEEDED, FAILED, SUCCEEDED, QUEUED]
    assert answers == [tasks.get(task.task_id) for task in (one, other, third, late)]
    assert [ledger_of(store, task.task_id)[-1][0] for task in (one, other, third, late)] == [
        COMMITTED, RELEASED, COMMITTED, HELD,
    ]  # fmt: skip
    assert accounts(store) == {"ann": (0, 1), "bob": (1, 1)}
    topics = [[topic for topic, _ in told_of(store, task.task_id)][-1] for task in (one, other, third, late)]
    assert topics == ["task.succeeded", "task.failed", "task.succeeded", "task.requeued"]


def test_the_same_task_twice_in_one_batch_is_one_after_the_other(tasks: Tasks, store: Store) -> None:
    task, other = begun(tasks, "ann", "bob")
    appends = tasks._mover.journal.meter = Appends()
    first, again, beside = at_once(
        tasks, lambda: tasks.done(task, 1), lambda: tasks.done(task, 2), lambda: tasks.done(other, 3)
    )
    assert isinstance(first, Task)
    assert isinstance(beside, Task)
    assert isinstance(again, VersionConflict), "what became of a step is stored once"
    assert tasks.get(task.task_id).results == {"READING": 1}
    assert len(appends.sizes) == 1, "nothing broke for that"

    moved = at_once(tasks, lambda: tasks.done(first, 4), lambda: tasks.failed(first, ERROR))
    assert [type(answer) for answer in moved] == [Task, VersionConflict]
    assert [version for *_, version in moves_of(store, task.task_id)] == [1, 2, 3, 4]
    assert [status for status, _ in ledger_of(store, task.task_id)] == [HELD, COMMITTED]


def test_a_worker_that_begins_twice_in_one_batch_begins_once(tasks: Tasks, store: Store) -> None:
    task = tasks.submit(ask())[0]
    appends = tasks._mover.journal.meter = Appends()
    answers = at_once(tasks, *(lambda who=who: tasks.begin(task.task_id, 1, who) for who in ("w1", "w1", "w2")))
    assert answers[0] == answers[1] == tasks.get(task.task_id)
    assert isinstance(answers[2], VersionConflict)
    assert len(moves_of(store, task.task_id)) == 2
    assert len(appends.sizes) == 1


def test_of_a_batch_that_breaks_each_is_asked_again_by_itself(tasks: Tasks, store: Store) -> None:
    one, broken, third = last(tasks, "ann", "ann", "bob")
    gone = delete(usage_ledger).where(usage_ledger.c.task_id == broken.task_id)
    store.write(lambda tx: tx.sql.execute(gone).rowcount)
    answers = at_once(tasks, *(lambda at=at: tasks.done(at, "done") for at in (one, broken, third)))
    assert [type(answer) for answer in answers] == [Task, LedgerBroken, Task]
    assert [tasks.get(task.task_id).state for task in (one, broken, third)] == [SUCCEEDED, "WRITING", SUCCEEDED]
    assert [len(moves_of(store, task.task_id)) for task in (one, broken, third)] == [4, 3, 4]
    assert accounts(store) == {"ann": (1, 1), "bob": (0, 1)}


def test_a_store_that_is_busy_for_too_long_tells_all_and_the_next_are_taken(backend: Backend) -> None:
    store = backend.open(settings=Settings(write_timeout_seconds=0.5))
    tasks = make_tasks(store, FakeClock())
    made = begun(tasks, "ann", "bob")
    with ThreadPoolExecutor(2) as pool, busy(store):
        asked = [pool.submit(tasks.done, task, "late") for task in made]
        assert [type(one.exception(WAIT)) for one in asked] == [StoreBusy, StoreBusy]
    assert [tasks.get(task.task_id) for task in made] == made, "nothing was stored"
    assert [tasks.done(task, "now").results for task in made] == [{"READING": "now"}] * 2


# ── new tasks ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_new_tasks_that_are_submitted_at_once_are_one_append_and_each_has_its_own(tasks: Tasks, store: Store) -> None:
    counted = Appends()
    tasks._mover.journal.meter = counted
    users = ["ann", "ann", "ben"]
    answers = at_once(tasks, *[lambda user=user: tasks.submit(ask(user)) for user in users])
    assert [is_new for _, is_new in answers] == [True, True, True]
    assert len(counted.sizes) == 1
    for (task, _), user in zip(answers, users, strict=True):
        assert tasks.get(task.task_id) == task
        assert (task.user_id, ledger_of(store, task.task_id)) == (user, [(HELD, "round-1")])
        assert [topic for topic, _ in told_of(store, task.task_id)] == ["task.created"]
        assert moves_of(store, task.task_id) == [("", QUEUED, 1)]
    with store.read() as connection:
        held = connection.execute(select(usage_accounts.c.user_id, usage_accounts.c.held).order_by("user_id")).all()
    assert [tuple(row) for row in held] == [("ann", 2), ("ben", 1)]


def test_of_those_that_are_submitted_at_once_only_who_has_no_room_is_refused(tasks: Tasks, store: Store) -> None:
    store.write(lambda tx: set_units_max(tx, "ann", 3))
    submits = [
        lambda: tasks.submit(ask("ann", units=2)),
        lambda: tasks.submit(ask("ann", units=2)),
        lambda: tasks.submit(ask("ben", units=2)),
        lambda: tasks.submit(ask("ann", units=1)),
    ]
    first, second, other, last = at_once(tasks, *submits)
    assert isinstance(second, QuotaExceeded)
    assert [is_new for _, is_new in (first, other, last)] == [True, True, True]
    with store.read() as connection:
        found = connection.execute(select(usage_accounts.c.user_id, usage_accounts.c.held).order_by("user_id")).all()
        assert [tuple(row) for row in found] == [("ann", 3), ("ben", 2)]
        assert sum(connection.execute(select(usage_ledger.c.units)).scalars()) == 5
    assert len(tasks_of(store)) == 3


def test_one_key_that_comes_twice_at_once_is_one_task_and_misused_it_is_refused(tasks: Tasks, store: Store) -> None:
    tasks.submit(ask(key="before", body=b"a"))
    first, again, other, misused, known = at_once(
        tasks,
        lambda: tasks.submit(ask(key="k", body=b"a")),
        lambda: tasks.submit(ask(key="k", body=b"a")),
        lambda: tasks.submit(ask("ben", key="k", body=b"a")),
        lambda: tasks.submit(ask(key="k", body=b"b")),
        lambda: tasks.submit(ask(key="before", body=b"a")),
    )
    assert again == (first[0], False)
    assert first[1]
    assert other[1]
    assert other[0].task_id != first[0].task_id
    assert isinstance(misused, KeyMisused)
    assert known[1] is False
    assert len(tasks_of(store)) == 3


def tasks_of(store: Store) -> list[str]:
    with store.read() as connection:
        return list(connection.execute(select(tasks_table.c.task_id)).scalars())
