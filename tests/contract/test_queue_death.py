"""A process is killed over its jobs: another worker, of the same name or another, does them, and none is lost or left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from flightlog.clock import SystemClock
from flightlog.config import Settings
from flightlog.queue.make import make_queue
from flightlog.store.postgres import PostgresStore
from tests.contract.backends import BACKENDS
from tests.contract.engines import ENGINES, Desk, job, stats, submit, working

LONG = pytest.mark.torture


@pytest.mark.parametrize(
    ("name", "engine", "heir"),
    [
        ("sqlite", "own", "embedded"),
        pytest.param("postgresql", "own", "another", marks=LONG),
        pytest.param("sqlite", "dbos", "embedded", marks=LONG),
        pytest.param("postgresql", "dbos", "another", marks=LONG),
    ],
)
def test_jobs_of_a_killed_process_are_done_by_the_next(name: str, engine: str, heir: str, tmp_path: Path) -> None:
    backend = BACKENDS[name](tmp_path)
    try:
        store = backend.open()
        submit(store, ENGINES[engine](store), *(job(number) for number in range(5)))
        target = str(tmp_path / "flight")
        if isinstance(store, PostgresStore):
            target = make_url(store.address).set(drivername="postgresql").render_as_string(hide_password=False)
        store.close()
        command = [sys.executable, "-m", "tests.contract.queue_actor", target, engine]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as actor:
            assert actor.stdout is not None
            begun = {actor.stdout.readline().strip() for _ in range(2)}
            actor.kill()
        assert begun == {"t00000.1", "t00001.1"}
        store = backend.open()
        queue = make_queue(store, SystemClock(), Settings(queue_engine=engine))
        assert [(found.waiting, found.running) for found in stats(store, queue)] == [(3, 2)]
        assert store.write(lambda tx: queue.resume(tx, "embedded", 9)) == 2
        desk = Desk()
        with working(queue, desk, name=heir, slots=2):
            desk.await_done(5)
        assert sorted(one.task_id for one in desk.began) == [f"t{number:05d}" for number in range(5)]
        assert stats(store, queue) == []
    finally:
        backend.close()
