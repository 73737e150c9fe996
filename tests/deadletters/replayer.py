"""A process that runs replays and does their tasks, until it is killed: `python -m tests.deadletters.replayer FOLDER`.

With `POINT NUMBER` it kills itself at its own letter of this number, from 1: `before` the commit of what was done again, or
`after` it. Without, it says `ticked` after each round, and whoever started it may kill it.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import select

from flightlog.clock import SystemClock
from flightlog.ids import SystemIds
from flightlog.store.engine import open_store
from flightlog.tasks.table import tasks
from flightlog.tasks.task import Task
from tests.deadletters.making import Hangar


def fails(task: Task) -> bool:
    """Every third one fails again, so that it could be replayed again by mistake."""
    return bool(task.input["n"] % 3 == 0)


def kill_at(hangar: Hangar, point: str, number: int) -> None:
    """Have the process die there."""
    replay, turns = hangar.runner._replay, 0

    def deadly(*given: Any) -> Any:
        nonlocal turns
        turns += 1
        if point == "after" and turns == number + 1:
            os.kill(os.getpid(), signal.SIGKILL)
        made = replay(*given)
        if point == "before" and turns == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return made

    hangar.runner._replay = deadly  # type: ignore[assignment, method-assign]


def main(folder: Path, point: str | None = None, number: str = "0") -> None:
    store = open_store(folder, writable=True)
    hangar = Hangar(store, SystemClock(), SystemIds())
    if point is not None:
        kill_at(hangar, point, int(number))
    with store.read() as connection:
        had = connection.execute(
            select(tasks.c.task_id, tasks.c.attempt_no).where(tasks.c.worker_id.is_not(None))
        ).all()
    for task_id, attempt_no in had:
        hangar.tasks.lost(task_id, attempt_no)
    while hangar.runner.tick(hangar.clock.now_ns()):
        print("ticked", flush=True)
        hangar.work_off(fails)
    print("over", flush=True)
    store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
