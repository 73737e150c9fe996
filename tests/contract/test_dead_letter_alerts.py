"""Alerts about dead letters on every store: an event when one is raised and one when it is cleared, whoever notices."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy import update

from flightlog.config import DRILL_PIPELINE
from flightlog.deadletters.alerts import AGE, RATIO
from flightlog.deadletters.table import dead_letters
from flightlog.journal.read import EventFilter, read_events
from flightlog.store.contract import Store
from flightlog.tasks.standing import Standing, standings
from flightlog.working.replaying import make_alerts
from tests.deadletters.making import Hangar


@pytest.fixture
def hangar(store: Store) -> Hangar:
    return Hangar(store, dead_letter_sample_min=4, dead_letter_ratio_max=0.4, dead_letter_age_seconds_max=3_600)


def told(hangar: Hangar) -> list[tuple[str | None, str | None]]:
    return [(event.name, event.status) for event in read_events(hangar.store, EventFilter(types=("alert",))).events]


def later(hangar: Hangar, seconds: float) -> None:
    hangar.clock.advance(seconds=seconds)
    hangar.alerts.tick(hangar.clock.now_ns())


def test_an_alert_is_told_once_when_it_is_raised_and_once_when_it_is_cleared(
    hangar: Hangar, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "flightlog.deadletters")
    for _ in range(2):
        hangar.succeed(hangar.submit())
    hangar.failed(2)
    later(hangar, 5)
    assert told(hangar) == [(RATIO, "raised")]
    (said,) = hangar.told("alert")
    assert (said["value"], said["limit"], said["window_seconds"]) == (0.5, 0.4, 600)
    assert "2 of 4 tasks" in said["text"]
    ratio, age = hangar.alerts.states(hangar.clock.now_ns())
    assert (ratio.raised, ratio.changed_at, age.raised, age.changed_at) == (True, hangar.clock.now_ns(), False, 0)
    later(hangar, 5)
    later(hangar, 600)  # nothing of it is in the window any more
    assert told(hangar) == [(RATIO, "raised"), (RATIO, "cleared")]
    later(hangar, 3_600)
    assert told(hangar)[2:] == [(AGE, "raised")]
    for letter in hangar.rows():
        hangar.succeed(hangar.retry(letter["task_id"]))
    later(hangar, 5)
    assert told(hangar)[3:] == [(AGE, "cleared")]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "WARNING", "INFO"]


def test_several_processes_tell_it_once(hangar: Hangar, monkeypatch: pytest.MonkeyPatch) -> None:
    hangar.failed(4)
    now = hangar.clock.now_ns()
    others = [make_alerts(hangar) for _ in range(3)]
    seen = [one._evaluate(now) for one in others]  # all see that it is not raised yet
    for one, evaluated in zip(others, seen, strict=True):
        monkeypatch.setattr(one, "_evaluate", lambda now_ns, evaluated=evaluated: evaluated)
        one.tick(now)
    assert told(hangar) == [(RATIO, "raised")]


def test_it_is_evaluated_no_more_often_than_it_should(hangar: Hangar, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(hangar.alerts, "_evaluate", lambda now_ns: asked.append(now_ns) or [])
    for _ in range(11):
        later(hangar, 1)
    assert len(asked) == 3


def test_where_tasks_stand_is_known_by_their_ids(hangar: Hangar) -> None:
    (failed,) = hangar.failed()
    waiting = hangar.retry(hangar.failed()[0].task_id)
    with hangar.store.read() as connection:
        found = standings(connection, [failed.task_id, waiting.task_id, "nosuch"])
    assert found == {failed.task_id: Standing("FAILED", 1), waiting.task_id: Standing("QUEUED", 2)}


def test_nobody_is_alerted_of_a_drill(hangar: Hangar) -> None:
    hangar.failed(4)
    drilled = update(dead_letters).values(pipeline=DRILL_PIPELINE)
    hangar.store.write(lambda tx: tx.sql.execute(drilled) and None)
    later(hangar, 5)
    later(hangar, 7_200)  # they would be old by now, too
    assert told(hangar) == []
    hangar.failed(4)
    later(hangar, 5)
    assert told(hangar) == [(RATIO, "raised")]
