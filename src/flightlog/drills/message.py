"""How a drill gets a dead message: `task.failed` of a drill's own task is refused for as long as that task is FAILED.

No endpoint makes it and no other message can meet it: it takes the drill's pipeline, an input that asks for it, and a failure. Once
the task is done again and succeeds, the message is taken.
"""

from __future__ import annotations

from typing import Protocol

from flightlog.drills.pipeline import NAME, USER_PREFIX
from flightlog.errors import TaskNotFound
from flightlog.outbox.dispatch import Undeliverable
from flightlog.store.contract import Tx
from flightlog.tasks.pipeline import FAILED
from flightlog.tasks.task import read_task

TOPIC = "task.failed"


class Told(Protocol):
    """As much of an outbox message as is needed here."""

    @property
    def task_id(self) -> str: ...
    @property
    def payload(self) -> dict[str, object]: ...


def refuse_samples(tx: Tx, message: Told, now_ns: int) -> None:
    """The handler of TOPIC. Raises Undeliverable for a drill's sample; what everything else costs is the comparison of a name."""
    if not str(message.payload.get("user_id", "")).startswith(USER_PREFIX):
        return
    try:
        task = read_task(tx.sql, message.task_id)
    except TaskNotFound:
        return
    asked = isinstance(task.input, dict) and task.input.get("refuse_message") is True
    if task.pipeline == NAME and asked and task.state == FAILED:
        raise Undeliverable("the drill asked for this message to be refused for as long as its task is FAILED")
