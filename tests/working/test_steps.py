"""What the code of a step is handed: its recorder, its progress, and how it hears that it works in vain."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import flightlog
from flightlog.config import Settings
from flightlog.events.envelope import StoredEvent
from flightlog.journal.read import EventFilter, read_events
from flightlog.store.engine import open_store
from flightlog.tasks import Overtaken
from flightlog.tasks.pipeline import SUCCEEDED
from flightlog.tasks.task import Task
from flightlog.testing import FakeClock
from flightlog.wiring import Keeper, keeper_drain
from flightlog.working.opening import keeper_platform
from flightlog.working.platform import Platform
from flightlog.working.steps import TaskRun
from tests.working.floor import make_platform, running, steps, submit, wait_over, wait_until


class Folder:
    """A folder that is kept, drained and worked on as `flightlog up` does."""

    def __init__(self, place: Path, **given: Any) -> None:
        self.keeper = Keeper(place, Settings(seal=False, archive=False, **given), writable=True, take_lock=True)
        self.drain = keeper_drain(self.keeper)
        self.drain.start()
        self.platform: Platform | None = None

    def do(self, step: Callable[[Any], Any], **given: Any) -> Task:
        """A task of one step, done."""
        self.platform = keeper_platform(self.keeper, self.drain, {"walk": steps(READING=step)})
        with running(self.platform):
            return wait_over(self.platform, submit(self.platform, **given))

    def events(self, task: Task, *types: str) -> list[StoredEvent]:
        return read_events(self.keeper.store, EventFilter(run_id=task.task_id, types=types), limit=500).events

    def close(self) -> None:
        self.drain.stop()
        self.keeper.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path / "flight", heartbeat_seconds=0.1)
    yield made
    made.close()


def test_what_a_step_records_lands_on_its_tasks_run_inside_its_span_and_before_its_end(folder: Folder) -> None:
    def read(task: Any) -> None:
        task.recorder.emit("note", {"text": "one"})
        with task.recorder.span("inner"):
            current = flightlog.current_run()
            assert current is not None
            current.emit("note", {"text": "two"})
        assert task.recorder.finish() is None  # the task's end is its own

    task = folder.do(read, user_id="ann", project="shop")
    assert task.state == SUCCEEDED
    one, two = folder.events(task, "note")
    assert (one.task_id, one.project, one.actor, one.source) == (task.task_id, "shop", "ann", "walk")
    assert (one.trace_id, one.producer_id is not None) == (task.trace_id, True)
    began, inner_began = folder.events(task, "span_started")
    inner_ended, ended = folder.events(task, "span_finished")
    assert (one.span_id, inner_began.parent_span_id) == (began.span_id, began.span_id)
    assert two.span_id == inner_began.span_id == inner_ended.span_id
    assert began.id < one.id < two.id < inner_ended.id < ended.id
    assert [event.type for event in folder.events(task, "run_started", "run_finished")] == [
        "run_started",
        "run_finished",
    ]


def test_what_a_failing_step_recorded_is_there_too(folder: Folder) -> None:
    def read(task: Any) -> None:
        task.recorder.emit("note", {"text": f"attempt {task.attempt_no}"})
        raise OSError("no")

    task = folder.do(read)
    said = [msgspec.json.decode(bytes(event.payload))["text"] for event in folder.events(task, "note")]
    assert said == ["attempt 1", "attempt 2", "attempt 3"]


def test_a_step_that_takes_long_is_known_to_be_alive(folder: Folder) -> None:
    def read(task: Any) -> None:
        wait_until(folder.keeper.store, lambda: beats(task.id))

    def beats(run_id: str) -> bool:
        return bool(read_events(folder.keeper.store, EventFilter(run_id=run_id, types=("run_heartbeat",))).events)

    assert folder.do(read).state == SUCCEEDED


def test_secrets_that_a_step_records_never_touch_the_disk(folder: Folder) -> None:
    secret = "ghp_" + "a1B2c3D4e5" * 4
    task = folder.do(lambda task: task.recorder.emit("note", {"text": f"token {secret}"}) and None)
    assert len(folder.events(task, "note")) == 1
    found = [
        file for file in folder.keeper.folder.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()
    ]
    assert found == []


class Stub:
    """Tasks that count what they are told."""

    def __init__(self) -> None:
        self.told: list[float] = []
        self.error: Exception | None = None

    def progress(self, task: Task, share: float) -> None:
        if self.error is not None:
            raise self.error
        self.told.append(share)


def test_progress_is_stored_a_few_times_a_second_and_at_once_when_it_is_much(tmp_path: Path) -> None:
    store = open_store(tmp_path / "flight", writable=True)
    platform = make_platform(store, tmp_path, steps(READING=lambda task: None))
    submitted = submit(platform)
    begun = platform.tasks.begin(submitted.task_id, 1, "embedded")
    clock, told = FakeClock(), Stub()
    run = TaskRun(begun, told, clock, lambda: None)  # type: ignore[arg-type,return-value]
    for thousandth in range(1, 101):
        run.progress(thousandth / 1_000)
        clock.advance(0.001)
    assert told.told == [0.001, pytest.approx(0.051, abs=0.0011)]
    clock.advance(0.2)
    run.progress(0.101)
    run.progress(0.05)
    run.progress(7)
    assert told.told[2:] == [0.101, 1.0]
    real = TaskRun(begun, platform.tasks, clock, lambda: None)  # type: ignore[arg-type,return-value]
    real.progress(0.5)
    real.check()
    platform.tasks.cancel(begun.task_id, user_id="ann")
    clock.advance(1)
    for hears in (real.check, lambda: real.progress(0.9)):
        with pytest.raises(Overtaken, match="not its present one"):
            hears()
    store.close()


def test_a_step_hears_at_its_next_check_that_its_deadline_has_passed(tmp_path: Path) -> None:
    store = open_store(tmp_path / "flight", writable=True)
    clock = FakeClock(time.time_ns())
    reached: list[str] = []

    def read(task: Any) -> None:
        task.check()
        clock.advance(61)
        try:
            task.check()
        except Overtaken as error:
            reached.append(str(error))
            raise

    platform = make_platform(store, tmp_path, steps(READING=read), clock=clock, worker_sweep_seconds=1000.0)
    with running(platform):  # nobody else looks after it: what the step hears ends its task
        ended = wait_over(platform, submit(platform, deadline_at=clock.now_ns() + 60 * 10**9))
    assert reached == ["the deadline has passed"]
    assert ended.error is not None
    assert ended.error["kind"] == "deadline"
    store.close()
