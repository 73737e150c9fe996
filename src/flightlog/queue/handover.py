"""What the outbox says of a task that is to be worked on, as a job of the queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


class Handover:
    """The handler of these topics: the attempt that a message tells of waits in the queue, in the same transaction."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def __call__(self, tx: Tx, message: Told, now_ns: int) -> None:
        self.many(tx, [message], now_ns)

    def many(self, tx: Tx, messages: Sequence[Told], now_ns: int) -> None:
        """Several at once."""
        self._queue.submit_all(tx, [_job_of(message) for message in messages], now_ns)


def handover(queue: Queue) -> Handover:
    """See Handover."""
    return Handover(queue)


def _job_of(message: Told) -> Job:
    said = message.payload
    return Job(
        job_id=f"{message.task_id}.{said['attempt_no']}",
        queue=said["queue"],
        task_id=message.task_id,
        attempt_no=said["attempt_no"],
        user_id=said["user_id"],
        priority=said["priority"],
    )
