"""Every move of every pipeline on every store: those that are allowed are made, all others refused with nothing stored."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from flightlog.errors import MoveIllegal
from flightlog.store.contract import Store, Tx
from flightlog.tasks.pipeline import Pipeline
from flightlog.tasks.table import tasks as tasks_table
from flightlog.tasks.task import task_in
from flightlog.testing import FakeClock
from tests.contract.test_tasks import ask, make_tasks
from tests.tasks.test_moves import TABLES, cells


class Undone(Exception):
    """So that one task serves for all moves."""


@pytest.mark.parametrize(("pipeline", "table"), TABLES)
def test_exactly_the_allowed_moves_are_made(store: Store, pipeline: Pipeline, table: str) -> None:
    tasks = make_tasks(store, FakeClock(), pipelines={pipeline.name: pipeline})
    task, _ = tasks.submit(ask(pipeline=pipeline.name))
    written = {move: is_allowed for move, is_allowed in cells(table).items() if move[0]}
    made = {}
    for before, after in written:

        def try_move(tx: Tx, before: str = before, after: str = after) -> None:
            tx.sql.execute(update(tasks_table).values(state=before))
            here = task_in(tx, task.task_id)
            tasks._mover.move(tx, here, pipeline, after, round_no=2 if here.is_over else 1)
            raise Undone

        with pytest.raises((Undone, MoveIllegal)) as caught:
            store.write(try_move)
        made[before, after] = isinstance(caught.value, Undone)
    assert made == written
    assert tasks.get(task.task_id) == task
