"""What happened to tasks is counted from the journal, on every store: each move once, whichever process made it."""

from __future__ import annotations

import msgspec
import pytest

from flightlog.events.envelope import Event
from flightlog.metrics import tasks as metrics
from flightlog.metrics.tasks import TaskCounts
from flightlog.store.contract import Store
from flightlog.tasks.pipeline import Pipeline, Step
from tests.deadletters.making import Hangar

STEPPED = Pipeline("summarise", ("QUEUED", "READING"), (Step("READING", lambda task: None),))


@pytest.fixture
def hangar(store: Store) -> Hangar:
    made = Hangar(store)
    made.tasks.pipelines = {"summarise": STEPPED}
    return made


@pytest.fixture
def counts(hangar: Hangar) -> TaskCounts:
    made = TaskCounts(hangar.store)
    made.begin()
    return made


def test_every_move_is_counted_once_however_often_one_looks(hangar: Hangar, counts: TaskCounts) -> None:
    hangar.succeed(hangar.submit())
    (failed,) = hangar.failed()
    again = hangar.tasks.begin(hangar.submit().task_id, 1, "w1")
    again = hangar.tasks.failed(again, {"kind": "OSError", "message": "no"})
    hangar.tasks.act(again.task_id, "cancel")  # while it waits: no attempt ends by that
    hangar.tasks.act(failed.task_id, "retry")
    counts.catch_up()
    counts.catch_up()
    assert counts.accepted.numbers()["summarise",] == 3
    assert {labels: number for labels, number in counts.finished.numbers().items() if number} == {
        ("summarise", "SUCCEEDED"): 1, ("summarise", "FAILED"): 1, ("summarise", "CANCELED"): 1,
    }  # fmt: skip
    assert {labels: number for labels, number in counts.attempts.numbers().items() if number} == {
        ("summarise", "succeeded"): 1, ("summarise", "failed"): 1, ("summarise", "again"): 1,
    }  # fmt: skip


def test_steps_are_timed_by_their_state(hangar: Hangar, counts: TaskCounts) -> None:
    for seconds in (0.02, 2.0):
        task = hangar.tasks.begin(hangar.submit().task_id, 1, "w1")
        hangar.clock.advance(seconds=seconds)
        hangar.tasks.done(task, None)
    counts.catch_up()
    buckets, total = counts.step_seconds.buckets()["summarise", "READING"]
    assert total == pytest.approx(2.02)
    found = dict(buckets)
    assert (found["0.01"], found["0.05"], found["1.0"], found["5.0"], found["+Inf"]) == (0, 1, 1, 2, 2)


def test_what_was_before_the_beginning_is_not_counted_and_nothing_after_it_is_missed(
    hangar: Hangar, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangar.succeed(hangar.submit())
    counts = TaskCounts(hangar.store)
    counts.begin()
    monkeypatch.setattr(metrics, "MOVES_MAX", 4)
    for _ in range(5):  # three moves each
        hangar.succeed(hangar.submit())
    for _ in range(3):
        counts.catch_up()
    assert counts.finished.numbers()["summarise", "SUCCEEDED"] < 5
    counts.catch_up()
    counts.catch_up()
    assert counts.finished.numbers()["summarise", "SUCCEEDED"] == 5


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"to": 7, "version": 1},
        {"to": "A", "from": None, "version": 1},
        {"to": "A" * 99, "from": "B", "version": -1},
    ],
)
def test_events_of_others_that_look_like_moves_do_no_harm(
    hangar: Hangar, counts: TaskCounts, payload: dict[str, object]
) -> None:
    body = msgspec.Raw(msgspec.json.encode(payload))
    for type_ in ("task_transition", "dead_letter_replayed"):
        hangar.journal.append([Event(event_id=f"x-{type_}", type=type_, created_at=1, task_id="t", payload=body)])
    hangar.succeed(hangar.submit())
    counts.catch_up()
    assert counts.finished.numbers()["summarise", "SUCCEEDED"] == 1
