"""New tasks that are submitted at the same moment: one transaction for all, in which each has its key, its hold and its story."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from flightlog.errors import KeyMisused
from flightlog.events.envelope import Event
from flightlog.store.contract import Store, Tx
from flightlog.tasks import keys
from flightlog.tasks.moves import Mover
from flightlog.tasks.task import Task, answer_of, task_in
from flightlog.tasks.together import Together

SUBMIT = "POST /v1/tasks"


class Submit(NamedTuple):
    """A task that is to be put in with its first events, unless its key is that of a request before; `digest` is of its body."""

    task: Task
    events: list[Event]
    key: str | None
    digest: str


class Submits(Together[Submit, tuple[Task, bool]]):
    """Answers each with its task, and whether that is new. Raises KeyMisused and QuotaExceeded to whom it concerns."""

    def __init__(self, store: Store, mover: Mover, kept_ns: int) -> None:
        super().__init__(store)
        self._mover = mover
        self._kept_ns = kept_ns

    def _answers(self, tx: Tx, requests: Sequence[Submit]) -> list[tuple[Task, bool] | BaseException | None]:
        now = self._mover.clock.now_ns()
        answers: list[tuple[Task, bool] | BaseException | None] = [None] * len(requests)
        asked: set[tuple[str, str]] = set()
        new: list[int] = []
        for place, request in enumerate(requests):
            user_id, key = request.task.user_id, request.key
            if key is not None:
                if (user_id, key) in asked:
                    continue  # the first under this key is being answered: this one comes after it
                asked.add((user_id, key))
                try:
                    known = keys.known_answer(tx, user_id, key, SUBMIT, request.digest, now)
                except KeyMisused as misused:
                    answers[place] = misused
                    continue
                if known is not None:
                    answers[place] = (as_answered(tx, known), False)
                    continue
            new.append(place)
        refused = self._mover.create_all(tx, [(requests[place].task, requests[place].events) for place in new])
        for place, why in zip(new, refused, strict=True):
            task, _, key, digest = requests[place]
            if why is not None:
                answers[place] = why
                continue
            answers[place] = (task, True)
            if key is not None:  # as old as its task, by which an erasure finds it
                at, answer = task.created_at, answer_of(task)
                keys.keep_answer(tx, task.user_id, key, SUBMIT, digest, answer, at, self._kept_ns)
        return answers


def as_answered(tx: Tx, answer: str) -> Task:
    """The task as it was when the answer was given, perhaps by another version of Flightlog."""
    then: dict[str, Any] = msgspec.json.decode(answer)
    known = {name: value for name, value in then.items() if name in Task.__struct_fields__ and name != "input"}
    return msgspec.structs.replace(task_in(tx, then["task_id"]), **known)
