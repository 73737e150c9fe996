"""What the outbox says of a task that is to be worked on, as a job of the queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from flightlog.queue.port import Job, Queue
from flightlog.store.contract import Tx

TOPICS = ("task.created", "task.requeued")  # what is handed over; everything else is told to others


class Told(Protocol):
    """As much of an outbox message as is needed here."""

    @property
    def task_id(self) -> str: ...
    @property
    def payload(self) -> Mapping[str, Any]: ...


def handover(queue: Queue) -> Callable[[Tx, Told, int], None]:
    """The handler of these topics: the attempt that the message tells of waits in the queue, in the same transaction."""

    def hand_over(tx: Tx, message: Told, now_ns: int) -> None:
        said = message.payload
        job = Job(
            job_id=f"{message.task_id}.{said['attempt_no']}",
            queue=said["queue"],
            task_id=message.task_id,
            attempt_no=said["attempt_no"],
            user_id=said["user_id"],
            priority=said["priority"],
        )
        queue.submit(tx, job, now_ns)

    return hand_over
