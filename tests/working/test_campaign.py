"""The long campaign: killed at every named point twenty times over, in one store that keeps what all of them left behind."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from flightlog.config import Settings
from flightlog.journal.read import EventFilter, read_events
from flightlog.queue.table import queue_jobs
from flightlog.store.contract import Store
from flightlog.store.engine import open_store
from flightlog.tasks.table import tasks
from flightlog.tasks.task import Task, task_of
from flightlog.usage.table import usage_accounts, usage_ledger
from tests.contract.postgres import drop_database, make_database
from tests.working.crash_worker import POINTS
from tests.working.test_crash import RECOVERY_SECONDS_MAX, fly

KILLS = 20
SEVERAL_SECONDS_MAX = 25.0

pytestmark = [pytest.mark.torture, pytest.mark.timeout(3600)]


def check_all(store: Store, count: int) -> None:
    """Each task ended once, as it should; the ledger, the account and the events say the same, and nothing is left over."""
    with store.read() as connection:
        found = [task_of(row) for row in connection.execute(select(tasks))]
        entries = [tuple(row) for row in connection.execute(select(usage_ledger.c.task_id, usage_ledger.c.status))]
        account = connection.execute(select(usage_accounts.c.held, usage_accounts.c.committed)).one()
        assert connection.execute(select(func.count()).select_from(queue_jobs)).scalar_one() == 0
    assert len(found) == count
    assert {task.state for task in found} == {"SUCCEEDED"}
    assert sorted(entries) == sorted((task.task_id, status) for task in found for status in ("HELD", "COMMITTED"))
    assert tuple(account) == (0, count)
    for task in found:
        check_story(store, task)


def check_story(store: Store, task: Task) -> None:
    assert (task.results, task.worker_id) == ({"READING": "read", "WRITING": "read, written"}, None)
    assert task.deaths <= 1
    told = read_events(store, EventFilter(run_id=task.task_id), limit=500).events
    assert [event.type for event in told if event.type in ("run_started", "run_finished")] == [
        "run_started", "run_finished",
    ]  # fmt: skip
    assert len([event for event in told if event.type == "task_transition"]) == task.version


@pytest.mark.parametrize("point", POINTS)
def test_twenty_kills_at_one_point_in_one_folder(tmp_path: Path, point: str) -> None:
    folder = tmp_path / "flight"
    for _ in range(KILLS):
        assert fly(folder, "submit", point=point)[0] == -9, f"it never came to {point}"
        code, seconds = fly(folder)
        assert code == 0
        assert seconds < RECOVERY_SECONDS_MAX
    store = open_store(folder, settings=Settings(), writable=False)
    try:
        check_all(store, KILLS)
    finally:
        store.close()


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    url = make_database()
    monkeypatch.setenv("FLIGHTLOG_DIR", str(tmp_path))
    yield url
    drop_database(url)


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_of_several_is_found_dead_and_another_goes_on_in_time(shared: str, point: str) -> None:
    assert fly(shared, "submit", point=point)[0] == -9, f"it never came to {point}"
    code, seconds = fly(shared)  # another worker, with the silence and the heartbeat that are the default
    assert code == 0
    assert seconds < SEVERAL_SECONDS_MAX
    store = open_store(shared, settings=Settings(), writable=True)
    try:
        check_all(store, 1)
    finally:
        store.close()


def test_kills_at_any_point_of_workers_that_share_a_store(shared: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLIGHTLOG_WORKER_HEARTBEAT_SECONDS", "0.1")
    monkeypatch.setenv("FLIGHTLOG_WORKER_SILENT_SECONDS", "0.6")
    points = [point for point in POINTS for _ in range(KILLS)]
    random.Random(7).shuffle(points)
    for point in points:
        assert fly(shared, "submit", point=point)[0] == -9, f"it never came to {point}"
        assert fly(shared)[0] == 0
    store = open_store(shared, settings=Settings(), writable=True)
    try:
        check_all(store, len(points))
    finally:
        store.close()
