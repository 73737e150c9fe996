"""Dead letters on every store: written with the failure, settled with the success, and never with a secret."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from sqlalchemy import select

from flightlog.deadletters.erase import erase
from flightlog.deadletters.filter import LetterFilter
from flightlog.deadletters.letters import OPEN, REPLAYED, RESOLVED
from flightlog.deadletters.listing import get_letter, group_letters, list_letters
from flightlog.deadletters.progress import list_items, list_plans
from flightlog.errors import CursorInvalid, FilterInvalid, LetterNotFound, LimitInvalid
from flightlog.journal.read import EventFilter, read_events
from flightlog.store.contract import Store
from flightlog.tasks.table import tasks as tasks_table
from flightlog.working.replaying import LookAfter
from tests.deadletters.making import ERROR, Hangar

SECRET = "AKIAIOSFODNN7EXAMPLE"  # the example in Amazon's documentation


class Message(NamedTuple):
    event_id: str
    topic: str
    task_id: str
    attempts: int


@pytest.fixture
def hangar(store: Store) -> Hangar:
    return Hangar(store)


# ── written ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_task_that_fails_leaves_a_letter_with_all_that_is_known(hangar: Hangar) -> None:
    (task,) = hangar.failed()
    (letter,) = hangar.rows()
    known = {
        "letter_id": f"{task.task_id}.1", "source": "task", "cause": "error", "task_id": task.task_id, "round_no": 1,
        "pipeline": "summarise", "queue": "default", "state": "READING", "user_id": "ann", "project": "default",
        "kind": "OSError", "message": "no room for file 17", "attempts": 1, "tries": 1, "deaths": 0, "worker_id": "w1",
        "failed_at": task.finished_at, "replay_of": None, "replays": 0, "status": OPEN,
    }  # fmt: skip
    assert {name: letter[name] for name in known} == known
    assert letter["input_digest"].startswith("sha256:")
    (said,) = hangar.told("dead_letter", run_id=task.task_id)
    assert {name: letter[name] for name in said} == said


def test_the_letter_and_the_failure_are_one(hangar: Hangar, monkeypatch: pytest.MonkeyPatch) -> None:
    task = hangar.submit()
    monkeypatch.setattr(hangar.letters, "_clean", lambda row, said: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        hangar.fail(task)
    assert hangar.tasks.get(task.task_id).state == "READING"
    assert hangar.rows() == hangar.told("dead_letter") == []


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ERROR, "error"),
        ({"kind": "Unrecoverable", "message": "no PDF"}, "unrecoverable"),
        ({"kind": "Bad", "message": "no PDF", "unrecoverable": True}, "unrecoverable"),
        ({"kind": "OSError", "message": {"not": "text"}}, "error"),
        ({}, "error"),
    ],
)
def test_every_cause_is_a_letter(hangar: Hangar, error: dict[str, object], cause: str) -> None:
    hangar.fail(hangar.submit(), error or {"kind": None})
    assert [letter["cause"] for letter in hangar.rows()] == [cause]


def test_what_workers_die_of_and_what_is_past_its_deadline_are_letters_too(hangar: Hangar) -> None:
    poison = hangar.submit()
    for attempt_no in (1, 2, 3):
        hangar.tasks.begin(poison.task_id, attempt_no, "w1")
        hangar.tasks.lost(poison.task_id, attempt_no)
    hangar.submit(deadline_at=hangar.clock.now_ns() + 1)
    hangar.clock.advance(seconds=1)
    hangar.tasks.expire(hangar.clock.now_ns())
    assert [(letter["cause"], letter["deaths"], letter["state"]) for letter in hangar.rows()] == [
        ("poison", 3, "READING"), ("deadline", 0, "QUEUED"),
    ]  # fmt: skip


def test_a_task_that_is_canceled_is_none(hangar: Hangar) -> None:
    task = hangar.submit()
    hangar.cancel(task.task_id)
    assert hangar.rows() == []


def test_no_secret_gets_into_a_letter_nor_what_a_database_can_not_hold(hangar: Hangar) -> None:
    message = f"denied for {SECRET} \x00 " + "x" * 5_000
    hangar.letters._journal.store.write(
        lambda tx: hangar.letters.put_message(tx, Message("m-1", "task.created", "t", 10), message, 5)
    )
    task = hangar.submit()
    hangar.fail(task, {"kind": "Denied", "message": message})
    for letter in hangar.rows():
        assert SECRET not in str(letter)
        assert len(letter["message"]) <= 2_000
        assert "REDACTED" in letter["message"]
    assert SECRET not in str(hangar.told("dead_letter"))


def test_failures_of_the_same_thing_have_the_same_fingerprint(hangar: Hangar) -> None:
    for number in range(3):
        hangar.fail(hangar.submit(), {"kind": "OSError", "message": f"no room for file {number}"})
    hangar.fail(hangar.submit(), {"kind": "OSError", "message": "no paper"})
    assert len({letter["fingerprint"] for letter in hangar.rows()}) == 2


# ── rounds ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_fails_again_has_a_letter_that_names_the_one_before(hangar: Hangar) -> None:
    (task,) = hangar.failed()
    for _ in range(2):
        hangar.clock.advance(seconds=1)
        hangar.fail(hangar.retry(task.task_id))
    one, two, three = hangar.rows()
    assert [(letter["replay_of"], letter["replays"]) for letter in (one, two, three)] == [
        (None, 0), (one["letter_id"], 1), (two["letter_id"], 2),
    ]  # fmt: skip
    assert [letter["status"] for letter in (one, two, three)] == [REPLAYED, REPLAYED, OPEN]


def test_who_succeeds_later_settles_its_letters_in_the_same_transaction(hangar: Hangar) -> None:
    task, other = hangar.failed(2)
    hangar.succeed(hangar.retry(task.task_id))
    assert [letter["status"] for letter in hangar.rows(task_id=task.task_id)] == [RESOLVED]
    assert [letter["status"] for letter in hangar.rows(task_id=other.task_id)] == [OPEN]


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_message_that_dies_is_a_letter_of_its_task_every_time(hangar: Hangar, store: Store) -> None:
    task = hangar.submit()
    message = Message(f"{task.task_id}-1", "task.created", task.task_id, 10)
    for at in (5, 6):
        store.write(lambda tx, at=at: hangar.letters.put_message(tx, message, {"kind": "Refused", "message": "no"}, at))
    one, two = hangar.rows()
    assert (one["letter_id"], two["letter_id"]) == (f"{message.event_id}.1", f"{message.event_id}.2")
    assert (two["replay_of"], two["replays"]) == (one["letter_id"], 1)
    assert {one[name] for name in ("source", "cause", "topic", "pipeline", "event_id", "kind")} == {
        "outbox", "undelivered", "task.created", "summarise", message.event_id, "Refused",
    }  # fmt: skip
    hangar.succeed(task)
    assert {letter["status"] for letter in hangar.rows()} == {OPEN}


def test_a_message_of_a_task_that_nobody_knows_is_a_letter_all_the_same(hangar: Hangar, store: Store) -> None:
    message = Message("m-1", "task.created", "nosuch", 10)
    store.write(lambda tx: hangar.letters.put_message(tx, message, "OSError: no", 5))
    (letter,) = hangar.rows()
    assert (letter["pipeline"], letter["kind"], letter["message"]) == (None, "OSError", "no")
    with store.read() as connection:
        assert connection.execute(select(tasks_table.c.task_id)).all() == []


# ── read ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def ids_of(hangar: Hangar, **wanted: object) -> list[str]:
    return [letter.letter_id for letter in list_letters(hangar.store, LetterFilter(**wanted)).letters]  # type: ignore[arg-type]


def test_letters_are_found_by_all_that_is_known_of_them(hangar: Hangar, store: Store) -> None:
    began = hangar.clock.now_ns()
    (one,) = hangar.failed(user="ann")
    (two,) = hangar.failed(user="bob", error={"kind": "ValueError", "message": "no"}, pipeline="media", project="p2")
    message = Message(f"{one.task_id}-1", "task.failed", one.task_id, 10)
    store.write(lambda tx: hangar.letters.put_message(tx, message, "no", hangar.clock.now_ns()))
    first, second, third = f"{one.task_id}.1", f"{two.task_id}.1", f"{message.event_id}.1"
    fingerprint = hangar.rows(letter_id=first)[0]["fingerprint"]
    for wanted, found in (
        ({}, [third, second, first]),
        ({"source": "outbox"}, [third]),
        ({"source": "task", "user_id": "ann"}, [first]),
        ({"pipeline": "media"}, [second]),
        ({"queue": "media"}, [second]),
        ({"state": "PREPROCESSING"}, [second]),
        ({"project": "p2"}, [second]),
        ({"task_id": one.task_id}, [third, first]),
        ({"event_id": message.event_id}, [third]),
        ({"topic": "task.failed"}, [third]),
        ({"job": f"{two.task_id}.1"}, [second]),
        ({"job": f"{two.task_id}.2"}, []),
        ({"kind": "ValueError"}, [second]),
        ({"fingerprint": fingerprint}, [first]),
        ({"statuses": (OPEN, RESOLVED)}, [third, second, first]),
        ({"statuses": (REPLAYED,)}, []),
        ({"causes": ("undelivered", "poison")}, [third]),
        ({"since": began + 1_000_000_000}, [third, second]),
        ({"until": began + 1_000_000_000}, [first]),
        ({"since": began, "until": began + 1}, [first]),
        ({"letter_id": second}, [second]),
    ):
        assert ids_of(hangar, **wanted) == found, wanted


@pytest.mark.parametrize(
    "wanted", [{"statuses": ("open",)}, {"source": "x"}, {"job": "x"}, {"kind": "\ud800"}, {"since": 2**63}]
)
def test_a_filter_that_can_not_be_is_refused(hangar: Hangar, wanted: dict[str, object]) -> None:
    with pytest.raises(FilterInvalid):
        ids_of(hangar, **wanted)


def test_pages_follow_each_other_without_loss_or_repeats(hangar: Hangar, store: Store) -> None:
    tasks = [hangar.fail(hangar.submit()) for _ in range(7)]  # all at one time
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = list_letters(store, limit=3, cursor=cursor)
        seen += [letter.letter_id for letter in page.letters]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == sorted((f"{task.task_id}.1" for task in tasks), reverse=True)
    for bad in ("x", "e30", "WzEsMV0"):
        with pytest.raises(CursorInvalid):
            list_letters(store, cursor=bad)
    with pytest.raises(LimitInvalid):
        list_letters(store, limit=0)


def test_groups_say_how_many_since_when_and_give_the_last_as_an_example(hangar: Hangar, store: Store) -> None:
    assert group_letters(store).groups == []
    began = hangar.clock.now_ns()
    rooms = hangar.failed(3)
    papers = hangar.failed(2, {"kind": "OSError", "message": "no paper"})
    hangar.succeed(hangar.retry(papers[0].task_id))
    found = group_letters(store)
    assert (found.letters, found.first_at, found.last_at) == (5, began, began + 4_000_000_000)
    assert [(group.count, group.open, group.example.task_id) for group in found.groups] == [
        (3, 3, rooms[-1].task_id), (2, 1, papers[-1].task_id),
    ]  # fmt: skip
    assert [sum(group.times) for group in found.groups] == [3, 2]
    assert found.groups[0].times[0] == found.groups[1].times[-1] == 1
    only_open = group_letters(store, LetterFilter(statuses=(OPEN,)))
    assert [group.count for group in only_open.groups] == [3, 1]


def test_one_letter_is_shown_with_its_chain(hangar: Hangar, store: Store) -> None:
    (task,) = hangar.failed()
    hangar.fail(hangar.retry(task.task_id))
    detail = get_letter(store, f"{task.task_id}.1")
    assert [letter.round_no for letter in detail.chain] == [1, 2]
    assert detail.turns == []
    for unknown in ("nosuch", "\ud800"):
        with pytest.raises(LetterNotFound):
            get_letter(store, unknown)


# ── dropped, and erased ──────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_dealt_with_is_dropped_after_its_time_and_what_is_open_never(hangar: Hangar, store: Store) -> None:
    hangar.failed(2)
    plan = hangar.apply(hangar.plan())
    hangar.run(plan)
    (still_open,) = hangar.failed()
    looked_at = hangar.plan()
    running = hangar.apply(hangar.plan())
    kept_ns = int(hangar.settings.dead_letter_kept_seconds * 1_000_000_000)
    look_after = LookAfter(hangar, hangar.alerts)
    look_after()
    assert len(hangar.rows()) == 3
    hangar.clock.advance(ns=kept_ns + 1)
    look_after()
    assert [row["task_id"] for row in hangar.rows()] == [still_open.task_id]
    assert [one.plan_id for one in list_plans(store)] == [running.plan_id]
    assert list_items(store, plan.plan_id) == list_items(store, looked_at.plan_id) == []
    assert len(list_items(store, running.plan_id)) == 1


def test_an_erasure_takes_out_of_a_letter_what_the_error_said(hangar: Hangar, store: Store) -> None:
    gone, kept = hangar.failed(2)
    page = read_events(store, EventFilter(run_id=gone.task_id, types=("dead_letter",)))
    store.write(lambda tx: erase(tx, [event.id for event in page.events]))
    assert [(row["task_id"], row["message"]) for row in hangar.rows()] == [
        (gone.task_id, "[erased]"), (kept.task_id, ERROR["message"]),
    ]  # fmt: skip
