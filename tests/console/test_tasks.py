"""The pages of tasks: the list with its counts, queues and workers, and one task with its attempts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from flightlog.console.pages import tasks
from flightlog.console.pages.task import _answer, task_page
from flightlog.console.pages.task_story import attempts_of, moves_of
from flightlog.console.pages.tasks import tasks_page, tasks_rows
from flightlog.services import Services
from flightlog.working import roster
from tests.api.serving import Client, changed, client_of, event, open_services
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


def shown(services: Services, **params: str) -> list[str]:
    return [row.task_id for row in tasks_page(services, params, SERVER).rows]


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_empty_list_teaches_how_to_fill_it(services: Services) -> None:
    html = html_of(services, tasks_page(services, {}, SERVER))
    assert "No tasks yet" in html
    assert "@pipeline(&#34;summarise&#34;" in html or '@pipeline("summarise"' in html
    assert "flightlog up --pipelines summarise.py" in html
    assert f"curl -s {SERVER}/v1/tasks" in html


def test_tasks_are_listed_newest_first_with_how_far_they_are(services: Services) -> None:
    first = finish(services, begin(services, submit(services)), {"letters": 5})
    second = platform_of(services).tasks
    worked = begin(services, submit(services, "shrink", user_id="bob"))
    second.progress(worked, 0.426)
    failed = failed_task(services)
    rows = tasks_page(services, {}, SERVER).rows
    assert [(row.task_id, row.state, row.mark, row.percent, row.user) for row in rows] == [
        (failed.task_id, "FAILED", "failed", "0 %", "ann"),
        (worked.task_id, "SHRINKING", "running", "42 %", "bob"),
        (first.task_id, "SUCCEEDED", "succeeded", "100 %", "ann"),
    ]
    assert [(row.can_cancel, row.can_retry) for row in rows] == [(False, True), (True, False), (False, False)]
    assert rows[0].told == "OSError: no route to host"


def test_all_filters_combine(services: Services) -> None:
    mine = submit(services)
    theirs = begin(services, submit(services, "shrink", user_id="bob", project="pictures"))
    assert shown(services, state="SHRINKING") == [theirs.task_id]
    assert shown(services, state="QUEUED,SHRINKING") == [theirs.task_id, mine.task_id]
    assert shown(services, pipeline="summarise") == [mine.task_id]
    assert shown(services, queue="pictures", user="bob", project="pictures") == [theirs.task_id]
    assert shown(services, user="bob", pipeline="summarise") == []
    assert shown(services, q=f" {mine.task_id} ") == [mine.task_id]
    assert shown(services, until="1h") == []
    assert shown(services, since="1h") == [theirs.task_id, mine.task_id]


def test_states_are_links_with_their_counts_whatever_state_is_shown(services: Services) -> None:
    for _ in range(3):
        submit(services)
    failed_task(services)
    begin(services, submit(services))
    told = tasks_page(services, {"state": "FAILED", "user": "ann"}, SERVER)
    assert [(one.word, one.count, one.is_set) for one in told.states] == [
        ("all", "5", False),
        ("under way", "4", False),
        ("QUEUED", "3", False),
        ("READING", "1", False),
        ("FAILED", "1", True),
    ]
    assert told.states[2].href == "/tasks?user=ann&state=QUEUED"
    assert [(part.text, part.href) for part in told.terms] == [
        ("state:FAILED", "/tasks?user=ann"),
        ("user:ann", "/tasks?state=FAILED"),
    ]


def test_the_strip_says_what_waits_and_that_nobody_works(services: Services) -> None:
    def strip() -> dict[str, tuple[str, bool]]:
        return {tile.word: (f"{tile.value}; {tile.more}", tile.bad) for tile in tasks_page(services, {}, SERVER).strip}

    assert strip() == {
        "Workers": ("0; no work either", False),
        "Queue default": ("0 running; 0 waiting", False),
        "Queue pictures": ("0 running; 0 waiting", False),
    }
    submit(services)
    assert platform_of(services).dispatcher.dispatch() >= 1
    said = strip()
    assert said["Queue default"][0].startswith("0 running; 1 waiting, the oldest for ")
    assert said["Workers"] == ("0; start one: flightlog worker, or --pipelines", True)
    row = roster.myself("w1", "w1", ("default",), 4, services.clock.now_ns())
    services.store.write(lambda tx: roster.enter(tx, row))
    assert strip()["Workers"] == ("1; 4 at once", False)


def test_a_long_list_goes_on_by_cursor_without_repeats(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "TASKS_SHOWN", 2)
    made = [submit(services).task_id for _ in range(3)][::-1]
    first = tasks_page(services, {"user": "ann"}, SERVER)
    assert [row.task_id for row in first.rows] == made[:2]
    assert first.more is not None
    assert first.more.startswith("/tasks/rows?user=ann&cursor=")
    rest = tasks_rows(services, {"user": "ann", "cursor": first.more.split("cursor=")[1]})
    assert [row.task_id for row in rest.rows] == made[2:]
    assert rest.more is None


def test_rows_are_given_by_name_as_they_are_now(services: Services) -> None:
    task = submit(services)
    finish(services, begin(services, task), None)
    found = tasks_rows(services, {"ids": f"{task.task_id},nosuch,,\ud800", "state": "QUEUED"})
    assert [(row.task_id, row.state) for row in found.rows] == [(task.task_id, "SUCCEEDED")]


def test_a_server_without_a_platform_shows_tasks_and_offers_nothing(services: Services) -> None:
    task = submit(services)
    bare = changed(services, platform=None)
    assert shown(bare) == [task.task_id]
    html = html_of(bare, tasks_page(bare, {}, SERVER))
    assert "this server only shows tasks" in html
    assert "data-act" not in html
    assert "data-act" not in html_of(bare, task_page(bare, task.task_id))


# ── one task ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_task_tells_its_attempts_with_their_waits_and_what_went_wrong(services: Services) -> None:
    task = begin(services, submit(services), "worker-1")
    fail(services, platform_of(services).tasks.done(task, {"read": 1}), final=False)
    told = task_page(services, task.task_id)
    assert told.state == "QUEUED"
    assert re.fullmatch(r"Went wrong, and is tried again in 59\.\d s\.", told.sentence)
    first, second = told.attempts
    assert (first.label, first.worker, first.ended, first.words) == (
        "Attempt 1", "worker-1", "failed", "failed, to be tried again",
    )  # fmt: skip
    assert [(stay.state, [one.kind for one in stay.stretches]) for stay in first.stays] == [
        ("QUEUED", ["wait"]), ("READING", ["work"]), ("WRITING", ["bad"]),
    ]  # fmt: skip
    assert [(stay.state, [one.kind for one in stay.stretches]) for stay in second.stays] == [("QUEUED", ["backoff"])]
    assert re.fullmatch(r"not before .* have passed, 59\.\d s left", second.stays[0].said)
    assert [(one.word, one.sign) for one in told.track] == [
        ("QUEUED", "now"), ("READING", "ahead"), ("WRITING", "ahead"), ("SUCCEEDED", "ahead"),
    ]  # fmt: skip
    html = html_of(services, told)
    assert "OSError: no route to host" in html
    assert "Traceback (most recent call last):" in html
    assert "whoever asks for it is answered 422" in html


def test_what_succeeded_shows_its_result_its_ledger_and_the_events_of_its_run(services: Services) -> None:
    task = finish(services, begin(services, submit(services, input={"folder": "a"})), {"letters": 12})
    told = task_page(services, task.task_id)
    assert [one.sign for one in told.track] == ["done", "done", "done", "succeeded"]
    assert [(one.word, one.source) for one in told.ledger] == [("HELD", "round 1"), ("COMMITTED", "round 1")]
    assert {"run_started", "task_transition", "ledger_entry", "run_finished"} <= {row.type for row in told.events}
    html = html_of(services, told)
    assert "&#34;letters&#34;: 12" in html
    assert "&#34;folder&#34;: &#34;a&#34;" in html
    assert f'href="/runs/{task.task_id}"' in html
    assert f'href="/v1/tasks/{task.task_id}/result"' in html


def test_why_there_is_no_result_is_told(services: Services) -> None:
    task = finish(services, begin(services, submit(services)), {"letters": 12})
    now = services.clock.now_ns()
    assert _answer(task, now)[0] == ""
    assert "answered 410" in _answer(task, now + 10**18)[0]
    assert "answered 410" in _answer(msgspec.structs.replace(task, result=None, result_until=None), now)[0]
    assert "answered 422" in _answer(failed_task(services), now)[0]
    assert (
        _answer(finish(services, begin(services, submit(services)), None), now)[0] == "Its last step gave nothing back."
    )


def test_a_task_that_failed_is_marked_where_it_did_and_a_new_round_begins_anew(services: Services) -> None:
    task = failed_task(services)
    told = task_page(services, task.task_id)
    assert [(one.word, one.sign, one.is_now) for one in told.track] == [
        ("QUEUED", "done", False), ("READING", "failed", False), ("WRITING", "ahead", False), ("FAILED", "failed", True),
    ]  # fmt: skip
    assert told.sentence.startswith("Failed after 1 attempt and ")
    assert [letter.status for letter in told.letters] == ["open"]
    assert (told.can_cancel, told.can_retry) == (False, True)
    platform_of(services).tasks.act(task.task_id, "retry", reason="the cable is in again")
    again = task_page(services, task.task_id)
    assert [one.label for one in again.attempts] == ["Attempt 1", "Attempt 2 (round 2)"]
    assert again.attempts[1].stays[0].said == "the cable is in again"
    assert again.attempts[1].stays[0].stretches[0].x == 0
    assert [(one.word, one.source) for one in again.ledger] == [
        ("HELD", "round 1"), ("RELEASED", "round 1"), ("HELD", "round 2"),
    ]  # fmt: skip


def test_a_task_that_was_canceled_says_why(services: Services) -> None:
    task = begin(services, submit(services))
    platform_of(services).tasks.act(task.task_id, "cancel", reason="not needed")
    told = task_page(services, task.task_id)
    assert [one.sign for one in told.track] == ["done", "canceled", "ahead", "canceled"]
    assert told.sentence.endswith(", because: not needed.")
    assert told.attempts[0].ended == "canceled"


def test_a_task_of_a_pipeline_that_is_not_known_here_shows_the_states_that_it_was_in(services: Services) -> None:
    task = begin(services, submit(services))
    told = task_page(changed(services, platform=None), task.task_id)
    assert [(one.word, one.sign) for one in told.track] == [
        ("QUEUED", "done"), ("READING", "now"), ("SUCCEEDED", "ahead"),
    ]  # fmt: skip


def test_payloads_of_moves_may_be_anything(services: Services) -> None:
    task = submit(services)
    odd = [
        event(n, "task_transition", event_id=f"odd-{n}", run_id=task.task_id, payload=payload)
        for n, payload in enumerate([{"from": [], "to": {"a": 1}, "attempt_no": "x", "version": -1}, [], "text", {}], 1)
    ]
    services.journal.append(
        [*odd, event(9, "span_finished", event_id="odd-9", run_id=task.task_id, payload={"error": 1})]
    )
    assert task_page(services, task.task_id).attempts
    assert attempts_of(task, moves_of([]), [], {}, 0, limits=None) == []  # type: ignore[arg-type]


def test_a_run_leads_to_its_task(services: Services) -> None:
    task = submit(services)
    client = client_of(services)
    assert f'href="/tasks/{task.task_id}">Task</a>' in page(client, f"/runs/{task.task_id}")
    services.journal.append([event(1)])
    assert ">Task</a>" not in page(client, "/runs/r1")


# ── whatever comes in ────────────────────────────────────────────────────────────────────────────────────────────────


def test_hostile_text_stays_text(services: Services) -> None:
    task = begin(services, submit(services, input={NASTY: [NASTY]}, user_id=NASTY, project=NASTY[:100]), NASTY)
    fail(services, task, NASTY, kind=NASTY, stack=NASTY)
    platform_of(services).tasks.act(task.task_id, "retry", reason=NASTY)
    task = begin(services, platform_of(services).tasks.get(task.task_id), NASTY)
    done = finish(services, task, {NASTY: NASTY})
    for shown_page in (
        tasks_page(services, {}, SERVER),
        tasks_page(services, {"user": NASTY, "q": NASTY, "state": NASTY, "pipeline": NASTY}, SERVER),
        task_page(services, done.task_id),
    ):
        html = html_of(services, shown_page)
        found = parsed(html)
        assert "<script>alert" not in html
        assert "<img" not in html
        assert found.forbidden == []
        assert len(found.ids) == len(set(found.ids))
        assert all(link.startswith(("/", "#")) for link in found.links)


GARBAGE = {
    "/tasks/nosuch": 404, "/tasks/%00": 404, "/tasks/%ED%A0%80": 404, "/tasks/a/b/c": 404, "/tasks/x?y=1": 400,
    "/tasks?cursor=x": 400, "/tasks?since=soon": 400, "/tasks?stat=FAILED": 400,
    "/tasks?since=9999-01-01T00:00:00Z": 200, "/tasks?until=9999-01-01T00:00:00Z": 200, "/tasks?state=%00": 200,
    "/tasks?q=%25_": 200, "/tasks/rows?ids=%00": 200,
}  # fmt: skip


def test_garbage_is_answered_with_a_page(client: Client) -> None:
    for path, status in GARBAGE.items():
        answer = client.get(path, headers=HTML)
        assert answer.status_code == status, (path, answer.text)
        assert answer.headers["content-type"].startswith("text/html")
        assert parsed(answer.text).forbidden == []


def test_looking_at_tasks_changes_nothing(client: Client, services: Services) -> None:
    task = failed_task(services)
    with services.store.read() as connection:
        before = connection.exec_driver_sql("SELECT count(*), max(id) FROM run_events").one()
    for path in ("/tasks", "/tasks/rows", f"/tasks/{task.task_id}", "/deadletters", f"/deadletters/{task.task_id}.1"):
        page(client, path)
    with services.store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*), max(id) FROM run_events").one() == before
