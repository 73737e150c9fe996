"""The pages of dead letters: together by what they failed of, one by one, and the banner when there are too many."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from flightlog.console.pages.alarm import alarm_of
from flightlog.console.pages.deadletter import deadletter_page
from flightlog.console.pages.deadletters import LETTERS_SHOWN, deadletters_page, deadletters_rows
from flightlog.deadletters.filter import LetterFilter
from flightlog.deadletters.table import dead_letter_alerts
from flightlog.outbox.message import Message
from flightlog.services import Services
from tests.api.serving import Client, changed, client_of, open_services
from tests.console.markup import NASTY, parsed
from tests.console.platforms import begin, fail, failed_task, finish, platform_of, submit, with_platform
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


def test_where_nothing_died_the_page_says_how_letters_come_to_be(client: Client) -> None:
    html = page(client, "/deadletters")
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
    group = client_of(services).get(found.groups[0].href, headers=HTML).text
    assert group.count('tr data-letter="') == 3
    assert "something else" not in group


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
    asked = msgspec.json.decode(found.plan_filter, type=LetterFilter)
    assert (asked.pipeline, asked.statuses) == ("summarise", ("OPEN",))
    assert asked.since is not None
    assert found.can_plan
    assert found.plan_words.startswith("status open, pipeline summarise, since 20")
    assert not deadletters_page(services, {"pipeline": "shrink"}, SERVER).can_plan
    assert not deadletters_page(changed(services, platform=None), {}, SERVER).can_plan


def test_a_long_list_goes_on_by_cursor(services: Services) -> None:
    made = [f"OSError: number {number}" for number in range(LETTERS_SHOWN + 2)]
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
    html = page(client_of(services), f"/deadletters/{task.task_id}.2")
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


def test_hostile_text_stays_text(services: Services, client: Client) -> None:
    task = failed_task(services, NASTY, user_id=NASTY, project=NASTY[:100], input=NASTY)
    for path in (
        "/deadletters",
        "/deadletters?view=letters",
        f"/deadletters?kind={NASTY}",
        f"/deadletters/{task.task_id}.1",
    ):
        html = client.get(path, headers=HTML).text
        found = parsed(html)
        assert "<script>alert" not in html
        assert "<img" not in html
        assert found.forbidden == []
        assert len(found.ids) == len(set(found.ids))


GARBAGE = {
    "/deadletters/nosuch": 404, "/deadletters/%00": 404, "/deadletters/%ED%A0%80": 404, "/deadletters/a/b": 404,
    "/deadletters?cursor=x&view=letters": 400, "/deadletters?view=x": 400, "/deadletters?status=x": 400,
    "/deadletters?source=x": 400, "/deadletters?since=soon": 400, "/deadletters?letters=1": 400,
    "/deadletters?pipeline=%00": 200, "/deadletters?fingerprint=%25": 200,
}  # fmt: skip


def test_garbage_is_answered_with_a_page(client: Client) -> None:
    for path, status in GARBAGE.items():
        answer = client.get(path, headers=HTML)
        assert answer.status_code == status, (path, answer.text)
        assert answer.headers["content-type"].startswith("text/html")
        assert parsed(answer.text).forbidden == []
