"""The dispatcher: hands what the outbox holds to those whom it concerns, and marks it PUBLISHED in the same transaction."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, Protocol

import msgspec
from sqlalchemy import Row, update
from sqlalchemy.exc import DBAPIError

from flightlog.clock import Clock
from flightlog.config import Settings
from flightlog.errors import FlightlogError, LedgerBroken, StoreBroken, Unavailable
from flightlog.outbox.message import SECOND_NS, Message, due, message_of, next_due_at, read_backlog
from flightlog.outbox.prune import prune
from flightlog.outbox.states import DEAD, PENDING, PUBLISHED, move
from flightlog.outbox.table import outbox_events
from flightlog.store.contract import StartOver, Store, Tx
from flightlog.store.lookout import Lookout

log = logging.getLogger("flightlog.outbox")

RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 0.1, 5.0  # while store or queue are in trouble
PRUNE_SECONDS = 60.0
JITTER = 0.2
ERROR_CHARS_MAX = 1_000

Handler = Callable[[Tx, Message, int], None]  # one that has a method `many` is given several messages at once


class Letters(Protocol):
    """Where a message that died is kept; in the transaction in which it dies."""

    def put_message(self, tx: Tx, message: Message, error: str, now_ns: int) -> object: ...


class DispatcherHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How the outbox is being emptied. `state`: running, stopped, or failing, then with `error`, and everything stays PENDING.

    `backlog_seconds` is how long the oldest message that is due has been so.
    """

    state: str
    pending: int = 0
    backlog_seconds: float = 0.0
    dead: int = 0
    error: str | None = None


class Refused(Exception):
    """A handler did not take a message, in a batch that was begun in the hope that all are taken."""


class Undeliverable(Exception):
    """What a handler raises where trying again can't help: the message is DEAD at once."""


class Dispatcher:
    """Any number of these on one store hand nothing over twice: each batch is chosen in the transaction that marks it.

    `handlers` by topic; what nobody handles is PUBLISHED as it is. A handler works in the transaction that it is given. What it
    raises, if it is not the database's trouble, refuses this message: it is tried again later, and then DEAD. `redact` takes
    secrets out of what is kept of such an error; `chance` gives a number from 0 to 1.
    """

    def __init__(
        self,
        store: Store,
        handlers: Mapping[str, Handler],
        clock: Clock,
        settings: Settings,
        *,
        letters: Letters | None = None,
        redact: Callable[[str], str] = lambda text: text,
        chance: Callable[[], float] = lambda: 0.5,
    ) -> None:
        self.store = store
        self._handlers = handlers
        self._clock = clock
        self._settings = settings
        self._batch_max = max(1, settings.outbox_batch_max)
        self._letters = letters
        self._redact = redact
        self._chance = chance
        self._lookout: Lookout | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._error: str | None = None
        self._pruned_to = 0
        self._pruned_at = time.monotonic()

    # ── for callers ──────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Begin. Doing it twice changes nothing."""
        if self._thread is None:
            self._lookout = Lookout(self.store.commits(), self._settings.queue_sweep_seconds)
            self._thread = threading.Thread(target=self._loop, name="flightlog-dispatcher", daemon=True)
            self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """End after the batch that is under way. Safe to call twice."""
        self._stopping.set()
        if self._thread is not None:
            self.poke()
            self._thread.join(timeout_seconds)

    def poke(self) -> None:
        """Something was put in and committed. It would be seen anyway, a little later while much else is committed."""
        if self._lookout is not None:
            self._lookout.poke()

    def health(self) -> DispatcherHealth:
        """How far it is. Raises what a read raises."""
        with self.store.read() as connection:
            found = read_backlog(connection, self._clock.now_ns())
        running = self._thread is not None and not self._stopping.is_set()
        return DispatcherHealth(
            state="stopped" if not running else "failing" if self._error else "running",
            pending=found.pending,
            backlog_seconds=found.seconds,
            dead=found.dead,
            error=self._error,
        )

    def dispatch(self) -> int:
        """Hand one batch over, here and now; how many messages were PUBLISHED, refused or given up."""
        try:
            return self.store.write(lambda tx: self._batch(tx, careful=False))
        except Refused:
            return self.store.write(lambda tx: self._batch(tx, careful=True))

    # ── the thread ───────────────────────────────────────────────────────────────────────────────────────────────

    def _loop(self) -> None:
        assert self._lookout is not None
        more, retry = False, RETRY_SECONDS_MIN
        while not self._stopping.is_set():
            try:
                self._lookout.begin()
                wait = 0.0 if more else self._wait_seconds()
                if wait == 0.0:
                    more = self.dispatch() >= self._batch_max
                    self._lookout.found()
                else:
                    self._prune()
                self._error, retry = None, RETRY_SECONDS_MIN
            except Exception as error:
                self._trouble(error)
                self._stopping.wait(retry)
                more, retry = False, min(retry * 2, RETRY_SECONDS_MAX)
                continue
            if wait != 0.0:
                self._lookout.rest(wait)

    def _wait_seconds(self) -> float | None:
        """How long until a message is due; 0 where one is now, None where nobody knows of any."""
        now = self._clock.now_ns()
        with self.store.read() as connection:
            if due(connection, now, 1):
                return 0.0
            at = next_due_at(connection, now)
        return None if at is None else max((at - now) / SECOND_NS, 0.001)

    def _trouble(self, error: Exception) -> None:
        said = error.message if isinstance(error, FlightlogError) else type(error).__name__
        if said != self._error:
            log.warning("the outbox is not handed over: %s", said)
        self._error = said

    def _prune(self) -> None:
        if time.monotonic() - self._pruned_at < PRUNE_SECONDS:
            return
        before = self._clock.now_ns() - int(self._settings.outbox_kept_seconds * SECOND_NS)
        _, reached = prune(self.store, before, self._pruned_to)
        if reached == self._pruned_to:
            self._pruned_at = time.monotonic()
        self._pruned_to = reached

    # ── a batch ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _batch(self, tx: Tx, *, careful: bool) -> int:
        """Hand over what is due. Without care a refusal raises Refused and the whole is undone, which costs nothing while there
        is none; with care each message has a savepoint of its own.
        """
        now = self._clock.now_ns()
        told: list[int] = []
        waiting: set[str] = set()  # tasks of which a message was refused
        rows = due(tx.sql, now, self._batch_max)
        if not careful:
            self._hand_over_all(tx, rows, now)
            move(tx, [row.id for row in rows], PENDING, PUBLISHED, published_at=now, error=None)
            return len(rows)
        for row in rows:
            if row.task_id in waiting:
                continue
            try:
                with tx.sql.begin_nested():
                    self._hand_over(tx, row, now)
            except Exception as error:
                if is_trouble(error):
                    raise
                if not self._refuse(tx, row, error, now):
                    waiting.add(row.task_id)
            else:
                told.append(row.id)
        move(tx, told, PENDING, PUBLISHED, published_at=now, error=None)
        return len(rows)

    def _hand_over_all(self, tx: Tx, rows: Sequence[Row[Any]], now: int) -> None:
        """In their order; those that follow one another and have the same handler at once, where it takes several."""
        try:
            for handler, some in groupby(rows, lambda row: self._handlers.get(row.topic)):
                many = getattr(handler, "many", None)
                if many is not None:
                    many(tx, [message_of(row) for row in some], now)
                elif handler is not None:
                    for row in some:
                        handler(tx, message_of(row), now)
        except Exception as error:
            if is_trouble(error):
                raise
            raise Refused from error

    def _hand_over(self, tx: Tx, row: Row[Any], now: int) -> None:
        handler = self._handlers.get(row.topic)
        if handler is not None:
            handler(tx, message_of(row), now)

    def _refuse(self, tx: Tx, row: Row[Any], error: Exception, now: int) -> bool:
        """Try it again later, or give it up; whether it was given up."""
        said = self._redact(error.message if isinstance(error, FlightlogError) else f"{type(error).__name__}: {error}")
        attempts, text = row.attempts + 1, said[:ERROR_CHARS_MAX]
        if isinstance(error, Undeliverable) or attempts >= self._settings.outbox_attempts_max:
            move(tx, [row.id], PENDING, DEAD, attempts=attempts, error=text)
            if self._letters is not None:
                self._letters.put_message(tx, dead_message(row, attempts), text, now)
            return True
        later = now + int(self._delay_seconds(attempts) * SECOND_NS)
        tx.sql.execute(
            update(outbox_events)
            .where(outbox_events.c.id == row.id)
            .values(attempts=attempts, error=text, available_at=later)
        )
        return False

    def _delay_seconds(self, attempts: int) -> float:
        wait: float = self._settings.outbox_retry_seconds_base * 2.0 ** (attempts - 1)
        wait *= 1 - JITTER + 2 * JITTER * self._chance()
        return min(wait, self._settings.outbox_retry_seconds_max)


def dead_message(row: Row[Any], attempts: int) -> Message:
    """The message as its letter has it; an empty payload where it can't be read, which may be why it died."""
    try:
        return msgspec.structs.replace(message_of(row), attempts=attempts)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return Message(
            row.id, row.event_id, row.topic, row.task_id, {}, attempts, row.available_at, row.created_at
        )  # what it was is still in its row


def is_trouble(error: BaseException) -> bool:
    """Whether the database or the machine is at fault, and not this message: then nothing is to be held against it."""
    if isinstance(error, LedgerBroken):
        return False  # of one task
    if isinstance(error, Unavailable | StoreBroken | StartOver | OSError | MemoryError):
        return True
    origin = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    # The names are those of PEP 249, the same for every driver. SQLite says InterfaceError of a value that it can't bind.
    names = {kind.__name__ for kind in type(origin).__mro__}
    lost = "InterfaceError" in names and not type(origin).__module__.startswith("sqlite3")
    return lost or bool(names & {"OperationalError", "InternalError"})
