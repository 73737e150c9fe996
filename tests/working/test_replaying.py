"""The thread that runs replays: it sees what is applied, is woken by what ends, and says once what keeps it from its work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from flightlog.clock import SystemClock
from flightlog.deadletters.progress import get_progress
from flightlog.deadletters.table import replay_plans
from flightlog.errors import StoreUnavailable
from flightlog.ids import SystemIds
from flightlog.store.contract import Store
from flightlog.store.engine import open_store
from flightlog.working import replaying as room
from flightlog.working.replaying import Replaying
from tests.deadletters.making import Hangar

SECONDS_MAX = 30.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "flight", writable=True)
    yield opened
    opened.close()


@pytest.fixture
def hangar(store: Store) -> Hangar:
    return Hangar(store, SystemClock(), SystemIds())


def wait_until(store: Store, is_so: Callable[[], bool]) -> None:
    """Return once it is, looking again after each commit."""
    signal, until = store.commits(), SystemClock().monotonic_ns() + int(SECONDS_MAX * 1e9)
    while True:
        seen = signal.seen
        if is_so():
            return
        assert SystemClock().monotonic_ns() < until, "it did not come to that"
        signal.wait(seen, 1.0)


def test_it_runs_what_is_applied_to_the_end_and_can_be_stopped_twice(hangar: Hangar, store: Store) -> None:
    thread = Replaying(hangar.runner, store, hangar.clock)
    hangar.replays.on_applied = thread.poke
    thread.start()
    thread.start()
    try:
        hangar.failed(3)
        plan = hangar.apply(hangar.plan())

        def over() -> bool:
            hangar.work_off()
            return get_progress(store, plan.plan_id).plan.state == "DONE"

        wait_until(store, over)
    finally:
        thread.stop(SECONDS_MAX)
        thread.stop(SECONDS_MAX)
    assert get_progress(store, plan.plan_id).ended == {"SUCCEEDED": 3}


def test_who_stops_lets_another_go_on_at_once(hangar: Hangar, store: Store) -> None:
    hangar.failed(2)
    plan = hangar.apply(hangar.plan())
    thread = Replaying(hangar.runner, store, hangar.clock)
    thread.start()
    wait_until(store, lambda: get_progress(store, plan.plan_id).under_way == 1)
    thread.stop(SECONDS_MAX)
    with store.read() as connection:
        assert connection.execute(select(replay_plans.c.holder, replay_plans.c.state)).one() == (None, "CANARY_1")


def test_trouble_is_said_once_and_does_not_end_it(
    hangar: Hangar, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(room, "IDLE_SECONDS", 0.001)
    monkeypatch.setattr(room, "RETRY_SECONDS_MAX", 0.001)
    thread = Replaying(hangar.runner, store, hangar.clock)
    tick, troubles = hangar.runner.tick, iter([StoreUnavailable(reason="the disk is full")] * 3)

    def troubled(now_ns: int) -> bool:
        for trouble in troubles:
            raise trouble
        return tick(now_ns)

    monkeypatch.setattr(hangar.runner, "tick", troubled)
    hangar.failed()
    plan = hangar.apply(hangar.plan())
    with caplog.at_level(logging.WARNING, "flightlog.deadletters"):
        thread.start()
        wait_until(store, lambda: get_progress(store, plan.plan_id).under_way == 1)
        thread.stop(SECONDS_MAX)
    said = [record.getMessage() for record in caplog.records if "stand still" in record.getMessage()]
    assert len(said) == 1
    assert "the disk is full" in said[0]
    assert thread.error is None
