"""Replays on every store: nothing without a plan that was looked at, each letter once, and no further than it goes well."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from flightlog.deadletters.filter import LetterFilter
from flightlog.deadletters.letters import OPEN, REPLAYED, RESOLVED
from flightlog.deadletters.listing import get_letter
from flightlog.deadletters.plan import Plan, hash_of
from flightlog.deadletters.progress import get_progress, list_items, list_plans
from flightlog.deadletters.table import dead_letters, replay_plans
from flightlog.errors import (
    LimitInvalid,
    ReplayInvalid,
    ReplayMoveIllegal,
    ReplayNotFound,
    ReplaySetChanged,
    ReplayUnconfirmed,
)
from flightlog.outbox.put import put
from flightlog.outbox.states import DEAD, PENDING, PUBLISHED
from flightlog.outbox.table import outbox_events
from flightlog.store.contract import Store
from flightlog.usage.ledger import set_units_max
from flightlog.working.replaying import make_runner
from tests.contract.test_deadletters import Message
from tests.deadletters.making import Hangar

SECOND = 1_000_000_000


@pytest.fixture
def hangar(store: Store) -> Hangar:
    return Hangar(store)


def audits(hangar: Hangar) -> list[tuple[str, str]]:
    return [(said["operation"], said["outcome"]) for said in hangar.told("audit")]


# ── a dry run ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_plan_freezes_what_matches_and_does_nothing(hangar: Hangar, store: Store) -> None:
    tasks = hangar.failed(3)
    hangar.failed(pipeline="media")
    before = hangar.rows()
    plan = hangar.plan(filter=LetterFilter(pipeline="summarise"))
    ids = [f"{task.task_id}.1" for task in tasks]
    assert (plan.state, plan.letters, plan.hash, plan.warnings) == ("PLANNED", 3, hash_of(ids), [])
    assert plan.filter == LetterFilter(pipeline="summarise", statuses=(OPEN,))
    items = list_items(store, plan.plan_id)
    assert [(item.letter_id, item.expected, item.outcome) for item in items] == [(id_, "replayed", None) for id_ in ids]
    hangar.runner.tick(hangar.clock.now_ns())
    assert hangar.rows() == before
    assert [hangar.tasks.get(task.task_id) for task in tasks] == tasks
    assert get_progress(store, plan.plan_id).waiting == 3
    assert audits(hangar) == []


def test_a_plan_says_what_would_become_of_each(hangar: Hangar, store: Store) -> None:
    fine, again, done, busy, old = hangar.failed(5)
    hangar.fail(hangar.retry(again.task_id))
    hangar.succeed(hangar.retry(done.task_id))
    hangar.begin(hangar.retry(busy.task_id))
    store.write(
        lambda tx: tx.sql.execute(update(dead_letters).where(dead_letters.c.task_id == old.task_id).values(replays=5))
    )
    plan = hangar.plan(filter=LetterFilter(statuses=(OPEN, REPLAYED, RESOLVED)))
    expected = {item.letter_id: item.expected for item in list_items(store, plan.plan_id)}
    assert expected == {
        f"{fine.task_id}.1": "replayed", f"{again.task_id}.1": "superseded", f"{again.task_id}.2": "replayed",
        f"{done.task_id}.1": "already_succeeded", f"{busy.task_id}.1": "superseded", f"{old.task_id}.1": "chain_too_long",
    }  # fmt: skip
    assert plan.warnings == [
        "1 of 6 would not be replayed: already_succeeded",
        "1 of 6 would not be replayed: chain_too_long",
        "2 of 6 would not be replayed: superseded",
    ]
    done_with = hangar.run(hangar.apply(plan))
    assert done_with.outcomes == done_with.expected == {
        "replayed": 2, "superseded": 2, "already_succeeded": 1, "chain_too_long": 1,
    }  # fmt: skip


def test_more_letters_than_one_plan_takes_are_refused(store: Store) -> None:
    hangar = Hangar(store, replay_letters_max=2)
    hangar.failed(2)
    assert hangar.plan().letters == 2
    hangar.failed(1)
    with pytest.raises(ReplayInvalid, match="more than 2 letters"):
        hangar.plan()
    for bad in ({"stop_failures_ratio": 1.1}, {"stop_failures_ratio": -0.1}, {"concurrency": 0}):
        with pytest.raises(ReplayInvalid):
            hangar.plan(filter=LetterFilter(task_id="x"), **bad)


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("change", ["one more", "one less", "another"])
def test_a_plan_is_refused_for_good_when_other_letters_match(hangar: Hangar, store: Store, change: str) -> None:
    tasks = hangar.failed(2)
    plan = hangar.plan()
    if change != "one more":
        hangar.succeed(hangar.retry(tasks[0].task_id))
    if change != "one less":
        hangar.failed()
    with pytest.raises(ReplaySetChanged):
        hangar.apply(plan)
    found = get_progress(store, plan.plan_id)
    assert (found.plan.state, found.outcomes) == ("REFUSED", {})
    with pytest.raises(ReplayMoveIllegal):
        hangar.apply(plan)
    hangar.runner.tick(hangar.clock.now_ns())
    assert hangar.told("dead_letter_replayed") == []
    assert audits(hangar) == [("deadletters.replay", "refused")]


def test_who_does_not_know_the_hash_has_not_seen_the_plan(hangar: Hangar, store: Store) -> None:
    hangar.failed()
    plan = hangar.plan()
    with pytest.raises(ReplaySetChanged, match="not the plan's"):
        hangar.apply(plan, hash="sha256:00")
    assert get_progress(store, plan.plan_id).plan.state == "PLANNED"
    assert hangar.apply(plan).state == "CANARY_1"


def test_many_at_high_concurrency_need_a_typed_confirmation(store: Store) -> None:
    hangar = Hangar(store, replay_confirm_letters_min=3)
    hangar.failed(2)
    assert hangar.apply(hangar.plan(allow_high_concurrency=True)).state == "CANARY_1"
    hangar = Hangar(store, replay_confirm_letters_min=2)
    assert hangar.apply(hangar.plan()).state == "CANARY_1"  # usual concurrency needs none
    plan = hangar.plan(allow_high_concurrency=True)
    for confirm in (None, "yes", "replay 3 dead letters"):
        with pytest.raises(ReplayUnconfirmed, match="replay 2 dead letters"):
            hangar.apply(plan, confirm=confirm)
    assert get_progress(store, plan.plan_id).plan.state == "PLANNED"
    assert hangar.apply(plan, confirm="replay 2 dead letters").state == "CANARY_1"
    assert audits(hangar)[-4:] == [("deadletters.replay", "refused")] * 3 + [("deadletters.replay", "succeeded")]


def test_who_and_why_have_to_be_said_and_are_kept_without_secrets(hangar: Hangar, store: Store) -> None:
    hangar.failed()
    plan = hangar.plan()
    for bad in ({"reason": ""}, {"reason": " \n"}, {"reason": "x" * 501}, {"by": ""}, {"reason": "two\nlines"}):
        with pytest.raises(ReplayInvalid):
            hangar.apply(plan, **bad)
    hangar.apply(plan, reason="new key AKIAIOSFODNN7EXAMPLE is in", by="bob")
    found = hangar.run(plan)
    assert found.plan.applied_by == "bob"
    assert found.plan.reason is not None
    everything = f"{found}{hangar.told('audit', 'dead_letter_replayed', 'task_transition')}"
    assert "AKIA" not in everything
    assert "is in" in found.plan.reason
    assert audits(hangar) == [("deadletters.replay", "succeeded"), ("deadletters.finish", "done")]


def test_a_plan_that_is_not_there_is_not_found(hangar: Hangar, store: Store) -> None:
    for ask in (
        lambda: get_progress(store, "nosuch"),
        lambda: get_progress(store, "\ud800"),
        lambda: hangar.replays.stop("nosuch", by="ann"),
        lambda: hangar.replays.apply("nosuch", "x", reason="r", by="ann"),
    ):
        with pytest.raises(ReplayNotFound):
            ask()


# ── how it goes ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_goes_by_one_then_ten_then_the_rest(hangar: Hangar, store: Store) -> None:
    hangar.failed(15)
    plan = hangar.apply(hangar.plan(concurrency=4))
    seen: list[tuple[str, int]] = []
    while plan.state in ("CANARY_1", "CANARY_10", "REST"):
        hangar.runner.tick(hangar.clock.now_ns())
        now = get_progress(store, plan.plan_id)
        plan = now.plan
        seen.append((plan.state, now.under_way))
        hangar.work_off()
    assert seen == [
        ("CANARY_1", 1), ("CANARY_10", 4), ("CANARY_10", 4), ("CANARY_10", 2), ("REST", 4), ("DONE", 0),
    ]  # fmt: skip
    stages = [item.stage for item in list_items(store, plan.plan_id)]
    assert stages == ["CANARY_1"] + ["CANARY_10"] * 10 + ["REST"] * 4
    found = get_progress(store, plan.plan_id)
    assert (found.outcomes, found.ended, found.waiting) == ({"replayed": 15}, {"SUCCEEDED": 15}, 0)
    assert {letter["status"] for letter in hangar.rows()} == {RESOLVED}


def test_each_letter_tells_on_its_run_what_became_of_it(hangar: Hangar) -> None:
    (task,) = hangar.failed()
    plan = hangar.apply(hangar.plan())
    hangar.run(plan)
    (said,) = hangar.told("dead_letter_replayed", run_id=task.task_id)
    assert said == {
        "letter_id": f"{task.task_id}.1", "plan_id": plan.plan_id, "outcome": "replayed", "stage": "CANARY_1",
        "round_no": 2, "reason": "room again",
    }  # fmt: skip
    detail = get_letter(hangar.store, f"{task.task_id}.1")
    assert [(turn.plan_id, turn.outcome, turn.ended) for turn in detail.turns] == [
        (plan.plan_id, "replayed", "SUCCEEDED")
    ]
    assert detail.letter.plan_id == plan.plan_id


def test_a_canary_that_fails_again_stops_it(hangar: Hangar) -> None:
    hangar.failed(12)
    plan = hangar.apply(hangar.plan())
    found = hangar.run(plan, fails=lambda task: True)
    assert (found.plan.state, found.outcomes, found.waiting) == ("STOPPED", {"replayed": 1}, 11)
    assert found.plan.because is not None
    assert "1 of 1 replayed tasks failed again" in found.plan.because
    assert len(hangar.rows(status=OPEN)) == 12  # one of them is the new one
    assert audits(hangar)[-1] == ("deadletters.finish", "stopped")


def test_the_rest_stops_when_too_many_fail_again(hangar: Hangar) -> None:
    hangar.failed(25)
    plan = hangar.apply(hangar.plan())
    after = {row["task_id"] for row in hangar.rows()[11:]}
    found = hangar.run(plan, fails=lambda task: task.task_id in after)
    assert (found.plan.state, found.outcomes, found.ended["FAILED"]) == ("STOPPED", {"replayed": 21}, 10)


def test_a_canary_whose_task_does_not_end_stops_it_in_the_end(store: Store) -> None:
    hangar = Hangar(store, replay_stage_seconds=60)
    hangar.failed(2)
    plan = hangar.apply(hangar.plan())
    for _ in range(2):
        hangar.runner.tick(hangar.clock.now_ns())
        hangar.clock.advance(seconds=59)
    hangar.runner.tick(hangar.clock.now_ns())
    assert get_progress(store, plan.plan_id).plan.state == "STOPPED"
    hangar.work_off()
    hangar.runner.tick(hangar.clock.now_ns())
    assert get_progress(store, plan.plan_id).ended == {"SUCCEEDED": 1}  # what was under way is taken note of


def test_time_in_which_nobody_ran_it_is_not_held_against_its_tasks(store: Store) -> None:
    hangar = Hangar(store, replay_stage_seconds=60)
    hangar.failed(2)
    plan = hangar.apply(hangar.plan())
    hangar.runner.tick(hangar.clock.now_ns())
    hangar.clock.advance(seconds=3_600)
    after_the_night = make_runner(hangar, hangar.tasks, "this process")
    after_the_night.tick(hangar.clock.now_ns())
    assert get_progress(store, plan.plan_id).plan.state == "CANARY_1"
    hangar.clock.advance(seconds=60)
    after_the_night.tick(hangar.clock.now_ns())
    assert get_progress(store, plan.plan_id).plan.state == "STOPPED"


def test_somebody_can_stop_it_and_what_is_under_way_goes_its_way(hangar: Hangar, store: Store) -> None:
    hangar.failed(3)
    plan = hangar.apply(hangar.plan())
    hangar.runner.tick(hangar.clock.now_ns())
    stopped = hangar.replays.stop(plan.plan_id, by="bob", reason="wrong day")
    assert (stopped.state, stopped.because) == ("STOPPED", "wrong day")
    hangar.work_off()
    hangar.runner.tick(hangar.clock.now_ns())
    found = get_progress(store, plan.plan_id)
    assert (found.outcomes, found.ended, found.under_way) == ({"replayed": 1}, {"SUCCEEDED": 1}, 0)
    for act in (lambda: hangar.replays.stop(plan.plan_id, by="bob"), lambda: hangar.apply(plan)):
        with pytest.raises(ReplayMoveIllegal):
            act()
    assert ("deadletters.stop", "succeeded") in audits(hangar)


def test_a_plan_of_nothing_is_done_at_once(hangar: Hangar) -> None:
    assert hangar.run(hangar.apply(hangar.plan())).plan.state == "DONE"


# ── what can become of a letter ──────────────────────────────────────────────────────────────────────────────────────


def test_what_changed_since_the_plan_was_applied_is_an_outcome(hangar: Hangar, store: Store) -> None:
    fine, done, busy, canceled, again, gone = hangar.failed(6)
    plan = hangar.apply(hangar.plan())
    hangar.succeed(hangar.retry(done.task_id))
    hangar.begin(hangar.retry(busy.task_id))
    hangar.retry(canceled.task_id)
    hangar.cancel(canceled.task_id)
    hangar.fail(hangar.retry(again.task_id))
    store.write(lambda tx: tx.sql.execute(dead_letters.delete().where(dead_letters.c.task_id == gone.task_id)))
    canceled_before = hangar.tasks.get(canceled.task_id)
    hangar.run(plan)
    assert hangar.outcomes(plan) == ["replayed", "already_succeeded", "superseded", "superseded", "superseded", "gone"]
    assert hangar.tasks.get(fine.task_id).round_no == 2
    assert hangar.tasks.get(canceled.task_id) == canceled_before  # the move back was undone as a whole


def test_who_has_no_quota_left_is_refused_and_nothing_of_it_stays(hangar: Hangar, store: Store) -> None:
    poor, rich = hangar.failed(user="ann") + hangar.failed(user="bob")
    store.write(lambda tx: set_units_max(tx, "ann", 0))
    plan = hangar.apply(hangar.plan())
    hangar.run(plan)
    assert hangar.outcomes(plan) == ["quota_refused", "replayed"]
    assert hangar.tasks.get(poor.task_id) == poor
    assert [row["status"] for row in hangar.rows(task_id=poor.task_id)] == [OPEN]
    assert hangar.tasks.get(rich.task_id).state == "SUCCEEDED"


def test_a_chain_of_replays_comes_to_an_end(store: Store) -> None:
    hangar = Hangar(store, replay_chain_max=2)
    (task,) = hangar.failed()
    for _ in range(2):
        found = hangar.run(hangar.apply(hangar.plan()), fails=lambda task: True)
        assert found.outcomes == {"replayed": 1}
    assert [row["replays"] for row in hangar.rows()] == [0, 1, 2]
    assert hangar.run(hangar.apply(hangar.plan())).outcomes == {"chain_too_long": 1}
    assert hangar.tasks.get(task.task_id).round_no == 3


@pytest.mark.parametrize("fails", [False, True])
def test_a_letter_can_be_deleted_when_it_is_replayed_and_the_chain_goes_on(hangar: Hangar, fails: bool) -> None:
    (task,) = hangar.failed()
    found = hangar.run(hangar.apply(hangar.plan(delete_after_replay=True)), fails=lambda task: fails)
    assert found.outcomes == {"replayed": 1}
    assert [(row["letter_id"], row["replay_of"], row["replays"]) for row in hangar.rows()] == (
        [(f"{task.task_id}.2", f"{task.task_id}.1", 1)] if fails else []
    )
    assert hangar.told("dead_letter_replayed")[0]["deleted"] is True


def test_a_dead_message_waits_again_as_if_it_were_new(hangar: Hangar, store: Store) -> None:
    task = hangar.submit()
    told = {}
    for number, status in enumerate((DEAD, DEAD, PUBLISHED, PENDING), 1):
        event_id = f"m-{number}"

        def die(tx, event_id=event_id, status=status) -> None:
            put(tx, event_id=event_id, topic="t", task_id=task.task_id, now_ns=1)
            mine = outbox_events.c.event_id == event_id
            tx.sql.execute(update(outbox_events).where(mine).values(status=status, attempts=10, error="no"))
            message = Message(event_id, "t", task.task_id, 10)
            hangar.letters.put_message(tx, message, "no", hangar.clock.now_ns())

        store.write(die)
        told[event_id] = status
    store.write(
        lambda tx: hangar.letters.put_message(tx, Message("m-5", "t", task.task_id, 1), "no", hangar.clock.now_ns())
    )
    plan = hangar.apply(hangar.plan(filter=LetterFilter(source="outbox"), stop_failures_ratio=1.0))

    def state_of(event_id: str) -> tuple[str, int, str | None, int]:
        with store.read() as connection:
            row = connection.execute(select(outbox_events).where(outbox_events.c.event_id == event_id)).one()
        return row.status, row.attempts, row.error, row.available_at

    hangar.runner.tick(hangar.clock.now_ns())
    assert state_of("m-1") == (PENDING, 0, None, hangar.clock.now_ns())
    for event_id, to in (("m-1", PUBLISHED), ("m-2", DEAD)):
        mine = outbox_events.c.event_id == event_id
        store.write(lambda tx, mine=mine, to=to: tx.sql.execute(update(outbox_events).where(mine).values(status=to)))
        hangar.runner.tick(hangar.clock.now_ns())
    mine = outbox_events.c.event_id == "m-2"
    store.write(lambda tx: tx.sql.execute(update(outbox_events).where(mine).values(status=DEAD)))
    hangar.runner.tick(hangar.clock.now_ns())
    assert [(item.outcome, item.ended) for item in list_items(store, plan.plan_id)] == [
        ("replayed", "SUCCEEDED"), ("replayed", "FAILED"), ("already_succeeded", None), ("superseded", None), ("gone", None),
    ]  # fmt: skip
    assert hangar.rows(letter_id="m-1.1")[0]["status"] == RESOLVED
    assert get_progress(store, plan.plan_id).plan.state == "DONE"


# ── several processes ────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_process_runs_a_plan_and_another_goes_on_when_it_is_silent(hangar: Hangar, store: Store) -> None:
    hangar.failed(3)
    plan = hangar.apply(hangar.plan())
    other = make_runner(hangar, hangar.tasks, "another process")
    assert hangar.runner.tick(hangar.clock.now_ns())
    hangar.work_off()
    other.tick(hangar.clock.now_ns())
    assert get_progress(store, plan.plan_id).outcomes == {"replayed": 1}
    hangar.clock.advance(seconds=15)
    other.tick(hangar.clock.now_ns())
    assert get_progress(store, plan.plan_id).outcomes == {"replayed": 3}
    with store.read() as connection:
        assert connection.execute(select(replay_plans.c.holder)).scalar() == "another process"
    other.let_go()
    hangar.work_off()
    hangar.runner.tick(hangar.clock.now_ns())
    assert get_progress(store, plan.plan_id).plan.state == "DONE"


def test_who_has_lost_the_lease_meanwhile_replays_nothing(hangar: Hangar, store: Store) -> None:
    hangar.failed(2)
    plan = hangar.apply(hangar.plan())
    store.write(lambda tx: tx.sql.execute(update(replay_plans).values(holder="another process", held_until=2**62)))
    assert store.write(lambda tx: hangar.runner._replay(plan, 1, hangar.clock.now_ns(), tx)) is None
    assert get_progress(store, plan.plan_id).waiting == 2


def test_the_outcome_and_the_retry_are_one(hangar: Hangar, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    (task,) = hangar.failed()
    plan = hangar.apply(hangar.plan())
    with monkeypatch.context() as broken:
        broken.setattr(hangar.runner, "_record", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            hangar.runner.tick(hangar.clock.now_ns())
    assert hangar.tasks.get(task.task_id) == task
    assert get_progress(store, plan.plan_id).waiting == 1
    assert hangar.run(plan).outcomes == {"replayed": 1}
    assert hangar.tasks.get(task.task_id).round_no == 2


# ── lists ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_plans_and_their_letters_are_listed_page_by_page(hangar: Hangar, store: Store) -> None:
    hangar.failed(3)
    plans: list[Plan] = [hangar.plan() for _ in range(3)]
    assert [plan.plan_id for plan in list_plans(store, limit=2)] == [plan.plan_id for plan in plans[:0:-1]]
    assert list_plans(store, limit=2, before=plans[1].plan_id) == [plans[0]]
    assert [item.letter_no for item in list_items(store, plans[0].plan_id, after_no=1, limit=5)] == [2, 3]
    assert list_items(store, plans[0].plan_id, outcome="replayed") == []
    for ask in (lambda: list_plans(store, limit=0), lambda: list_items(store, plans[0].plan_id, limit=1_001)):
        with pytest.raises(LimitInvalid):
            ask()
