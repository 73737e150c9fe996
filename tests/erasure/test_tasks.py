"""Erasure of tasks: what the work was given and what came of it goes with the events that told of it, from every table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flightlog.config import Settings
from flightlog.deadletters.letters import DeadLetters
from flightlog.errors import EventsHeld, TaskErased, TaskUnderWay
from flightlog.journal.filter import EventFilter
from flightlog.keeping import keeper_eraser, say_retained
from flightlog.retention.holds import place
from flightlog.tasks.commands import Asked, Tasks
from flightlog.tasks.moves import Mover
from flightlog.tasks.pipeline import Pipeline
from flightlog.tasks.table import tasks as tasks_table
from flightlog.tasks.task import ERASED, Task
from flightlog.testing import FakeClock, SequentialIds
from flightlog.usage.ledger import UsageLedger
from flightlog.wiring import Keeper, make_intake
from tests.contract.making import event
from tests.erasure.test_erasure import SECRET, erase, files_with

SUMMARISE = Pipeline("summarise", ("QUEUED", "READING", "WRITING"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "flight"


@pytest.fixture
def keeper(folder: Path) -> Iterator[Keeper]:
    made = Keeper(folder, Settings(), writable=True)
    yield made
    made.close()


@pytest.fixture
def tasks(keeper: Keeper) -> Tasks:
    clock, intake = FakeClock(), make_intake(keeper.folder, keeper.settings)
    letters = DeadLetters(keeper.journal, intake)
    mover = Mover(keeper.journal, UsageLedger(), clock, SequentialIds(), intake, letters)
    return Tasks(keeper.store, mover, {"summarise": SUMMARISE}, keeper.settings, lambda: 0.5)


def ask(tasks: Tasks, user: str = "ann", **given: Any) -> Task:
    return tasks.submit(Asked(**{"pipeline": "summarise", "input": {"text": SECRET}, "user_id": user} | given))[0]


def work_off(tasks: Tasks, task: Task, said: str = SECRET[::-1]) -> Task:
    task = tasks.begin(task.task_id, task.attempt_no, "w1")
    while not task.is_over:
        task = tasks.done(task, {"said": said})
    return task


def fail(tasks: Tasks, task: Task) -> Task:
    task = tasks.begin(task.task_id, task.attempt_no, "w1")
    return tasks.failed(task, {"kind": "OSError", "message": SECRET}, final=True)


def all_of_one(tasks: Tasks) -> list[Task]:
    """Tasks that came to every end, whose words stand in rows, letters, messages, events and answers under keys."""
    done, failed = work_off(tasks, ask(tasks, key="k1", body=b"1")), fail(tasks, ask(tasks, key="k2", body=b"2"))
    again = fail(tasks, ask(tasks))
    again = fail(tasks, tasks.retry(again.task_id, user_id="ann", key="k3", reason=SECRET))
    canceled = tasks.cancel(ask(tasks).task_id, user_id="ann", key="k4", reason=SECRET)
    return [done, failed, again, canceled]


def test_not_a_byte_of_a_task_is_left_in_any_file(keeper: Keeper, folder: Path, tasks: Tasks) -> None:
    made = all_of_one(tasks)
    kept = work_off(tasks, ask(tasks, "bob", input="fine"), "fine")
    assert files_with(folder, SECRET)
    erase(keeper, actors=("ann",))  # type: ignore[arg-type]
    assert files_with(folder, SECRET) == []
    for task in made:
        left = tasks.get(task.task_id)
        assert (left.input, left.results, left.result, left.result_until) == (ERASED, {}, None, None)
        assert (left.state, left.version, left.finished_at) == (task.state, task.version, task.finished_at)
        assert left.error == (None if task.error is None else {"kind": ERASED, "message": ERASED})
        assert left.reason == (None if task.reason is None else ERASED)
    assert tasks.get(kept.task_id).input == "fine"


def test_each_run_of_a_task_is_erased_with_its_task_and_no_other(keeper: Keeper, folder: Path, tasks: Tasks) -> None:
    first, other = work_off(tasks, ask(tasks)), work_off(tasks, ask(tasks, input={"text": "kept"}))
    erase(keeper, run_id=first.task_id)
    assert (tasks.get(first.task_id).input, tasks.get(other.task_id).input) == (ERASED, {"text": "kept"})
    assert tasks.get(other.task_id).result == {"said": SECRET[::-1]}


def test_the_same_key_has_the_same_answer_as_before_without_its_words(keeper: Keeper, tasks: Tasks) -> None:
    canceled = tasks.cancel(ask(tasks).task_id, user_id="ann", key="k", reason=SECRET)
    erase(keeper, run_id=canceled.task_id)
    again, is_new = tasks.act(canceled.task_id, "cancel", user_id="ann", key="k")
    assert (is_new, again.state, again.reason) == (False, "CANCELED", ERASED)


def test_what_is_under_way_is_not_erased_and_nothing_else_is_either(keeper: Keeper, tasks: Tasks) -> None:
    done, waits = work_off(tasks, ask(tasks)), ask(tasks)
    with pytest.raises(TaskUnderWay, match=waits.task_id):
        erase(keeper, actors=("ann",))  # type: ignore[arg-type]
    assert tasks.get(done.task_id) == done
    tasks.cancel(waits.task_id, user_id="ann")
    erase(keeper, actors=("ann",))  # type: ignore[arg-type]
    assert tasks.get(waits.task_id).input == ERASED
    ask(tasks, "bob")
    erase(keeper, run_id=done.task_id)  # what another has under way is in nobody's way


def test_what_was_erased_is_not_done_again(keeper: Keeper, tasks: Tasks) -> None:
    failed = fail(tasks, ask(tasks))
    erase(keeper, run_id=failed.task_id)
    with pytest.raises(TaskErased):
        tasks.retry(failed.task_id, user_id="ann")
    assert tasks.get(failed.task_id).state == "FAILED"


def test_what_others_said_of_a_run_takes_nothing_of_its_task(keeper: Keeper, tasks: Tasks) -> None:
    done = work_off(tasks, ask(tasks))
    opinion = {"target_id": done.task_id, "kind": "comment", "value": "nice", "comment": "nice"}
    keeper.journal.append([event(9_999, "feedback", run_id=done.task_id, actor="bob", payload=opinion)])
    erase(keeper, actors=("bob",))  # type: ignore[arg-type]
    assert tasks.get(done.task_id) == done


def test_a_task_that_is_kept_longer_than_its_events_is_erased_too(keeper: Keeper, folder: Path, tasks: Tasks) -> None:
    made = all_of_one(tasks)
    work_off(tasks, ask(tasks, "bob", input="fine"), "fine")
    forget_events(keeper)
    assert files_with(folder, SECRET)
    eraser = keeper_eraser(keeper)
    assert eraser.count_beyond(EventFilter(task_id=made[0].task_id)) == 1
    assert eraser.count_beyond(EventFilter(types=("run_started",), actors=("ann",))) == 0
    done = erase(keeper, actors=("ann",))  # type: ignore[arg-type]
    assert done.events == 0  # type: ignore[attr-defined]
    assert done.tasks == 4  # type: ignore[attr-defined]
    assert files_with(folder, SECRET) == []
    assert erase(keeper, actors=("ann",)).tasks == 0  # type: ignore[arg-type, attr-defined]


def test_a_task_under_a_legal_hold_is_not_erased_though_its_events_are_gone(keeper: Keeper, tasks: Tasks) -> None:
    done = work_off(tasks, ask(tasks))
    forget_events(keeper)
    say = say_retained(keeper, "ann")
    wanted = EventFilter(run_id=done.task_id)
    keeper.store.write(lambda tx: place(tx, "h1", wanted, {}, reason="a claim", actor="a", now_ns=1, say=say))
    with pytest.raises(EventsHeld):
        erase(keeper, run_id=done.task_id)
    assert tasks.get(done.task_id) == done


def forget_events(keeper: Keeper) -> None:
    """What retention leaves: the rows of tasks, and nothing of their events."""
    from sqlalchemy import delete

    from flightlog.deadletters.table import dead_letters
    from flightlog.journal.table import event_payloads, run_events

    def work(tx: Any) -> None:
        for table in (event_payloads, run_events, dead_letters):
            tx.sql.execute(delete(table))

    keeper.store.write(work)
    keeper.store.scrub()
    assert tasks_table is not None
