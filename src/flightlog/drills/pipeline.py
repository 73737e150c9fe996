"""The pipeline that drills submit: its steps do what their input says, and nothing else.

It touches no file and no network, waits 60 seconds at most, and its tasks are told from real ones by pipeline and project. So it is
on by default; `drills = false` leaves it out, and a drill then says that it can't be flown there.
"""

from __future__ import annotations

import time
from typing import Any

from flightlog.config import DRILL_PIPELINE
from flightlog.tasks import Retries, Unrecoverable, pipeline, step

NAME = DRILL_PIPELINE
PROJECT = "flightlog-drill"
USER_PREFIX = "drill-"  # of the users in whose name drills submit
WAIT_SECONDS_MAX = 60.0
LOOK_SECONDS = 0.05  # how often a waiting step looks whether somebody canceled its task


class DrillFailure(Exception):
    """A failure that was asked for; trying again may help."""


@pipeline(NAME, states=["QUEUED", "FIRST", "SECOND"], retries=Retries(attempts_max=3, seconds_base=0.1))
class Drill:
    """Input, all of it optional:

    `wait` (bool): the first step waits until its task is canceled, or 60 s. `slow` (bool): it takes a moment to report progress.
    `fail_attempts`: so many attempts fail in the second step and are tried again. `die_attempts`: so many attempts, counted from
    the task's first, fail for good. `say`: any JSON, the result. `refuse_message` (bool): see drills/message.py.
    """

    @step("FIRST")
    def first(self, task: Any) -> dict[str, Any]:
        """Report progress, also less than before; wait where that is asked for."""
        given = _given(task.input)
        for share in (0.2, 0.4, 0.1):
            task.progress(share)
            time.sleep(LOOK_SECONDS if given.get("slow") else 0)
        if given.get("wait"):
            until = time.monotonic() + WAIT_SECONDS_MAX
            while time.monotonic() < until:
                task.check()
                time.sleep(LOOK_SECONDS)
        return {"attempt_no": task.attempt_no}

    @step("SECOND")
    def second(self, task: Any) -> Any:
        """Fail as often as asked, then give back what was to be said."""
        given = _given(task.input)
        task.progress(0.6)
        task.recorder.emit("note", {"text": f"drill, attempt {task.attempt_no}"})
        if task.attempt_no <= _number(given, "die_attempts"):
            raise Unrecoverable(f"the drill asked for a failure that nothing helps against, attempt {task.attempt_no}")
        if task.attempt_no <= _number(given, "fail_attempts"):
            raise DrillFailure(f"the drill asked for attempt {task.attempt_no} to fail")
        return given.get("say")


def _given(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise Unrecoverable("the input of a drill is an object")
    return given


def _number(given: dict[str, Any], name: str) -> int:
    found = given.get(name, 0)
    if isinstance(found, bool) or not isinstance(found, int):
        raise Unrecoverable(f"{name} is a whole number")
    return found
