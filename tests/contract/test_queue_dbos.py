"""DBOS as the queue's engine: a sample of the exam, and what is its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from flightlog.clock import SystemClock
from flightlog.config import Settings
from flightlog.errors import DbosExtraMissing, SettingInvalid
from flightlog.queue.dbos import ERRAND, DbosQueue, sort_key
from flightlog.queue.make import make_queue
from flightlog.queue.port import WorkerOffer
from flightlog.store.contract import Store, Tx, metadata
from tests.contract.engines import WAIT, Desk, dbos, job, own, stats, submit, working


@pytest.fixture
def queue(store: Store) -> DbosQueue:
    made = dbos(store)
    assert isinstance(made, DbosQueue)
    return made


def errands(queue: DbosQueue) -> list[str]:
    return [one.workflow_id for one in queue.client.list_workflows(name=ERRAND)]


def test_a_sample_of_the_exam(queue: DbosQueue, store: Store) -> None:
    def fail(tx: Tx) -> None:
        queue.submit(tx, job(9), 1)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        store.write(fail)
    submit(store, queue, *(job(number, user="flood") for number in range(4)), job(2), job(8, priority=-1))
    submit(store, queue, job(7, user="single"), job(5))
    assert store.write(lambda tx: queue.cancel(tx, "t00005.1")) is True
    desk, heir = Desk(held=True), Desk()
    worker = queue.run_worker(WorkerOffer("dead", ("default",), 1), desk)
    desk.await_began(1)
    with pytest.raises(SettingInvalid, match="one worker per process"):
        queue.run_worker(WorkerOffer("second", ("default",), 1), heir)
    assert [one.task_id for one in worker.stop(0.01)] == ["t00000"]
    assert store.write(lambda tx: queue.resume(tx, "dead", 9)) == 1
    with working(queue, heir, name="heir"):
        heir.await_done(6)
    desk.let()
    order = [one.task_id for one in heir.began]
    assert order[-1] == "t00008"
    assert order.index("t00007") <= 1
    assert stats(store, queue) == []
    while queue.prune():
        pass
    assert [one for one in errands(queue) if not one.startswith("t00000")] == []  # that one's worker is still held


def test_a_second_errand_for_a_job_finds_it_taken(queue: DbosQueue, store: Store) -> None:
    submit(store, queue, job(1))
    for _ in range(3):
        store.write(lambda tx: queue.send(tx, job(1), 1, 1_000))
    desk = Desk(held=True)
    with working(queue, desk, slots=5):
        submit(store, queue, job(2))
        desk.await_began(2)
        desk.let()
        submit(store, queue, job(3))  # begins when those before it were fetched
        desk.await_done(3)
    began = [one.task_id for one in desk.began]
    assert (sorted(began[:2]), began[2:]) == (["t00001", "t00002"], ["t00003"])  # the first two at once, in any order


def test_what_another_engine_took_in_is_done_by_this_one(queue: DbosQueue, store: Store) -> None:
    submit(store, own(store), job(1), job(2))
    desk = Desk()
    with working(queue, desk):
        desk.await_done(2)
    assert stats(store, queue) == []


def test_its_tables_stand_beside_ours_and_change_nothing(queue: DbosQueue, store: Store) -> None:
    submit(store, queue, job(1))
    assert store.revision() is not None
    assert store.migrate() == []
    with store.read() as connection:
        context = MigrationContext.configure(connection)
        beside = [
            change
            for change in compare_metadata(context, metadata)
            if change[0] not in ("remove_table", "remove_index")
        ]
        assert beside == []
    options: dict[str, Any] = {}
    store.write(lambda tx: options.update(tx.sql.get_execution_options()))
    assert options.get("schema_translate_map") is None  # of the writer's connection
    path = getattr(store, "path", None)
    if isinstance(path, Path):
        with store.read() as connection:
            assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
    assert store.scrub(rewrite=True) in (True, False)


def test_our_order_fits_into_the_number_that_it_sorts_by() -> None:
    ordered = [(31, 1), (31, 2), (1, 1), (0, 1), (0, 2), (0, 2**25 - 1), (-1, 1), (-31, 2**25 - 1)]
    keys = [sort_key(priority, turn) for priority, turn in ordered]
    assert keys == sorted(set(keys))
    assert min(keys) >= 1
    assert max(keys) <= 2**31 - 1
    assert sort_key(99, 2**40) == sort_key(31, 2**25 - 1)
    assert WAIT > 0


def test_the_engine_is_the_one_that_is_set(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(make_queue(store, SystemClock(), Settings())).__name__ == "OwnQueue"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DbosExtraMissing, match=r"flightlog\[dbos\]"):
        make_queue(store, SystemClock(), Settings(queue_engine="dbos"))
    with pytest.raises(SettingInvalid, match="own or dbos"):
        Settings.load(queue_engine="celery")
