"""A keeper of a folder that does tasks and kills itself at a named point: `python -m tests.working.crash_worker TARGET [submit]`.

The point is in the environment variable FLIGHTLOG_CRASH_POINT; without one it works until every task is over. TARGET is a folder,
or the URL of a PostgreSQL store. With `submit` it puts one task in first. It prints `up` when it has started and `over` at the end.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from flightlog.config import Settings
from flightlog.outbox.table import outbox_events
from flightlog.queue.own import OwnQueue
from flightlog.queue.table import queue_jobs
from flightlog.tasks import Retries, pipeline, step
from flightlog.tasks.commands import Asked
from flightlog.tasks.table import IS_OPEN, tasks
from flightlog.wiring import Keeper, keeper_drain, open_platform_store
from flightlog.working.opening import keeper_platform
from flightlog.working.platform import Platform
from tests.working.floor import wait_until

VARIABLE = "FLIGHTLOG_CRASH_POINT"
SECONDS_MAX = 50.0  # a worker of several is dead after 20 s of silence
POINTS = (
    "after submit", "before hand-over", "in hand-over", "after hand-over", "before claim", "after claim", "before begin",
    "after begin", "in step", "before failed", "after failed", "before done", "after done", "before finish", "after finish",
)  # fmt: skip


def die_at(point: str) -> None:
    """Die here, if this is where."""
    if os.environ.get(VARIABLE) == point:
        os.kill(os.getpid(), signal.SIGKILL)


@pipeline("crash", states=["QUEUED", "READING", "WRITING"], retries=Retries(attempts_max=3, seconds_base=0.01))
class Crash:
    """Its first attempt fails once, in the first step, so that failing is walked too."""

    @step("READING")
    def read(self, task: Any) -> str:
        task.recorder.emit("note", {"text": "reading"})
        die_at("in step")
        if task.attempt_no == 1:
            raise OSError("not yet")
        return "read"

    @step("WRITING")
    def write(self, task: Any) -> str:
        return f"{task.results['READING']}, written"


def around(owner: Any, name: str, point: str, counts: Callable[..., bool] = lambda result, *args: True) -> None:
    """Have a method die before it is called and after it has returned, at the points of this name."""
    method = getattr(owner, name)

    def wrapped(*args: Any, **named: Any) -> Any:
        if counts(None, *args):
            die_at(f"before {point}")
        result = method(*args, **named)
        if counts(result, *args):
            die_at(f"after {point}")
        return result

    setattr(owner, name, wrapped)


def arm(platform: Platform) -> None:
    """Every collaborator of the platform, with its points."""
    commands, queue, dispatcher = platform.tasks, platform.queue, platform.dispatcher
    assert isinstance(queue, OwnQueue)
    around(commands, "submit", "submit")
    around(commands, "begin", "begin")
    around(commands, "failed", "failed")
    around(commands, "done", "done")
    around(dispatcher, "dispatch", "hand-over")
    hand_over = queue.submit_all

    def submit(*args: Any) -> None:
        hand_over(*args)
        die_at("in hand-over")

    queue.submit_all = submit  # type: ignore[method-assign]
    claim = queue.claim

    def claiming(wish: Any) -> Any:
        die_at("before claim")
        if wish.finished:
            die_at("before finish")
        claimed = claim(wish)
        if wish.finished:
            die_at("after finish")
        if claimed:
            die_at("after claim")
        return claimed

    queue.claim = claiming  # type: ignore[method-assign]


def main(target: str, submits: bool) -> None:
    shared = target.startswith("postgresql://")
    settings = Settings.load(None, worker_sweep_seconds=0.05, seal=False, archive=False)
    folder = Path(os.environ["FLIGHTLOG_DIR"]) if shared else Path(target)
    keeper = (
        open_platform_store(target, settings, folder)
        if shared
        else Keeper(folder, settings, writable=True, take_lock=True)
    )
    drain = keeper_drain(keeper)
    drain.start()
    platform = keeper_platform(keeper, drain, {"crash": Crash.__flightlog_pipeline__})  # type: ignore[attr-defined]
    arm(platform)
    platform.start()
    print("up", flush=True)
    if submits:
        platform.tasks.submit(Asked("crash", {}, "ann"))
    wait_until(keeper.store, lambda: all_over(platform), SECONDS_MAX)
    platform.stop()
    drain.stop()
    keeper.close()
    print("over", flush=True)


def all_over(platform: Platform) -> bool:
    """Whether every task is over, and no job and no message is left that would have anything done."""
    with platform.store.read() as connection:
        left = [
            select(func.count()).select_from(tasks).where(IS_OPEN),
            select(func.count()).select_from(queue_jobs),
            select(func.count()).select_from(outbox_events).where(outbox_events.c.status == "PENDING"),
        ]
        return not any(connection.execute(one).scalar_one() for one in left)


if __name__ == "__main__":
    main(sys.argv[1], "submit" in sys.argv[2:])
