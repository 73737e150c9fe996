"""Workers on every store: whole walks with real threads, and what becomes of tasks when code, workers or the store fail."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from flightlog.errors import LedgerBroken, StoreUnavailable, StoreUncertain
from flightlog.journal.read import EventFilter, read_events
from flightlog.queue.port import Job
from flightlog.queue.table import queue_jobs
from flightlog.runs.summary import get_run
from flightlog.store.contract import Store
from flightlog.tasks import Overtaken, RetryAfter, Unrecoverable
from flightlog.tasks.pipeline import CANCELED, FAILED, QUEUED, SUCCEEDED, Pipeline
from flightlog.tasks.table import tasks
from flightlog.tasks.task import Task
from flightlog.testing import FakeClock
from flightlog.working import roster
from flightlog.working.platform import Platform
from tests.working.floor import Gate, make_platform, running, steps, submit, wait_in, wait_over, wait_until

SECOND_NS = 1_000_000_000


def events_of(store: Store, task: Task, *types: str) -> list[tuple[str, Any]]:
    found = read_events(store, EventFilter(run_id=task.task_id, types=types), limit=500).events
    return [(event.name or "", msgspec.json.decode(bytes(event.payload))) for event in found]


def jobs_in(store: Store) -> int:
    with store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(queue_jobs)).scalar_one())


def raising(*errors: BaseException | None) -> Any:
    """A step that raises these in turn, and then gives how often it was called."""
    calls: list[int] = []

    def run(task: Any) -> Any:
        calls.append(task.attempt_no)
        error = errors[len(calls) - 1] if len(calls) <= len(errors) else None
        if error is not None:
            raise error
        return calls

    return run


# ── walks ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_task_is_done_and_its_story_is_told(store: Store, tmp_path: Path) -> None:
    def write(task: Any) -> str:
        return f"{task.results['READING']['words']} words for {task.user_id}"

    walk = steps(READING=lambda task: {"words": len(task.input["text"].split())}, WRITING=write)
    with running(make_platform(store, tmp_path, walk)) as platform:
        ended = wait_over(platform, submit(platform, input={"text": "to be or not"}))
        wait_until(store, lambda: jobs_in(store) == 0)
    assert (ended.state, ended.result, ended.attempt_no) == (SUCCEEDED, "4 words for ann", 1)
    assert [name for name, _ in events_of(store, ended, "span_finished")] == ["READING", "WRITING"]
    assert get_run(store, ended.task_id).status == "succeeded"


def test_a_task_starts_soon_after_it_was_submitted(store: Store, tmp_path: Path) -> None:
    took = []
    with running(make_platform(store, tmp_path, steps(READING=lambda task: None))) as platform:
        for _ in range(10):
            ended = wait_over(platform, submit(platform))
            run = platform.tasks.get(ended.task_id)
            assert run.finished_at is not None
            took.append(run.finished_at - run.created_at)
    assert sorted(took)[2] < 2 * SECOND_NS  # the machine may be busy; the bench has the figure


def test_states_without_a_step_are_passed_through(store: Store, tmp_path: Path) -> None:
    made = Pipeline("media", ("UPLOADED", "QUEUED", "READING", "WRITING"))
    with running(make_platform(store, tmp_path, made)) as platform:
        ended = wait_over(platform, submit(platform, "media"))
    assert (ended.state, ended.results) == (SUCCEEDED, {"READING": None, "WRITING": None})


def test_many_tasks_of_many_users_are_each_done_once(store: Store, tmp_path: Path) -> None:
    done: list[int] = []
    walk = steps(READING=lambda task: done.append(task.input["no"]))
    with running(make_platform(store, tmp_path, walk)) as platform:
        made = [submit(platform, input={"no": no}, user_id=f"user {no % 7}") for no in range(40)]
        assert {wait_over(platform, task).state for task in made} == {SUCCEEDED}
    assert sorted(done) == list(range(40))


def test_results_are_the_same_to_a_step_that_comes_at_once_and_to_one_that_comes_later(
    store: Store, tmp_path: Path
) -> None:
    seen: list[Any] = []

    def write(task: Any) -> None:
        seen.append(task.results)
        if len(seen) == 1:
            raise OSError("no")

    with running(make_platform(store, tmp_path, steps(READING=lambda task: {1: (2, 3)}, WRITING=write))) as platform:
        wait_over(platform, submit(platform))
    assert seen == [{"READING": {"1": [2, 3]}}] * 2


# ── failures of the code ─────────────────────────────────────────────────────────────────────────────────────────────


def test_what_fails_is_tried_again_and_goes_on_after_what_is_done(store: Store, tmp_path: Path) -> None:
    first: list[int] = []
    walk = steps(READING=lambda task: first.append(task.attempt_no), WRITING=raising(OSError("a"), SystemExit(3)))
    with running(make_platform(store, tmp_path, walk)) as platform:
        ended = wait_over(platform, submit(platform))
    assert (ended.state, ended.attempt_no, ended.tries, ended.result) == (SUCCEEDED, 3, 2, [1, 2, 3])
    assert first == [1]
    errors = [said["error"]["kind"] for _, said in events_of(store, ended, "span_finished") if "error" in said]
    assert errors == ["OSError", "SystemExit"]


@pytest.mark.parametrize(
    ("error", "tries"),
    [(Unrecoverable("no such thing"), 1), (ValueError("bad"), 3), (KeyboardInterrupt(), 3), (Overtaken("says who"), 3)],
)
def test_what_fails_for_good_is_a_dead_letter(store: Store, tmp_path: Path, error: BaseException, tries: int) -> None:
    with running(make_platform(store, tmp_path, steps(READING=raising(*[error] * 5)))) as platform:
        ended = wait_over(platform, submit(platform))
    assert (ended.state, ended.tries) == (FAILED, tries)
    assert ended.error is not None
    assert ended.error["kind"] == type(error).__name__
    assert len(events_of(store, ended, "dead_letter")) == 1


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (object(), "JSON can't hold"),
        ("\ud800", "JSON can't hold"),
        ("x" * 300_000, "300002 bytes of JSON"),
    ],
)
def test_a_result_that_can_not_be_kept_fails_at_once_and_says_so(
    store: Store, tmp_path: Path, result: Any, said: str
) -> None:
    with running(make_platform(store, tmp_path, steps(READING=lambda task: result))) as platform:
        ended = wait_over(platform, submit(platform))
    assert ended.error is not None
    assert (ended.state, ended.tries, ended.error["unrecoverable"]) == (FAILED, 1, True)
    assert said in ended.error["message"]


def test_a_result_of_just_the_largest_size_is_kept(store: Store, tmp_path: Path) -> None:
    platform = make_platform(
        store, tmp_path, steps(READING=lambda task: "x" * task.input["n"]), task_result_bytes_max=100
    )
    with running(platform):
        assert wait_over(platform, submit(platform, input={"n": 98})).state == SUCCEEDED
        assert wait_over(platform, submit(platform, input={"n": 99})).state == FAILED


def test_an_error_in_odd_text_is_kept_as_far_as_text_goes(store: Store, tmp_path: Path) -> None:
    with running(make_platform(store, tmp_path, steps(READING=raising(Unrecoverable("a\x00b\udcffc"))))) as platform:
        ended = wait_over(platform, submit(platform))
    assert ended.error is not None
    assert ended.error["message"] == "a\ufffdb?c"


def test_secrets_in_errors_are_gone_before_they_are_stored(store: Store, tmp_path: Path) -> None:
    secret = "sk-ant-api03-" + "a1B2" * 20
    with running(
        make_platform(store, tmp_path, steps(READING=raising(Unrecoverable(f"key {secret} refused"))))
    ) as platform:
        ended = wait_over(platform, submit(platform))
    assert ended.error is not None
    assert secret not in str(ended.error)
    assert secret not in str(events_of(store, ended))


def test_a_wait_that_the_other_side_asks_for_is_kept(store: Store, tmp_path: Path) -> None:
    clock = FakeClock(time.time_ns())
    platform = make_platform(store, tmp_path, steps(READING=raising(RetryAfter(3600))), clock=clock)
    with running(platform):
        task = submit(platform)
        wait_until(store, lambda: platform.tasks.get(task.task_id).tries == 1)
        clock.advance(3500)
        platform.dispatcher.poke()
        assert platform.tasks.get(task.task_id).state == QUEUED
        clock.advance(101)
        platform.dispatcher.poke()
        assert wait_over(platform, task).result == [1, 2]


def test_a_step_that_is_past_the_deadline_ends_its_task(store: Store, tmp_path: Path) -> None:
    gate = Gate()
    clock = FakeClock(time.time_ns())
    with running(make_platform(store, tmp_path, steps(READING=gate), clock=clock)) as platform:
        task = submit(platform, deadline_at=clock.now_ns() + 60 * SECOND_NS)
        gate.wait()
        clock.advance(61)
        ended = wait_over(platform, task)  # though its code goes on
        gate.open.set()
    assert ended.error is not None
    assert (ended.state, ended.error["kind"]) == (FAILED, "deadline")


def test_a_task_that_waited_past_its_deadline_is_not_begun(store: Store, tmp_path: Path) -> None:
    clock = FakeClock(time.time_ns())
    platform = make_platform(store, tmp_path, steps(READING=raising()), clock=clock, worker_sweep_seconds=1000.0)
    task = submit(platform, deadline_at=clock.now_ns() + 1)
    clock.advance(1)
    with running(platform):
        ended = wait_over(platform, task)
    assert (ended.state, ended.results) == (FAILED, {})


# ── canceled, overtaken ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_step_of_a_canceled_task_finds_out_and_stops_quietly(store: Store, tmp_path: Path) -> None:
    gate, stopped = Gate(), Gate()

    def read(task: Any) -> None:
        task.check()
        gate(task)
        try:
            task.check()
        except Overtaken:
            stopped.reached.set()
            raise

    with running(make_platform(store, tmp_path, steps(READING=read))) as platform:
        task = submit(platform)
        gate.wait()
        platform.tasks.cancel(task.task_id, user_id="ann")
        gate.open.set()
        stopped.wait()
        wait_until(store, lambda: jobs_in(store) == 0)
        assert platform.tasks.get(task.task_id).state == CANCELED


def test_a_job_of_a_task_that_was_canceled_before_is_nobodys_work(store: Store, tmp_path: Path) -> None:
    gate, called = Gate(), []
    walk = steps(READING=lambda task: gate(task) if task.input.get("wait") else called.append(1))
    with running(make_platform(store, tmp_path, walk, concurrency=1)) as platform:
        first = submit(platform, input={"wait": True})
        gate.wait()
        second = submit(platform)
        wait_until(store, lambda: jobs_in(store) == 2)
        platform.tasks.cancel(second.task_id, user_id="ann")
        wait_until(store, lambda: jobs_in(store) == 1)
        gate.open.set()
        assert wait_over(platform, first).state == SUCCEEDED
    assert called == []


def test_an_attempt_that_was_reaped_writes_nothing(store: Store, tmp_path: Path) -> None:
    zombie, sibling = Gate("of the dead"), Gate("of the living")
    turns = iter([zombie, sibling])
    platform = make_platform(store, tmp_path, steps(READING=lambda task: next(turns)(task)))
    with running(platform):
        task = submit(platform)
        zombie.wait()
        platform.tasks.lost(task.task_id, 1)
        sibling.wait()
        zombie.open.set()
        wait_until(store, lambda: [job.attempt_no for job in platform.running] == [2])
        assert platform.tasks.get(task.task_id).results == {}
        sibling.open.set()
        ended = wait_over(platform, task)
    assert (ended.result, ended.attempt_no, ended.deaths) == ("of the living", 2, 1)
    assert platform.tasks.get(task.task_id) == ended


def test_progress_is_told_and_never_goes_back(store: Store, tmp_path: Path) -> None:
    gate = Gate()

    def read(task: Any) -> None:
        task.progress(0.5)
        task.progress(0.2)
        with pytest.raises(ValueError, match="share"):
            task.progress("half")
        gate(task)

    with running(make_platform(store, tmp_path, steps(READING=read, WRITING=lambda task: None))) as platform:
        task = submit(platform)
        gate.wait()
        assert platform.tasks.get(task.task_id).progress == 500
        gate.open.set()
        assert wait_over(platform, task).progress == 1_000


# ── workers that die, stop, or know less ─────────────────────────────────────────────────────────────────────────────


def test_what_a_dead_process_had_is_done_at_the_next_start(store: Store, tmp_path: Path) -> None:
    walk = steps(READING=lambda task: "read", WRITING=raising())
    dead = make_platform(store, tmp_path, walk)
    begun, claimed = submit(dead), submit(dead)
    while dead.dispatcher.dispatch():
        pass
    dead.store.write(lambda tx: tx.sql.execute(queue_jobs.update().values(worker_id="embedded", claimed_at=1)).rowcount)
    dead.tasks.begin(begun.task_id, 1, "embedded")
    with running(make_platform(store, tmp_path, walk)) as platform:
        ended = [wait_over(platform, task) for task in (begun, claimed)]
    assert [(task.state, task.deaths, task.attempt_no) for task in ended] == [(SUCCEEDED, 1, 2), (SUCCEEDED, 0, 1)]


def test_the_third_death_over_a_task_is_its_fault(store: Store, tmp_path: Path) -> None:
    walk = steps(READING=raising())
    task = submit(make_platform(store, tmp_path, walk))
    for attempt_no in (1, 2, 3):
        dying = make_platform(store, tmp_path, walk)
        dying.tasks.begin(task.task_id, attempt_no, "embedded")
        make_platform(store, tmp_path, walk).reaper.recover()
    ended = dying.tasks.get(task.task_id)
    assert ended.error is not None
    assert (ended.state, ended.deaths, ended.error["kind"]) == (FAILED, 3, "poison")


def test_a_silent_worker_is_dead_by_the_clock_of_whoever_looks(store: Store, tmp_path: Path) -> None:
    clock = FakeClock(time.time_ns())
    walk = steps(READING=raising())
    silent = make_platform(store, tmp_path, walk, alone=False, worker_id="silent", clock=clock)
    store.write(lambda tx: roster.enter(tx, roster.myself("silent", "silent", ("default",), 1, clock.now_ns())))
    task = submit(silent)
    silent.tasks.begin(task.task_id, 1, "silent")
    reaper = make_platform(store, tmp_path, walk, alone=False, worker_id=None, clock=clock).reaper
    other = make_platform(store, tmp_path, walk, alone=False, worker_id=None, clock=clock).reaper
    for _ in range(4):
        clock.advance(5)
        reaper.tick()
        other.tick()
    assert silent.tasks.get(task.task_id).worker_id == "silent"
    clock.advance(5)
    reaper.tick()
    other.tick()
    assert (silent.tasks.get(task.task_id).state, silent.tasks.get(task.task_id).deaths) == (QUEUED, 1)
    with store.read() as connection:
        assert [row.state for row in roster.list_workers(connection)] == [roster.DEAD]


def test_a_reaper_that_slept_does_not_take_the_others_for_dead(store: Store, tmp_path: Path) -> None:
    clock = FakeClock(time.time_ns())
    walk = steps(READING=raising())
    platform = make_platform(store, tmp_path, walk, alone=False, worker_id=None, clock=clock)
    store.write(lambda tx: roster.enter(tx, roster.myself("w", "w", ("default",), 1, clock.now_ns())))
    platform.reaper.tick()
    clock.advance(3600)
    platform.reaper.tick()
    with store.read() as connection:
        assert [row.state for row in roster.list_workers(connection)] == [roster.RUNNING]


def test_one_reaper_looks_after_all_until_it_lets_go_or_its_lease_runs_out(store: Store, tmp_path: Path) -> None:
    clock = FakeClock(time.time_ns())
    seen: list[str] = []
    reapers = []
    for name in ("one", "two"):
        platform = make_platform(store, tmp_path, steps(READING=raising()), alone=False, worker_id=None, clock=clock)
        platform.reaper._more = [lambda name=name: seen.append(name)]
        reapers.append(platform.reaper)
    for reaper in (*reapers, *reapers):
        reaper.tick()
    assert seen == ["one", "one"]
    clock.advance(11)
    reapers[1].tick()
    reapers[0].tick()
    assert seen == ["one", "one", "two"]


def test_a_worker_that_stops_waits_for_what_runs_and_takes_nothing_more(store: Store, tmp_path: Path) -> None:
    gate = Gate("done")
    platform = make_platform(store, tmp_path, steps(READING=gate))
    platform.start()
    first = submit(platform)
    gate.wait()
    platform.drain()
    second = submit(platform)
    with store.read() as connection:
        assert [row.state for row in platform.workers(connection)] == [roster.DRAINING]
    gate.open.set()
    assert platform.stop() == []
    assert platform.tasks.get(first.task_id).state == SUCCEEDED
    assert platform.tasks.get(second.task_id).state == QUEUED
    with store.read() as connection:
        assert [row.state for row in platform.workers(connection)] == [roster.STOPPED]


def test_what_a_stopping_worker_can_not_finish_is_handed_back_without_blame(store: Store, tmp_path: Path) -> None:
    gate = Gate("too late")
    platform = make_platform(store, tmp_path, steps(READING=gate), alone=False, worker_id="old")
    platform.start()
    task = submit(platform)
    gate.wait()
    assert [job.task_id for job in platform.stop(0.05)] == [task.task_id]
    with running(
        make_platform(store, tmp_path, steps(READING=lambda task: "new"), alone=False, worker_id="new")
    ) as new:
        ended = wait_over(new, task)
        gate.open.set()
    assert (ended.result, ended.tries, ended.deaths, ended.attempt_no) == ("new", 0, 0, 2)


def test_a_task_of_an_older_version_whose_state_is_gone_fails_and_says_so(store: Store, tmp_path: Path) -> None:
    gate = Gate()
    old = make_platform(store, tmp_path, steps(READING=lambda task: 1, DRAWING=lambda task: 2, WRITING=gate))
    old.start()
    task = submit(old)
    gate.wait()
    old.stop(0)
    with running(make_platform(store, tmp_path, steps(READING=lambda task: 1, WRITING=lambda task: 3))) as new:
        ended = wait_over(new, task)
        assert ended.error is not None
        assert (ended.state, ended.error["kind"]) == (FAILED, "pipeline_changed")
        assert "no state DRAWING any more" in ended.error["message"]
        again = new.tasks.retry(task.task_id, user_id="ann")
        assert wait_over(new, again).state == SUCCEEDED
    gate.open.set()


def test_a_version_with_another_step_goes_on_with_what_is_left(store: Store, tmp_path: Path) -> None:
    gate = Gate()
    old = make_platform(store, tmp_path, steps(READING=lambda task: 1, WRITING=gate))
    old.start()
    task = submit(old)
    gate.wait()
    old.stop(0)
    new_steps = steps(READING=raising(), DRAWING=lambda task: 5, WRITING=lambda task: task.results)
    with running(make_platform(store, tmp_path, new_steps)) as new:
        assert wait_over(new, task).result == {"READING": 1, "DRAWING": 5}
    gate.open.set()


def test_a_worker_without_the_pipeline_leaves_the_task_to_one_that_has_it(store: Store, tmp_path: Path) -> None:
    clock = FakeClock(time.time_ns())
    knows = make_platform(store, tmp_path, steps(READING=lambda task: "done"), alone=False, worker_id="b", clock=clock)
    task = submit(knows)
    with running(
        make_platform(store, tmp_path, steps("other", READING=raising()), alone=False, worker_id="a", clock=clock)
    ):
        wait_until(store, lambda: knows.tasks.get(task.task_id).attempt_no == 2)
    clock.advance(6)
    with running(knows):
        assert wait_over(knows, task).result == "done"


def test_a_task_whose_pipeline_nobody_knows_fails_in_the_end(store: Store, tmp_path: Path) -> None:
    clock = FakeClock(time.time_ns())
    task = submit(make_platform(store, tmp_path, steps(READING=raising()), alone=False, clock=clock))
    clock.advance(601)
    with running(make_platform(store, tmp_path, steps("other", READING=raising()), clock=clock)) as other:
        ended = wait_over(other, task)
    assert ended.error is not None
    assert (ended.state, ended.error["kind"]) == (FAILED, "PipelineNotFound")


def test_health_says_what_the_worker_does_and_what_stands_still(store: Store, tmp_path: Path) -> None:
    gate = Gate()
    platform = make_platform(store, tmp_path, steps(READING=gate))
    assert platform.health().worker == "stopped"
    platform.start()
    submit(platform)
    gate.wait()
    found = platform.health()
    assert (found.worker, found.running, found.concurrency, found.reasons) == ("running", 1, 4, [])
    assert (found.outbox.state, found.outbox.dead) == ("running", 0)
    platform.drain()
    assert platform.health().worker == "draining"
    platform.reaper.stop(20.0)  # whose next round would find nothing wrong
    platform.reaper.error = "the disk is full"
    assert platform.health().reasons[0].endswith("are not looked after: the disk is full")
    gate.open.set()
    platform.stop()
    assert platform.health().worker == "stopped"
    assert make_platform(store, tmp_path, worker_id=None).health().worker == "none"


# ── trouble of the store ─────────────────────────────────────────────────────────────────────────────────────────────


class Trouble:
    """Has the store's writes fail as they may: before anything was stored, or after all was."""

    def __init__(self, store: Store) -> None:
        self.write = store.write
        self.before: list[Exception] = []
        self.after: list[Exception] = []

    def __call__(self, fn: Any, timeout: float | None = None) -> Any:
        if self.before:
            raise self.before.pop(0)
        value = self.write(fn, timeout)
        if self.after:
            raise self.after.pop(0)
        return value


@pytest.fixture
def trouble(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trouble]:
    made = Trouble(store)
    monkeypatch.setattr(store, "write", made)
    yield made
    made.before, made.after = [], []


def alone_at_work(platform: Platform, task: Task) -> Task:
    """The attempt done here and now, with no other thread that writes."""
    assert platform._attempts is not None
    platform._attempts.work(Job(f"{task.task_id}.{task.attempt_no}", "default", task.task_id, task.attempt_no, "ann"))
    return platform.tasks.get(task.task_id)


def test_an_outcome_is_stored_however_long_the_store_does_not_take_it(
    store: Store, tmp_path: Path, trouble: Trouble
) -> None:
    def read(task: Any) -> str:
        trouble.before = [StoreUnavailable(reason="the disk is full")] * 3
        return "read"

    platform = make_platform(store, tmp_path, steps(READING=read))
    ended = alone_at_work(platform, submit(platform))
    assert (ended.state, ended.result, trouble.before) == (SUCCEEDED, "read", [])


def test_an_outcome_of_which_nobody_knows_whether_it_was_stored_is_stored_once(
    store: Store, tmp_path: Path, trouble: Trouble
) -> None:
    def read(task: Any) -> str:
        trouble.after = [StoreUncertain(timeout_seconds=1)] * 2
        return task.state

    platform = make_platform(store, tmp_path, steps(READING=read, WRITING=read, DRAWING=lambda task: task.results))
    trouble.after = [StoreUncertain(timeout_seconds=1)]
    task = wait_in(platform, _submitted(platform, store), QUEUED)
    trouble.after = [StoreUncertain(timeout_seconds=1)]  # also of the beginning
    ended = alone_at_work(platform, task)
    assert (ended.state, ended.result) == (SUCCEEDED, {"READING": "READING", "WRITING": "WRITING"})
    assert ended.version == 5


def _submitted(platform: Platform, store: Store) -> Task:
    with pytest.raises(StoreUncertain):
        submit(platform)
    with store.read() as connection:
        return platform.tasks.get(connection.execute(select(tasks.c.task_id)).scalar_one())


def test_a_failure_of_which_nobody_knows_whether_it_was_stored_counts_once(
    store: Store, tmp_path: Path, trouble: Trouble
) -> None:
    def read(task: Any) -> None:
        trouble.after = [StoreUncertain(timeout_seconds=1)]
        raise OSError("no")

    platform = make_platform(store, tmp_path, steps(READING=read))
    left = alone_at_work(platform, submit(platform))
    assert (left.state, left.tries, left.attempt_no) == (QUEUED, 1, 2)


def test_what_a_broken_store_refuses_is_kept_and_no_step_is_done_again_for_it(
    store: Store, tmp_path: Path, trouble: Trouble
) -> None:
    called: list[int] = []

    def read(task: Any) -> None:
        called.append(task.attempt_no)
        trouble.before = [LedgerBroken(task_id=task.id, source="round-1", reason="it has nothing")] * 4
        raise Unrecoverable("no such thing")

    platform = make_platform(store, tmp_path, steps(READING=read))
    ended = alone_at_work(platform, submit(platform))
    assert (ended.state, called, trouble.before) == (FAILED, [1], [])


def test_a_result_that_the_store_refuses_is_a_failure(store: Store, tmp_path: Path, trouble: Trouble) -> None:
    def read(task: Any) -> None:
        trouble.before = [LedgerBroken(task_id=task.id, source="round-1", reason="it has nothing")]

    platform = make_platform(store, tmp_path, steps(READING=read))
    left = alone_at_work(platform, submit(platform))
    assert left.error is not None
    assert (left.state, left.tries, left.error["kind"]) == (QUEUED, 1, "LedgerBroken")


def test_a_worker_that_leaves_while_the_store_does_not_answer_leaves(
    store: Store, tmp_path: Path, trouble: Trouble
) -> None:
    def read(task: Any) -> None:
        trouble.before = [StoreUnavailable(reason="gone")] * 1000
        platform._attempts.leave()  # type: ignore[union-attr]

    platform = make_platform(store, tmp_path, steps(READING=read))
    left = alone_at_work(platform, submit(platform))
    assert left.state == "READING"
