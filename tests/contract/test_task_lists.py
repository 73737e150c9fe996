"""Lists of tasks on every store: filters, pages and counts, each along an index."""

from __future__ import annotations

import itertools

import pytest
from sqlalchemy.dialects import sqlite

from flightlog.errors import CursorInvalid, LimitInvalid
from flightlog.store.contract import Store
from flightlog.tasks.commands import Tasks
from flightlog.tasks.listing import TaskFilter, count_states, list_tasks, page_of
from flightlog.tasks.task import Task
from flightlog.testing import FakeClock
from tests.contract.backends import Backend
from tests.contract.test_tasks import ERROR, ask, make_tasks, work_off

FILTERS = [
    TaskFilter(),
    TaskFilter(states=("QUEUED",)),
    TaskFilter(states=("SUCCEEDED", "FAILED", "QUEUED")),
    TaskFilter(states=("NOSUCH",)),
    TaskFilter(pipeline="media"),
    TaskFilter(queue="media", user_id="bob"),
    TaskFilter(user_id="ann", states=("FAILED",)),
    TaskFilter(project="shop"),
]


@pytest.fixture
def made(store: Store) -> list[Task]:
    """Tasks of two users and two pipelines in all kinds of states; the newest last, some of them at one moment."""
    clock = FakeClock()
    tasks: Tasks = make_tasks(store, clock)
    made = []
    for number, (user, pipeline) in enumerate(itertools.product(("ann", "bob"), ("summarise", "media") * 4)):
        task, _ = tasks.submit(ask(user, pipeline=pipeline, project="shop" if number % 3 else "default"))
        clock.advance(number % 2)
        if number % 4 == 1:
            task = work_off(tasks, task)
        elif number % 4 == 2:
            task = tasks.failed(tasks.begin(task.task_id, 1, "w1"), ERROR, final=True)
        made.append(task)
    return made


def passes(task: Task, wanted: TaskFilter) -> bool:
    named = ((wanted.pipeline, task.pipeline), (wanted.queue, task.queue), (wanted.user_id, task.user_id),
             (wanted.project, task.project))  # fmt: skip
    return (not wanted.states or task.state in wanted.states) and all(
        want is None or want == has for want, has in named
    )


def test_pages_hold_what_passes_once_and_the_newest_first(store: Store, made: list[Task]) -> None:
    for wanted in FILTERS:
        holds_what_passes(store, made, wanted)


def holds_what_passes(store: Store, made: list[Task], wanted: TaskFilter) -> None:
    expected = sorted((task for task in made if passes(task, wanted)), key=lambda task: (task.created_at, task.task_id))
    found, cursor = [], None
    while True:
        page = list_tasks(store, wanted, limit=3, cursor=cursor)
        assert len(page.tasks) <= 3
        found += page.tasks
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [row.task_id for row in found] == [task.task_id for task in reversed(expected)]
    for row, task in zip(found, reversed(expected), strict=True):
        assert {name: getattr(row, name) for name in row.__struct_fields__} == {
            name: getattr(task, name) for name in row.__struct_fields__
        }


def test_times_and_ids_narrow_a_list(store: Store, made: list[Task]) -> None:
    some = made[5]
    assert [row.task_id for row in list_tasks(store, TaskFilter(text=some.task_id)).tasks] == [some.task_id]
    assert list_tasks(store, TaskFilter(text="%")).tasks == []
    after = list_tasks(store, TaskFilter(since=some.created_at)).tasks
    before = list_tasks(store, TaskFilter(until=some.created_at)).tasks
    assert len(after) + len(before) == len(made)
    assert min(row.created_at for row in after) == some.created_at
    assert list_tasks(store, TaskFilter(user_id="\ud800")).tasks == []


def test_counts_are_of_all_states_that_a_list_could_ask_for(store: Store, made: list[Task]) -> None:
    for wanted in FILTERS:
        expected: dict[str, int] = {}
        for task in made:
            if passes(task, wanted._replace(states=())):
                expected[task.state] = expected.get(task.state, 0) + 1
        counts = [(count.state, count.count, count.is_more) for count in count_states(store, wanted)]
        assert counts == [(state, number, False) for state, number in sorted(expected.items())]


def test_what_can_not_be_a_page_is_refused(store: Store) -> None:
    for limit in (0, 1_001):
        with pytest.raises(LimitInvalid):
            list_tasks(store, limit=limit)
    for cursor in ("?", "e30", "WzFd", "WyJhIiwxXQ"):
        with pytest.raises(CursorInvalid):
            list_tasks(store, cursor=cursor)


def test_a_page_is_read_along_an_index_and_nothing_is_sorted(backend: Backend, store: Store) -> None:
    if store.dialect != "sqlite":
        pytest.skip("PostgreSQL chooses by the number of rows, and there are none")
    for wanted in (TaskFilter(), TaskFilter(states=("FAILED",)), TaskFilter(user_id="ann")):
        made = page_of(wanted, next(iter(wanted.states), None), None, 100).compile(dialect=sqlite.dialect())
        steps = backend.plan(store, str(made), tuple(made.params[name] for name in made.positiontup or ()))
        assert steps
        assert all(backend.is_by_index(step) for step in steps), steps
