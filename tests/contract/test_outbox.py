"""The exam of the outbox: every message is handed over once, when it is due, in its task's order, or dies where it can be seen."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text, update

from flightlog.clock import SystemClock
from flightlog.config import Settings
from flightlog.errors import MoveIllegal, StoreUnavailable
from flightlog.outbox.dispatch import Dispatcher, Undeliverable
from flightlog.outbox.message import Message
from flightlog.outbox.prune import PIECE, prune
from flightlog.outbox.put import put
from flightlog.outbox.revive import revive
from flightlog.outbox.states import DEAD, MOVES, PENDING, PUBLISHED, STATES, move
from flightlog.outbox.table import outbox_events
from flightlog.queue.handover import TOPICS, handover
from flightlog.store.contract import Store, Tx
from flightlog.testing import FakeClock
from tests.contract.backends import BACKENDS, Backend
from tests.contract.engines import NEVER, WAIT, own, stats

SECOND = 1_000_000_000


class Ear:
    """A handler that keeps what it was told in the order of its commits, and refuses what it is told to refuse."""

    def __init__(self) -> None:
        self.refuse: set[str] = set()
        self.error: Exception = ValueError("the password is hunter2")
        self.heard = threading.Semaphore(0)
        self.at: list[int] = []

    def __call__(self, tx: Tx, message: Message, now_ns: int) -> None:
        tx.sql.execute(text("INSERT INTO heard (event_id) VALUES (:id)"), {"id": message.event_id})
        self.at.append(time.time_ns())
        self.heard.release()
        if message.event_id in self.refuse:
            raise self.error


class Box:
    """Letters of messages that died."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def put_message(self, tx: Tx, message: Message, error: str, now_ns: int) -> None:
        if self.error is not None:
            raise self.error
        tx.sql.execute(text("INSERT INTO letters VALUES (:id, :error)"), {"id": message.event_id, "error": error})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def hall(store: Store, backend: Backend) -> Any:
    """A store with two tables of our own: what a handler did, and what letters were written."""
    make_hall(store)
    yield store
    store.write(lambda tx: [tx.sql.execute(text(f"DROP TABLE {name}")).rowcount for name in ("heard", "letters")])


def make_hall(store: Store) -> None:
    id_ = "INTEGER PRIMARY KEY" if store.dialect == "sqlite" else "SERIAL PRIMARY KEY"

    def make(tx: Tx) -> None:
        tx.sql.execute(text(f"CREATE TABLE heard (id {id_}, event_id TEXT NOT NULL)"))
        tx.sql.execute(text("CREATE TABLE letters (event_id TEXT NOT NULL, error TEXT NOT NULL)"))

    store.write(make)


def dispatcher(store: Store, ear: Ear, clock: Any, box: Box | None = None, **given: Any) -> Dispatcher:
    settings = Settings(**{"queue_sweep_seconds": NEVER} | given)
    redact = lambda said: said.replace("hunter2", "[REDACTED]")  # noqa: E731
    return Dispatcher(store, {"task.created": ear}, clock, settings, letters=box, redact=redact)


def tell(store: Store, clock: Any, *said: tuple[str, str], topic: str = "task.created", wait: float = 0.0) -> None:
    """Messages as (event id, task id)."""

    def write(tx: Tx) -> None:
        now = clock.now_ns()
        for event_id, task_id in said:
            put(
                tx, event_id=event_id, topic=topic, task_id=task_id, now_ns=now, available_at=now + int(wait * SECOND),
                queue="default", attempt_no=1, user_id="ann", priority=0,
            )  # fmt: skip

    store.write(write)


def heard(store: Store) -> list[str]:
    with store.read() as connection:
        return list(connection.scalars(text("SELECT event_id FROM heard ORDER BY id")))


def letters(store: Store) -> list[tuple[str, str]]:
    with store.read() as connection:
        return [tuple(row) for row in connection.execute(text("SELECT * FROM letters"))]


def row_of(store: Store, event_id: str) -> Any:
    with store.read() as connection:
        return connection.execute(select(outbox_events).where(outbox_events.c.event_id == event_id)).one()


def states(store: Store) -> dict[str, str]:
    with store.read() as connection:
        found = connection.execute(select(outbox_events.c.event_id, outbox_events.c.status))
        return {row.event_id: row.status for row in found}


# ── states ───────────────────────────────────────────────────────────────────────────────────────────────────────────

# Lines: from. Columns: to. x: allowed.
MOVES_BY_HAND = """
           PENDING PUBLISHED DEAD
PENDING       -        x       x
PUBLISHED     -        -       -
DEAD          x        -       -
"""


def test_exactly_these_moves_of_a_message_are_allowed(store: Store, clock: FakeClock) -> None:
    head, *lines = [line.split() for line in MOVES_BY_HAND.strip().splitlines()]
    written = {
        (before, after): mark == "x" for before, *marks in lines for after, mark in zip(head, marks, strict=True)
    }
    assert set(written) == set(itertools.product(STATES, STATES))
    assert {move for move, allowed in written.items() if allowed} == MOVES
    for number, ((before, after), allowed) in enumerate(written.items()):
        tell(store, clock, (f"e{number}", f"t{number}"))
        id_ = row_of(store, f"e{number}").id
        store.write(lambda tx, id_=id_, before=before: _put_in(tx, id_, before))
        if allowed:
            assert store.write(lambda tx, id_=id_, said=(before, after): move(tx, [id_], *said)) == 1
            assert store.write(lambda tx, id_=id_, said=(before, after): move(tx, [id_], *said)) == 0  # it has moved
        else:
            with pytest.raises(MoveIllegal):
                store.write(lambda tx, id_=id_, said=(before, after): move(tx, [id_], *said))
        assert row_of(store, f"e{number}").status == (after if allowed else before)


def _put_in(tx: Tx, id_: int, status: str) -> None:
    tx.sql.execute(update(outbox_events).where(outbox_events.c.id == id_).values(status=status))


# ── handing over ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_put_in_is_handed_over_in_order_and_published(hall: Store, ear: Ear, clock: FakeClock) -> None:
    tell(hall, clock, ("a1", "a"), ("b1", "b"), ("a2", "a"))
    assert dispatcher(hall, ear, clock).dispatch() == 3
    assert heard(hall) == ["a1", "b1", "a2"]
    assert set(states(hall).values()) == {PUBLISHED}
    assert row_of(hall, "a1").published_at == clock.now_ns()
    assert dispatcher(hall, ear, clock).dispatch() == 0


def test_a_new_task_is_a_job_in_the_transaction_that_publishes_it(store: Store, clock: FakeClock) -> None:
    queue = own(store)
    tell(store, clock, ("a1", "a"))
    sender = Dispatcher(store, {topic: handover(queue) for topic in TOPICS}, clock, Settings())
    sender.dispatch()
    assert [(found.queue, found.waiting) for found in stats(store, queue)] == [("default", 1)]
    store.write(lambda tx: tx.sql.execute(update(outbox_events).values(status=PENDING)).rowcount)
    sender.dispatch()  # as if the answer of the first commit had been lost
    assert [found.waiting for found in stats(store, queue)] == [1]


def test_what_nobody_handles_is_published_at_once(hall: Store, ear: Ear, clock: FakeClock) -> None:
    tell(hall, clock, ("a1", "a"), topic="task.succeeded")
    dispatcher(hall, ear, clock).dispatch()
    assert (heard(hall), states(hall)) == ([], {"a1": PUBLISHED})


def test_a_batch_is_no_larger_than_its_limit(hall: Store, ear: Ear, clock: FakeClock) -> None:
    tell(hall, clock, *((f"e{number}", "t") for number in range(7)))
    sender = dispatcher(hall, ear, clock, outbox_batch_max=3)
    assert [sender.dispatch() for _ in range(4)] == [3, 3, 1, 0]
    assert heard(hall) == [f"e{number}" for number in range(7)]
    tell(hall, clock, ("last", "t"), ("very last", "t"))
    smallest = dispatcher(hall, ear, clock, outbox_batch_max=0)
    assert [smallest.dispatch() for _ in range(3)] == [1, 1, 0]


def test_what_is_put_off_waits_for_its_time_and_holds_up_nobody(hall: Store, ear: Ear, clock: FakeClock) -> None:
    tell(hall, clock, ("later", "t"), wait=60)
    tell(hall, clock, ("now", "t"))
    sender = dispatcher(hall, ear, clock)
    sender.dispatch()
    assert heard(hall) == ["now"]
    clock.advance(59.999999999)
    assert sender.dispatch() == 0
    clock.advance(ns=1)
    assert sender.dispatch() == 1
    assert heard(hall) == ["now", "later"]


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_refused_message_holds_up_its_task_and_no_other(hall: Store, ear: Ear, box: Box, clock: FakeClock) -> None:
    ear.refuse = {"a2"}
    tell(hall, clock, ("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"))
    sender = dispatcher(hall, ear, clock, box)
    sender.dispatch()
    assert heard(hall) == ["a1", "b1"]  # nor is anything left of what a2's handler did
    assert states(hall) == {"a1": PUBLISHED, "a2": PENDING, "a3": PENDING, "b1": PUBLISHED}
    refused = row_of(hall, "a2")
    assert (refused.attempts, refused.error) == (1, "ValueError: the password is [REDACTED]")
    assert refused.available_at == clock.now_ns() + SECOND
    tell(hall, clock, ("a4", "a"), ("c1", "c"))
    sender.dispatch()
    assert heard(hall) == ["a1", "b1", "c1"]
    ear.refuse = set()
    clock.advance(1)
    sender.dispatch()
    assert heard(hall) == ["a1", "b1", "c1", "a2"] or heard(hall) == ["a1", "b1", "c1", "a2", "a3", "a4"]
    sender.dispatch()
    assert heard(hall) == ["a1", "b1", "c1", "a2", "a3", "a4"]
    assert set(states(hall).values()) == {PUBLISHED}


def test_a_message_that_is_refused_ten_times_dies_with_a_letter_and_its_task_goes_on(
    hall: Store, ear: Ear, box: Box, clock: FakeClock
) -> None:
    ear.refuse = {"a1"}
    tell(hall, clock, ("a1", "a"), ("a2", "a"))
    sender = dispatcher(hall, ear, clock, box)
    waits = []
    for _ in range(9):
        sender.dispatch()
        waits.append((row_of(hall, "a1").available_at - clock.now_ns()) / SECOND)
        clock.advance(waits[-1])
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert (states(hall), letters(hall)) == ({"a1": PENDING, "a2": PENDING}, [])
    sender.dispatch()
    sender.dispatch()
    assert states(hall) == {"a1": DEAD, "a2": PUBLISHED}
    assert letters(hall) == [("a1", "ValueError: the password is [REDACTED]")]
    assert (row_of(hall, "a1").attempts, heard(hall)) == (10, ["a2"])
    assert sender.health().dead == 1


def test_waits_are_not_longer_than_their_limit(hall: Store, ear: Ear, clock: FakeClock) -> None:
    ear.refuse = {"a1"}
    tell(hall, clock, ("a1", "a"))
    dispatcher(hall, ear, clock, outbox_retry_seconds_base=700.0).dispatch()
    assert row_of(hall, "a1").available_at == clock.now_ns() + 300 * SECOND


def test_a_message_does_not_die_without_its_letter(hall: Store, ear: Ear, box: Box, clock: FakeClock) -> None:
    ear.refuse, box.error = {"a1"}, RuntimeError("no room for letters")
    tell(hall, clock, ("a1", "a"))
    sender = dispatcher(hall, ear, clock, box, outbox_attempts_max=1)
    with pytest.raises(RuntimeError, match="no room"):
        sender.dispatch()
    assert (states(hall), row_of(hall, "a1").attempts) == ({"a1": PENDING}, 0)
    box.error = None
    sender.dispatch()
    assert (states(hall), len(letters(hall))) == ({"a1": DEAD}, 1)


def test_what_its_handler_calls_undeliverable_is_dead_at_once_and_others_are_told(
    hall: Store, ear: Ear, box: Box, clock: FakeClock
) -> None:
    ear.refuse, ear.error = {"a1"}, Undeliverable("nobody is there, and nobody will be")
    tell(hall, clock, ("a1", "a"), ("a2", "a"), ("b1", "b"))
    dispatcher(hall, ear, clock, box).dispatch()
    assert (states(hall), row_of(hall, "a1").attempts) == ({"a1": DEAD, "a2": PUBLISHED, "b1": PUBLISHED}, 1)
    assert [id_ for id_, _ in letters(hall)] == ["a1"]


def test_a_payload_that_can_not_be_read_is_refused_like_any_other(
    hall: Store, ear: Ear, box: Box, clock: FakeClock
) -> None:
    tell(hall, clock, ("a1", "a"), ("b1", "b"))
    broken = update(outbox_events).where(outbox_events.c.event_id == "a1").values(payload="{")
    hall.write(lambda tx: tx.sql.execute(broken).rowcount)
    dispatcher(hall, ear, clock, box, outbox_attempts_max=1).dispatch()
    assert states(hall) == {"a1": DEAD, "b1": PUBLISHED}
    assert [id_ for id_, _ in letters(hall)] == ["a1"]


def test_a_dead_message_that_is_revived_is_told_as_if_it_were_new(
    hall: Store, ear: Ear, box: Box, clock: FakeClock
) -> None:
    ear.refuse = {"a1"}
    tell(hall, clock, ("a1", "a"), ("b1", "b"))
    sender = dispatcher(hall, ear, clock, box, outbox_attempts_max=1)
    sender.dispatch()
    clock.advance(5)
    assert hall.write(lambda tx: revive(tx, "a1", clock.now_ns())) is True
    revived = row_of(hall, "a1")
    assert (revived.status, revived.attempts, revived.error) == (PENDING, 0, None)
    assert revived.available_at == clock.now_ns()
    for event_id in ("a1", "b1", "nobody"):  # waiting, published, unknown
        assert hall.write(lambda tx, id_=event_id: revive(tx, id_, clock.now_ns())) is False
    ear.refuse = set()
    sender.dispatch()
    assert heard(hall) == ["b1", "a1"]


# ── trouble ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("error", [StoreUnavailable(reason="away"), ConnectionError("gone")])
def test_when_the_queue_is_away_nothing_is_held_against_a_message(
    hall: Store, ear: Ear, clock: FakeClock, error: Exception
) -> None:
    ear.refuse, ear.error = {"b1"}, error
    tell(hall, clock, ("a1", "a"), ("b1", "b"))
    with pytest.raises(type(error)):
        dispatcher(hall, ear, clock).dispatch()
    assert (heard(hall), states(hall)) == ([], {"a1": PENDING, "b1": PENDING})
    assert row_of(hall, "b1").attempts == 0


def test_trouble_is_told_in_health_and_over_when_it_is_over(hall: Store, ear: Ear, clock: FakeClock) -> None:
    ear.refuse, ear.error = {"a1"}, StoreUnavailable(reason="away")
    sender = dispatcher(hall, ear, clock)
    assert sender.health().state == "stopped"
    sender.start()
    try:
        tell(hall, clock, ("a1", "a"))
        for _ in range(2):  # so that the first is written down
            assert ear.heard.acquire(timeout=WAIT)
        clock.advance(7)
        found = sender.health()
        assert (found.state, found.pending, found.backlog_seconds, found.dead) == ("failing", 1, 7.0, 0)
        assert "away" in (found.error or "")
        ear.refuse = set()
        await_states(hall, {"a1": PUBLISHED})
    finally:
        sender.stop(WAIT)
        sender.stop(WAIT)
    assert sender.health().pending == 0


# ── the thread ───────────────────────────────────────────────────────────────────────────────────────────────────────


def await_states(store: Store, wanted: dict[str, str]) -> None:
    signal, until = store.commits(), time.monotonic() + WAIT
    while True:
        seen = signal.seen
        if states(store) == wanted:
            return
        assert time.monotonic() < until
        signal.wait(seen, WAIT)


def test_it_is_woken_by_a_commit_and_by_the_time_of_what_was_put_off(hall: Store, ear: Ear) -> None:
    clock = SystemClock()
    sender = dispatcher(hall, ear, clock)
    sender.start()
    try:
        for number in range(3):
            tell(hall, clock, (f"e{number}", f"t{number}"))
            assert ear.heard.acquire(timeout=WAIT)
        tell(hall, clock, ("later", "t"), wait=0.15)
        assert ear.heard.acquire(timeout=WAIT)
        due = row_of(hall, "later").available_at
        assert due <= ear.at[-1] < due + 2 * SECOND
    finally:
        sender.stop(WAIT)


def test_a_poke_has_it_look_at_its_clock_again(hall: Store, ear: Ear, clock: FakeClock) -> None:
    sender = dispatcher(hall, ear, clock)
    tell(hall, clock, ("a1", "a"), wait=3_600)
    sender.start()
    try:
        clock.advance(3_600)
        sender.poke()
        assert ear.heard.acquire(timeout=WAIT)
    finally:
        sender.stop(WAIT)


def test_several_dispatchers_hand_each_message_over_once(hall: Store, backend: Backend, ear: Ear) -> None:
    clock = SystemClock()
    second = backend.open() if hall.dialect == "postgresql" else hall
    senders = [dispatcher(of, ear, clock, outbox_batch_max=5) for of in (hall, second, hall, second)]
    for sender in senders:
        sender.start()
    try:
        wanted = {}
        for number in range(60):
            tell(hall, clock, (f"e{number}", f"t{number % 7}"))
            wanted[f"e{number}"] = PUBLISHED
        await_states(hall, wanted)
    finally:
        for sender in senders:
            sender.stop(WAIT)
    assert heard(hall) == [f"e{number}" for number in range(60)]


# ── keeping and health ───────────────────────────────────────────────────────────────────────────────────────────────


def test_published_messages_go_when_their_time_is_over_and_others_stay(
    hall: Store, ear: Ear, box: Box, clock: FakeClock
) -> None:
    ear.refuse = {"dead"}
    tell(hall, clock, ("old", "a"), ("dead", "b"))
    tell(hall, clock, ("waiting", "c"), wait=10_000)
    sender = dispatcher(hall, ear, clock, box, outbox_attempts_max=1)
    sender.dispatch()
    clock.advance(60)
    tell(hall, clock, ("young", "d"))
    sender.dispatch()
    assert prune(hall, clock.now_ns() - 60 * SECOND) == (0, 0)  # not before its time
    gone, reached = prune(hall, clock.now_ns() - 60 * SECOND + 1)
    assert gone == 1
    assert prune(hall, clock.now_ns() - 60 * SECOND + 1, reached) == (0, reached)
    assert states(hall) == {"dead": DEAD, "waiting": PENDING, "young": PUBLISHED}
    assert PIECE == 500


def test_the_backlog_is_as_old_as_what_has_been_due_longest(hall: Store, ear: Ear, clock: FakeClock) -> None:
    sender = dispatcher(hall, ear, clock)
    assert (sender.health().pending, sender.health().backlog_seconds) == (0, 0.0)
    tell(hall, clock, ("later", "t"), wait=100)
    assert (sender.health().pending, sender.health().backlog_seconds) == (1, 0.0)
    tell(hall, clock, ("now", "t"))
    clock.advance(2.5)
    assert (sender.health().pending, sender.health().backlog_seconds) == (2, 2.5)


# One step: what is put in (task, seconds until it is due), which tasks are refused meanwhile, how long it takes.
STEPS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([0, 0, 3])), max_size=3),
        st.sets(st.sampled_from("ab")),
        st.integers(0, 3),
    ),
    min_size=2,
    max_size=12,
)


@pytest.mark.parametrize("name", sorted(BACKENDS))
@settings(max_examples=10, phases=[Phase.generate, Phase.shrink])
@given(steps=STEPS)
def test_whatever_is_refused_for_a_while_each_task_is_told_in_order_and_once(
    name: str, steps: list[tuple[list[tuple[str, int]], set[str], int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    backend = BACKENDS[name](tmp_path_factory.mktemp("outbox"))
    store = backend.open()
    make_hall(store)
    try:
        clock, ear = FakeClock(), Ear()
        sender = dispatcher(store, ear, clock, Box(), outbox_batch_max=3, outbox_attempts_max=1_000)
        dues: dict[str, list[tuple[int, int, str]]] = {"a": [], "b": []}
        numbers = itertools.count()
        for puts, refused, seconds in steps:
            for task, wait in puts:
                number = next(numbers)
                tell(store, clock, (f"{task}{number}", task), wait=wait)
                dues[task].append((clock.now_ns() + wait * SECOND, number, f"{task}{number}"))
            ear.refuse = {id_ for task in refused for *_, id_ in dues[task]}
            sender.dispatch()
            clock.advance(seconds)
        ear.refuse = set()
        clock.advance(1_000)
        while sender.dispatch():
            pass
        told = heard(store)
        assert len(told) == len(set(told)) == sum(map(len, dues.values()))
        for task, said in dues.items():
            assert [id_ for id_ in told if id_.startswith(task)] == [id_ for *_, id_ in sorted(said)]
    finally:
        store.write(lambda tx: [tx.sql.execute(text(f"DROP TABLE {name}")).rowcount for name in ("heard", "letters")])
        backend.close()
