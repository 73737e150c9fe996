"""The pages of dead letters: together by what they failed of, one by one, and the banner when there are too many."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest

from flightlog.api.shapes_deadletters import LettersGiven, letter_filter
from flightlog.console.pages import deadletters, replay
from flightlog.console.pages.alarm import alarm_of
from flightlog.console.pages.deadletter import deadletter_page
from flightlog.console.pages.deadletters import deadletters_page, deadletters_rows
from flightlog.console.pages.replay import replay_page
from flightlog.console.pages.replays import replays_page
from flightlog.deadletters.filter import LetterFilter
from flightlog.deadletters.plan import ReplayAsked
from flightlog.deadletters.table import dead_letter_alerts
from flightlog.errors import ReplaySetChanged
from flightlog.outbox.message import Message
from flightlog.services import Services
from tests.api.serving import Client, changed, client_of, open_services
from tests.console.markup import NASTY, parsed
from tests.console.platforms import begin, fail, failed_task, finish, html_of, platform_of, submit, with_platform
from tests.console.test_pages import HTML, page

SERVER = "http://127.0.0.1:4747"


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with open_services(tmp_path / "flight") as opened:
        yield with_platform(opened)


@pytest.fixture
def client(services: Services) -> Client:
    return client_of(services)


def messages_of(services: Services, **params: str) -> list[str]:
    found = deadletters_page(services, {"view": "letters", **params}, SERVER)
    return [row.message for row in found.rows]


def a_message_that_died(services: Services) -> str:
    """A letter of the outbox; its id."""
    task = submit(services)
    message = Message(1, f"{task.task_id}-1", "task.created", task.task_id, {}, 10, 0, 0)
    now = services.clock.now_ns()
    letters = platform_of(services).letters
    return services.store.write(lambda tx: letters.put_message(tx, message, "OSError: the queue is gone", now))


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_where_nothing_died_the_page_says_how_letters_come_to_be(services: Services) -> None:
    html = html_of(services, deadletters_page(services, {}, SERVER))
    assert "No dead letters" in html
    assert "raise Unrecoverable(" in html
    assert "flightlog drill deadletters" in html
    assert 'id="plan"' not in html


def test_what_failed_of_the_same_thing_is_one_group_with_its_times(services: Services) -> None:
    for number in range(3):
        failed_task(services, f"no room for file {number}")
    failed_task(services, "something else")
    found = deadletters_page(services, {}, SERVER)
    assert [(group.count, group.message, group.place) for group in found.groups] == [
        ("3", "OSError: no room for file 2", "summarise · READING"),
        ("1", "OSError: something else", "summarise · READING"),
    ]
    assert all(group.spark for group in found.groups)
    assert found.groups[0].spark_words.startswith("3 letters; at most ")
    group = dict(parse_qsl(found.groups[0].href.partition("?")[2]))
    assert messages_of(services, **group) == [f"OSError: no room for file {number}" for number in (2, 1, 0)]


def test_letters_are_listed_one_by_one_and_narrowed(services: Services) -> None:
    failed_task(services, "one")
    failed_task(services, "two", pipeline="shrink", user_id="bob", project="pictures")
    assert messages_of(services) == ["OSError: two", "OSError: one"]
    assert messages_of(services, pipeline="shrink", user="bob", project="pictures") == ["OSError: two"]
    assert messages_of(services, source="outbox") == []
    assert messages_of(services, cause="error", since="1h") == ["OSError: two", "OSError: one"]
    assert messages_of(services, cause="poison") == []
    assert messages_of(services, q=failed_task(services, "three").task_id) == ["OSError: three"]


def test_open_ones_are_shown_unless_others_are_asked_for(services: Services) -> None:
    task = failed_task(services, "one")
    failed_task(services, "two")
    again, _ = platform_of(services).tasks.act(task.task_id, "retry", reason="mended")
    finish(services, begin(services, again), 1)
    found = deadletters_page(services, {"view": "letters"}, SERVER)
    assert [row.message for row in found.rows] == ["OSError: two"]
    assert [(one.word, one.count, one.is_set) for one in found.statuses] == [
        ("open", "1", True), ("replayed", "0", False), ("resolved", "1", False), ("all", "2", False),
    ]  # fmt: skip
    assert messages_of(services, status="resolved") == ["OSError: one"]
    assert messages_of(services, status="all") == ["OSError: two", "OSError: one"]


def test_a_plan_is_asked_for_with_what_is_shown(services: Services) -> None:
    failed_task(services)
    found = deadletters_page(services, {"pipeline": "summarise", "status": "all", "since": "1h"}, SERVER)
    asked = letter_filter(msgspec.json.decode(found.plan_filter, type=LettersGiven), services.clock.now_ns())
    assert (asked.pipeline, asked.statuses) == ("summarise", ("OPEN",))
    assert asked.since is not None
    assert found.can_plan
    assert found.plan_words.startswith("status open, pipeline summarise, since 20")
    assert not deadletters_page(services, {"pipeline": "shrink"}, SERVER).can_plan
    assert not deadletters_page(changed(services, platform=None), {}, SERVER).can_plan


def test_a_long_list_goes_on_by_cursor(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadletters, "LETTERS_SHOWN", 2)
    made = [f"OSError: number {number}" for number in range(3)]
    for message in made:
        failed_task(services, message.removeprefix("OSError: "))
    first = deadletters_page(services, {"view": "letters"}, SERVER)
    assert first.more is not None
    rest = deadletters_rows(services, {"view": "letters", "cursor": first.more.split("cursor=")[1]})
    assert [row.message for row in (*first.rows, *rest.rows)] == made[::-1]


# ── one letter ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_letter_tells_what_failed_and_leads_to_its_task_and_its_kin(services: Services) -> None:
    task = failed_task(services)
    again, _ = platform_of(services).tasks.act(task.task_id, "retry", reason="mended")
    fail(services, begin(services, again), "again no route")
    found = deadletter_page(services, f"{task.task_id}.2")
    assert [(one.status, one.message, one.is_here) for one in found.chain] == [
        ("replayed", "OSError: no route to host", False), ("open", "OSError: again no route", True),
    ]  # fmt: skip
    assert found.sentence.endswith("Nothing was done about it yet.")
    facts = {fact.word: fact.value for fact in found.facts}
    assert (facts["Where"], facts["Last worker"], facts["Replayed before"]) == ("summarise · READING", "worker-1", "1")
    html = html_of(services, found)
    assert f'href="/tasks/{task.task_id}"' in html
    assert "Traceback (most recent call last):" in html
    first = deadletter_page(services, f"{task.task_id}.1")
    assert "It was done again just now." in first.sentence
    assert not first.can_plan


def test_a_message_that_nobody_took_is_a_letter_too(services: Services) -> None:
    letter_id = a_message_that_died(services)
    assert messages_of(services, source="outbox") == ["OSError: the queue is gone"]
    found = deadletter_page(services, letter_id)
    assert found.sentence.startswith("Nobody took this message in 10 attempts.")
    assert "message task.created" in {fact.word: fact.value for fact in found.facts}["Where"]


# ── replays ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def planned(services: Services, **how: Any) -> str:
    wanted = LetterFilter(**how.pop("filter", {}))
    return platform_of(services).replays.plan(ReplayAsked(filter=wanted, **how), "ann").plan_id


def test_a_plan_says_what_would_happen_and_nothing_happens(services: Services) -> None:
    going, done = failed_task(services, "one"), failed_task(services, "two")
    again, _ = platform_of(services).tasks.act(done.task_id, "retry", reason="mended")
    finish(services, begin(services, again), 1)
    plan_id = planned(services, filter={"statuses": ("OPEN", "RESOLVED")}, concurrency=50)
    told = replay_page(services, plan_id, {})
    assert (told.state, told.is_applied, told.can_apply, told.can_stop, told.phrase) == (
        "planned",
        False,
        True,
        False,
        "",
    )
    assert [(item.outcome, item.outcome_mark, item.ended) for item in told.items] == [
        ("replayed", "passed", ""), ("already succeeded", "succeeded", ""),
    ]  # fmt: skip
    assert [(one.word, one.count, one.href) for one in told.outcomes] == [
        ("all", "2", ""), ("replayed", "1", ""), ("already succeeded", "1", ""),
    ]  # fmt: skip
    assert [warning.split(";")[0] for warning in told.warnings] == [
        "a concurrency of 50 is clamped to 10", "1 of 2 would not be replayed: already_succeeded",
    ]  # fmt: skip
    assert platform_of(services).tasks.get(going.task_id).state == "FAILED"
    html = html_of(services, told)
    assert f'data-hash="{told.hash}"' in html
    assert 'name="confirm"' not in html
    assert f"flightlog deadletters replay --plan {plan_id} --apply" in html
    assert [plan.href for plan in replays_page(services, {}, SERVER).plans] == [f"/deadletters/plans/{plan_id}"]


def test_many_at_high_concurrency_need_a_sentence_that_is_typed(services: Services) -> None:
    most = msgspec.structs.replace(services.settings, replay_confirm_letters_min=2)
    strict = changed(services, settings=most)
    for message in ("one", "two"):
        failed_task(services, message)
    careful = replay_page(strict, planned(services), {})
    assert careful.phrase == ""
    high = replay_page(strict, planned(services, allow_high_concurrency=True, concurrency=20), {})
    assert high.phrase == "replay 2 dead letters"


def test_a_replay_shows_what_became_of_each_letter_and_where_it_is(services: Services) -> None:
    platform = platform_of(services)
    tasks = [failed_task(services, "no room") for _ in range(3)]
    plan_id = planned(services)
    platform.replays.apply(plan_id, replay_page(services, plan_id, {}).hash, reason="room again", by="bob")
    runner = platform.replaying._runner
    runner.tick(services.clock.now_ns())
    told = replay_page(services, plan_id, {})
    assert (told.state, told.is_running, told.can_apply, told.can_stop, told.done) == ("running", True, False, True, 1)
    assert [(one.word, one.sign) for one in told.track] == [
        ("the first one", "now"), ("ten more", "ahead"), ("the rest", "ahead"), ("done", "ahead"),
    ]  # fmt: skip
    assert [(item.outcome, item.ended) for item in told.items] == [
        ("replayed", "under way"), ("waits for its turn", ""), ("waits for its turn", ""),
    ]  # fmt: skip
    finish(services, begin(services, platform.tasks.get(tasks[0].task_id)), 1)
    runner.tick(services.clock.now_ns())
    told = replay_page(services, plan_id, {})
    assert [item.stage for item in told.items] == ["canary 1", "canary 10", "canary 10"]
    assert [(one.sign) for one in told.track] == ["done", "now", "ahead", "ahead"]
    platform.replays.stop(plan_id, by="bob", reason="lunch")
    for task in tasks[1:]:
        fail(services, begin(services, platform.tasks.get(task.task_id)), "no room")
    runner.tick(services.clock.now_ns())
    told = replay_page(services, plan_id, {"outcome": "replayed"})
    assert told.sentence == "Of those with status open. It was stopped: lunch."
    assert [(item.ended, item.ended_mark) for item in told.items] == [
        ("SUCCEEDED", "succeeded"), ("FAILED", "failed"), ("FAILED", "failed"),
    ]  # fmt: skip
    assert [(tile.value, tile.more) for tile in told.tiles if tile.word == "Tasks since"] == [
        ("1 succeeded", "2 failed again, 0 under way")
    ]
    assert told.outcomes[1].href == f"/deadletters/plans/{plan_id}?outcome=replayed"
    assert deadletter_page(services, f"{tasks[0].task_id}.1").facts[-1].value == "replayed, succeeded since"


def test_a_replay_that_is_refused_says_why(services: Services) -> None:
    failed_task(services)
    plan_id = planned(services)
    failed_task(services)
    with pytest.raises(ReplaySetChanged):
        platform_of(services).replays.apply(plan_id, replay_page(services, plan_id, {}).hash, reason="x", by="bob")
    told = replay_page(services, plan_id, {})
    assert (told.state, told.mark, told.can_apply) == ("refused", "failed", False)
    assert "the filter finds others by now" in told.sentence
    assert [item.outcome for item in told.items] == ["replayed"]


def test_many_letters_of_a_plan_come_by_pages(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "ITEMS_SHOWN", 2)
    for number in range(3):
        failed_task(services, f"number {number}")
    plan_id = planned(services)
    first = replay_page(services, plan_id, {})
    assert first.after == f"/deadletters/plans/{plan_id}?after=2"
    rest = replay_page(services, plan_id, {"after": "2"})
    assert [item.place for item in rest.items] == ["3"]
    assert (rest.after, rest.before) == (None, f"/deadletters/plans/{plan_id}")


# ── the banner ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_alert_stands_over_tasks_and_dead_letters_until_it_is_cleared(services: Services, client: Client) -> None:
    assert alarm_of(services) is None
    row = {"name": "dead_letter_ratio", "raised": 1, "value": 0.25, "changed_at": services.clock.now_ns()}
    services.store.write(lambda tx: tx.sql.execute(dead_letter_alerts.insert().values(row)))
    for path in ("/tasks", "/deadletters", "/deadletters/plans"):
        html = page(client, path)
        assert "Too many tasks fail for good" in html
        assert "25 % of what ended, since just now" in html
    services.store.write(lambda tx: tx.sql.execute(dead_letter_alerts.update().values(raised=0)))
    assert alarm_of(services) is None


# ── whatever comes in ────────────────────────────────────────────────────────────────────────────────────────────────


def test_hostile_text_stays_text(services: Services) -> None:
    task = failed_task(services, NASTY, user_id=NASTY, project=NASTY[:100], input=NASTY)
    plan_id = planned(services, filter={"user_id": NASTY})
    assert replay_page(services, plan_id, {}).count == 1
    for shown_page in (
        replay_page(services, plan_id, {}),
        replays_page(services, {}, SERVER),
        deadletters_page(services, {}, SERVER),
        deadletters_page(services, {"view": "letters", "kind": NASTY, "q": NASTY, "status": "all"}, SERVER),
        deadletter_page(services, f"{task.task_id}.1"),
    ):
        html = html_of(services, shown_page)
        found = parsed(html)
        assert "<script>alert" not in html
        assert "<img" not in html
        assert found.forbidden == []
        assert len(found.ids) == len(set(found.ids))


GARBAGE = {
    "/deadletters/nosuch": 404, "/deadletters/%00": 404, "/deadletters/%ED%A0%80": 404, "/deadletters/a/b": 404,
    "/deadletters?cursor=x&view=letters": 400, "/deadletters?view=x": 400, "/deadletters?status=x": 400,
    "/deadletters?source=x": 400, "/deadletters?until=9999-01-01T00:00:00Z": 400, "/deadletters?since=soon": 400,
    "/deadletters?letters=1": 400,
    "/deadletters/plans/nosuch": 404, "/deadletters/plans/%ED%A0%80": 404, "/deadletters/plans?x=1": 400,
    "/deadletters/plans?cursor=%00": 200, "/deadletters?pipeline=%00": 200, "/deadletters?fingerprint=%25": 200,
}  # fmt: skip


def test_garbage_is_answered_with_a_page(client: Client) -> None:
    for path, status in GARBAGE.items():
        answer = client.get(path, headers=HTML)
        assert answer.status_code == status, (path, answer.text)
        assert answer.headers["content-type"].startswith("text/html")
        assert parsed(answer.text).forbidden == []
