"""What is asked for at the same moment is one transaction, with one statement of each kind for all of it.

Whoever comes first writes for all who wait when the writer gets to it; alone it waits for nobody. Moves are worked out from the
task as it is read there, in which nobody can write beside it: who is too late is told so, and the others go on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from flightlog.errors import StoreGone, StoreUncertain, TaskNotFound, Unavailable
from flightlog.store.contract import StartOver, Store, Tx
from flightlog.tasks.moves import Move, Mover
from flightlog.tasks.task import Task, tasks_in


class Request(NamedTuple):
    """What is asked of one task: its moves, worked out from how it stands; none where it may stay as it is. What `plan` raises is
    raised to whoever asks.
    """

    task_id: str
    plan: Callable[[Task], Sequence[Move]]


R = TypeVar("R")
A = TypeVar("A")


class _Asked(Generic[R, A]):
    """A request on its way to its answer."""

    __slots__ = ("answer", "done", "request")

    def __init__(self, request: R) -> None:
        self.request = request
        self.answer: A | BaseException | None = None  # None: it is asked again, by itself
        self.done = threading.Event()


class Together(Generic[R, A]):
    """Asks for something, from any number of threads. A kind of request says how many of them are answered in a transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()  # guards the two below, and who is in which batch
        self._waiting: list[_Asked[R, A]] = []
        self._is_led = False  # whether somebody is about to take those that wait

    def _answers(self, tx: Tx, requests: Sequence[R]) -> list[A | BaseException | None]:
        """Do what is asked: for each what came of it, or what is raised to whoever asked. None: it is asked again, by itself, once
        the others are committed.
        """
        raise NotImplementedError

    def ask(self, request: R) -> A:
        """What came of it. Raises what is raised for this one, and what the store raises.

        A batch that breaks for a reason that is not the store's is undone, and each of it asked again by itself.
        """
        asked: _Asked[R, A] = _Asked(request)
        with self._lock:
            self._waiting.append(asked)
            leads, self._is_led = not self._is_led, True
        if leads:
            self._lead()
        else:
            asked.done.wait()
        if asked.answer is None:
            asked.answer = self._store.write(lambda tx: self._answers(tx, [request]))[0]
        if isinstance(asked.answer, BaseException):
            raise asked.answer
        assert asked.answer is not None, "one request by itself waits for no other"
        return asked.answer

    def _lead(self) -> None:
        """Write for all who wait by then, and tell each what came of it."""
        batch: list[_Asked[R, A]] = []

        def work(tx: Tx) -> list[A | BaseException | None]:
            self._take(batch)
            tx.hopeful = True  # what breaks ends the transaction
            try:
                return self._answers(tx, [asked.request for asked in batch])
            finally:
                tx.hopeful = False

        answers: Sequence[A | BaseException | None]
        try:
            answers = self._store.write(work)
        except BaseException as error:
            self._take(batch)  # where it did not come to that
            answers = [_of_all(error, len(batch))] * len(batch)
        for asked, answer in zip(batch, answers, strict=True):
            asked.answer = answer
            asked.done.set()

    def _take(self, batch: list[_Asked[R, A]]) -> None:
        """Those who wait are of this batch; a batch that is done again stays as it is."""
        with self._lock:
            if not batch:
                batch += self._waiting
                self._waiting, self._is_led = [], False


class Moves(Together[Request, Task]):
    """Asks for moves; each is answered with the task as it is then. Raises what `plan` raises, and TaskNotFound."""

    def __init__(self, store: Store, mover: Mover) -> None:
        super().__init__(store)
        self._mover = mover

    def _answers(self, tx: Tx, requests: Sequence[Request]) -> list[Any]:
        present = tasks_in(tx, [task_id for task_id, _ in requests])
        moves: list[Move] = []
        answers: list[Task | BaseException] = []
        for task_id, plan in requests:
            try:
                if task_id not in present:
                    raise TaskNotFound(task_id=task_id)
                planned = plan(present[task_id])
            except Exception as error:
                answers.append(error)
                continue
            moves += planned
            if planned:
                present[task_id] = planned[-1].after
            answers.append(present[task_id])
        if moves:
            self._mover.apply(tx, moves)
        return answers


def _of_all(error: BaseException, size: int) -> BaseException | None:
    """What everybody in a batch of this size is told that was not stored; None where each has to ask by itself."""
    if isinstance(error, Unavailable | StoreGone):
        return error
    if isinstance(error, Exception):
        return None if size > 1 or isinstance(error, StartOver) else error
    return StoreUncertain(timeout_seconds=0)  # whoever wrote for all was interrupted, and did not hear what came of it
