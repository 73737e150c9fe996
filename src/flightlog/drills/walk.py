"""What the checks of one drill share: the server, the samples made so far, and how these go away again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from flightlog.clock import NS_PER_SECOND, Clock
from flightlog.drills.pipeline import NAME, PROJECT, USER_PREFIX
from flightlog.drills.target import Answer, Target, Unreachable

ENDS = frozenset({"SUCCEEDED", "FAILED", "CANCELED"})
WAIT_SECONDS = 30.0
LOOK_SECONDS = 0.03
T = TypeVar("T")


class Red(Exception):
    """A promise is broken; the message says what was seen instead."""


class Unproved(Exception):
    """It can't be seen here, or not now; the message says why."""


class Walk:
    """One drill on one server. `tag` tells its samples from everybody else's: it is in their user's name and their keys."""

    def __init__(self, target: Target, tag: str, clock: Clock, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self.target = target
        self.user = f"{USER_PREFIX}{tag}"
        self.unreachable = False
        self.ended = threading.Event()
        self.kept: dict[str, Any] = {}
        self.tasks: list[str] = []
        self.wait_seconds = wait_seconds
        self._clock = clock
        self._keys = 0
        self._cleaners: list[Callable[[], list[str]]] = []

    # ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────

    def get(self, path: str, **query: object) -> Answer:
        self.go_on()
        return self.target.ask("GET", path, query=query)

    def post(self, path: str, document: Any = None, key: str | None = None) -> Answer:
        self.go_on()
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.target.ask("POST", path, {} if document is None else document, headers)

    def key(self) -> str:
        """An Idempotency-Key that nobody used."""
        self._keys += 1
        return f"{self.user}-{self._keys}"

    def body(self, **given: Any) -> dict[str, Any]:
        """The request for a sample that does as it is told; see drills/pipeline.py."""
        return {"pipeline": NAME, "user_id": self.user, "project": PROJECT, "input": given}

    def submit(self, **given: Any) -> str:
        """A sample under way; its id."""
        return self.take(self.post("/v1/tasks", self.body(**given), self.key()))

    def take(self, answer: Answer) -> str:
        """The id of a task that was submitted, from now on one of ours to clean up."""
        expect(answer, 201, "a task was submitted")
        task_id = str(answer.document["task_id"])
        self.tasks.append(task_id)
        return task_id

    def task(self, task_id: str) -> dict[str, Any]:
        """A task as it stands."""
        answer = self.get(f"/v1/tasks/{task_id}")
        expect(answer, 200, "a task was read")
        return answer.document

    def until(self, look: Callable[[], T | None], late: str, moved: Callable[[], object] = lambda: None) -> T:
        """What a look finds, once it finds something; raises Red where it does not in time. Time begins anew when `moved` gives
        something else than before.
        """
        began, before = self._clock.monotonic_ns(), moved()
        while (found := look()) is None:
            if (now := moved()) != before:
                began, before = self._clock.monotonic_ns(), now
            if self._clock.monotonic_ns() - began > self.wait_seconds * NS_PER_SECOND:
                raise Red(f"{late} within {self.wait_seconds:g} s")
            self.go_on()
            time.sleep(LOOK_SECONDS)
        return found

    def look_on(self, task_id: str) -> list[dict[str, Any]]:
        """The task as it is at each look, from now until it is over."""
        seen = [self.task(task_id)]
        until = self._clock.monotonic_ns() + int(self.wait_seconds * NS_PER_SECOND)
        while seen[-1]["state"] not in ENDS:
            if self._clock.monotonic_ns() > until:
                raise self._late(seen[-1])
            self.go_on()
            time.sleep(LOOK_SECONDS)
            seen.append(self.task(task_id))
        return seen

    def _late(self, task: dict[str, Any]) -> Red:
        waited = f"after {self.wait_seconds:g} s: does a worker take the queue {task['queue']}?"
        return Red(f"task {task['task_id']} is {task['state']} {waited}")

    def wait(self, task_id: str, *states: str) -> dict[str, Any]:
        """The task, once it is over; raises Red unless it is in one of these states then."""
        found = self.look_on(task_id)[-1]
        if found["state"] not in states:
            raise Red(f"task {task_id} is {found['state']}, and should be {' or '.join(states)}")
        return found

    def wait_for(self, path: str, status: int) -> Answer:
        """The answer of a path once it has this status, or the last one that it had in time."""
        until = self._clock.monotonic_ns() + int(self.wait_seconds * NS_PER_SECOND)
        while (answer := self.get(path)).status != status and self._clock.monotonic_ns() < until:
            self.go_on()
            time.sleep(LOOK_SECONDS)
        return answer

    def go_on(self) -> None:
        """Raise KeyboardInterrupt where somebody ended the drill. Only between two requests: of one that is under way nobody would
        know whether it made something.
        """
        if self.ended.is_set():
            raise KeyboardInterrupt

    def now_ns(self) -> int:
        return self._clock.now_ns()

    # ── what one check leaves for the next ───────────────────────────────────────────────────────────────────────

    def needs(self, name: str) -> Any:
        """What an earlier check kept; raises Unproved where it did not come so far."""
        if name not in self.kept:
            raise Unproved("an earlier check did not come so far")
        return self.kept[name]

    # ── cleaning up ──────────────────────────────────────────────────────────────────────────────────────────────

    def at_the_end(self, clean: Callable[[], list[str]]) -> None:
        """Have this done when the drill is over, the last first; it returns what it could not put away."""
        self._cleaners.append(clean)

    def clean_up(self) -> list[str]:
        """Cancel every sample that is under way, and put away what checks asked for. What stays is returned, in words."""
        self.ended = threading.Event()  # whoever ended the drill wants just this to be done
        left: list[str] = []
        for clean in [self._cancel_all, *reversed(self._cleaners)]:
            try:
                left += clean()
            except (Unreachable, Red, KeyError, TypeError) as error:
                left.append(f"{getattr(clean, '__name__', 'a sample').strip('_').replace('_', ' ')}: {error}")
        return [] if self.unreachable and not self.tasks else left

    def _cancel_all(self) -> list[str]:
        left = []
        for task_id in self.tasks:
            if self.task(task_id)["state"] in ENDS:
                continue
            answer = self.post(f"/v1/tasks/{task_id}/cancel", {"reason": "the drill is over"})
            if answer.status != 200 and self.task(task_id)["state"] not in ENDS:
                left.append(f"task {task_id}: {answer}")
        return left


def expect(answer: Answer, wanted: int, what: str) -> Answer:
    """The answer, if it has this status (three digits) or this problem code (five digits); else raises Red."""
    found = answer.status if wanted < 1000 else answer.code
    if found != wanted:
        raise Red(f"{what}: {wanted} was to come, and {answer} came")
    return answer
