"""A process that does tasks is killed at every point of a task's way: the task ends once, in the right state, soon."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from flightlog.config import Settings
from flightlog.journal.read import EventFilter, read_events
from flightlog.store.engine import open_store
from flightlog.tasks.table import tasks
from flightlog.tasks.task import task_of
from flightlog.usage.table import usage_accounts, usage_ledger
from tests.working.crash_worker import POINTS, VARIABLE

RECOVERY_SECONDS_MAX = 5.0
SECONDS_MAX = 60.0
IN_A_NORMAL_RUN = "after begin"
PARAMETERS = [
    pytest.param(point, marks=() if point == IN_A_NORMAL_RUN else pytest.mark.torture, id=point.replace(" ", "-"))
    for point in POINTS
]


def fly(folder: Path, *args: str, point: str = "") -> tuple[int, float]:
    """Run the process to its end: its exit code, and how long it went on after it had started."""
    command = [sys.executable, "-m", "tests.working.crash_worker", str(folder), *args]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, VARIABLE: point}) as process:
        assert process.stdout is not None
        assert process.stdout.readline() in ("up\n", "")
        began = time.monotonic()
        try:
            return process.wait(SECONDS_MAX), time.monotonic() - began
        except BaseException:
            process.kill()
            raise


@pytest.mark.parametrize("point", PARAMETERS)
def test_a_task_ends_once_wherever_its_process_is_killed(tmp_path: Path, point: str) -> None:
    folder = tmp_path / "flight"
    assert fly(folder, "submit", point=point)[0] == -9, f"it never came to {point}"
    code, seconds = fly(folder)
    assert code == 0
    assert seconds < RECOVERY_SECONDS_MAX
    store = open_store(folder, settings=Settings(), writable=False)
    try:
        with store.read() as connection:
            found = [task_of(row) for row in connection.execute(select(tasks))]
            ledger = [row.status for row in connection.execute(select(usage_ledger).order_by(usage_ledger.c.id))]
            account: Any = connection.execute(select(usage_accounts)).one()
            assert connection.execute(select(func.count()).select_from(tasks)).scalar_one() == 1
        task = found[0]
        assert (task.state, task.result, task.worker_id) == ("SUCCEEDED", "read, written", None)
        assert task.deaths <= 1
        assert task.results == {"READING": "read", "WRITING": "read, written"}
        assert (ledger, account.held, account.committed) == (["HELD", "COMMITTED"], 0, 1)
        told = read_events(store, EventFilter(run_id=task.task_id), limit=500).events
        ends = [event.type for event in told if event.type in ("run_started", "run_finished")]
        assert ends == ["run_started", "run_finished"]
        moved = [event for event in told if event.type == "task_transition"]
        assert len(moved) == task.version  # one event for each move
    finally:
        store.close()
