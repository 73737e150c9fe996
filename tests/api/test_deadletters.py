"""Dead letters over HTTP: listed, grouped, planned, confirmed, replayed, stopped; and what is refused."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from flightlog.api.app import Services
from flightlog.deadletters.runner import ReplayRunner
from flightlog.working.replaying import make_runner
from tests.api.serving import changed, client_of
from tests.api.tasking import Tasking

SECRET = "AKIAIOSFODNN7EXAMPLE"  # the example in Amazon's documentation


@pytest.fixture
def at(services: Services) -> Tasking:
    return Tasking(services)


@pytest.fixture
def runner(at: Tasking) -> ReplayRunner:
    return make_runner(at.services, at.tasks, "this process")


def failed(at: Tasking, count: int = 1, **given: Any) -> list[str]:
    ids = [at.submit(**given)["task_id"] for _ in range(count)]
    for task_id in ids:
        at.fail(task_id)
    return ids


def got(at: Tasking, path: str = "", **params: Any) -> dict[str, Any]:
    answer = at.client.get(f"/v1/deadletters{path}", params=params)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def plan(at: Tasking, **given: Any) -> dict[str, Any]:
    answer = at.client.post("/v1/deadletters/plans", json=given)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/v1/deadletters/plans/{answer.json()['plan_id']}"
    return dict(answer.json())


def apply(at: Tasking, made: dict[str, Any], **given: Any) -> httpx.Response:
    body = {"hash": made["hash"], "reason": "room again"} | given
    return at.client.post(f"/v1/deadletters/plans/{made['plan_id']}/apply", json=body)


def refused(answer: httpx.Response, code: int) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (code // 100, code), answer.text
    return dict(answer.json())


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_letters_are_listed_and_paged_and_filtered(at: Tasking) -> None:
    ids = failed(at, 3)
    media = failed(at, pipeline="media", user_id="bob")
    page = got(at, limit=2)
    assert [letter["task_id"] for letter in page["letters"]] == [media[0], ids[2]]
    rest = got(at, limit=2, cursor=page["nextCursor"])
    assert [letter["task_id"] for letter in rest["letters"]] == [ids[1], ids[0]]
    assert rest["nextCursor"] is None
    letter = page["letters"][0]
    assert (letter["user_id"], letter["state"], letter["status"], letter["cause"]) == (
        "bob",
        "PREPROCESSING",
        "OPEN",
        "error",
    )
    assert letter["failed_at"].endswith("Z")
    for params, found in (
        ({"pipeline": "media"}, media),
        ({"user": "bob", "status": "open,resolved"}, media),
        ({"status": "resolved"}, []),
        ({"task": ids[0]}, ids[:1]),
        ({"job": f"{ids[1]}.1"}, ids[1:2]),
        ({"source": "outbox"}, []),
        ({"letter": f"{ids[2]}.1"}, ids[2:]),
        ({"kind": "OSError", "since": "1h", "pipeline": "summarise"}, ids[::-1]),
        ({"until": "1h"}, []),
    ):
        assert [letter["task_id"] for letter in got(at, **params)["letters"]] == found, params


UNREADABLE = (
    ("?status=x", 40004),
    ("?source=x", 40004),
    ("?cause=x", 40004),
    ("?job=x", 40004),
    ("?since=x", 40004),
    ("?since=1h&until=2h", 40004),
    ("?limit=0", 40005),
    ("?cursor=x", 40006),
    ("/nosuch", 40415),
    ("/plans/nosuch", 40416),
    ("/plans/nosuch/items", 40416),
    ("/plans/nosuch/items?outcome=x", 40004),
    ("/plans?limit=1000", 40005),
)


def test_what_can_not_be_read_is_a_problem(at: Tasking) -> None:
    for path, code in UNREADABLE:
        refused(at.client.get(f"/v1/deadletters{path}"), code)
    assert at.client.get("/v1/deadletters?nosuch=1").status_code == 400


def test_groups_and_one_letter(at: Tasking) -> None:
    ids = failed(at, 3)
    at.fail(at.submit()["task_id"], "no paper")
    found = got(at, "/groups")
    assert (found["letters"], [group["count"] for group in found["groups"]]) == (4, [3, 1])
    group = found["groups"][0]
    assert (group["example"]["task_id"], sum(group["times"]), group["open"]) == (ids[2], 3, 3)
    detail = got(at, f"/{group['example']['letter_id']}")
    assert detail["letter"] == group["example"] == detail["chain"][0]
    assert detail["turns"] == []
    assert got(at, "/groups", status="RESOLVED") == {"groups": [], "letters": 0, "first_at": None, "last_at": None}


def test_alerts_say_how_it_stands(at: Tasking) -> None:
    failed(at, 2)
    ratio, age = got(at, "/alerts")["alerts"]
    assert (ratio["name"], ratio["raised"], ratio["value"], ratio["limit"]) == ("dead_letter_ratio", False, 1.0, 0.01)
    assert (age["name"], age["raised"], age["changed_at"]) == ("dead_letter_age", False, None)


def test_secrets_are_nowhere_in_the_answers(at: Tasking) -> None:
    at.fail(at.submit()["task_id"], f"denied for {SECRET}")
    assert SECRET not in str([got(at), got(at, "/groups")])


# ── replaying ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_replay_is_planned_looked_at_applied_and_followed(at: Tasking, runner: ReplayRunner) -> None:
    ids = failed(at, 2)
    made = plan(at, filter={"pipeline": "summarise", "since": "1h"}, concurrency=99, by="ann")
    assert (made["state"], made["letters"], made["concurrency"], made["confirm"]) == ("PLANNED", 2, 10, None)
    assert (made["created_by"], made["expected"], made["outcomes"], made["waiting"]) == ("ann", {"replayed": 2}, {}, 2)
    assert "clamped to 10" in made["warnings"][0]
    assert made["filter"]["status"] == ["OPEN"]
    path = f"/plans/{made['plan_id']}"
    page = got(at, f"{path}/items", limit=1)
    assert [item["letter_id"] for item in page["items"]] == [f"{ids[0]}.1"]
    assert [item["task_id"] for item in got(at, f"{path}/items", afterNo=page["nextAfterNo"])["items"]] == [ids[1]]
    assert at.client.get(f"/v1/tasks/{ids[0]}").json()["state"] == "FAILED"
    begun = apply(at, made).json()
    assert (begun["state"], begun["reason"]) == ("CANARY_1", "room again")
    now = at.services.clock.now_ns()
    for task_id in ids:
        runner.tick(now)
        at.work_off(task_id)
    runner.tick(now)
    done = got(at, path)
    assert (done["state"], done["outcomes"], done["ended"]) == ("DONE", {"replayed": 2}, {"SUCCEEDED": 2})
    assert (done["waiting"], done["under_way"]) == (0, 0)
    assert [letter["status"] for letter in got(at)["letters"]] == ["RESOLVED"] * 2
    assert [one["plan_id"] for one in got(at, "/plans")["plans"]] == [made["plan_id"]]
    audits = at.client.get("/api/audits", params={"subject": f"replay:{made['plan_id']}"}).json()["audits"]
    assert [(one["operation"], one["status"]) for one in audits] == [
        ("deadletters.finish", "done"), ("deadletters.replay", "succeeded"),
    ]  # fmt: skip


def test_a_changed_set_and_a_missing_confirmation_are_refused(services: Services) -> None:
    settings = type(services.settings)(replay_confirm_letters_min=2)
    at = Tasking(changed(services, settings=settings))
    failed(at, 2)
    large = plan(at, allow_high_concurrency=True)
    assert (large["concurrency"], large["high_concurrency"], large["confirm"]) == (20, True, "replay 2 dead letters")
    problem = refused(apply(at, large), 40310)
    assert problem["facts"]["confirm"] == "replay 2 dead letters"
    refused(apply(at, large, confirm="yes"), 40310)
    refused(apply(at, large, hash="sha256:0"), 40905)
    failed(at)
    refused(apply(at, large, confirm=large["confirm"]), 40905)
    refused(apply(at, large, confirm=large["confirm"]), 42212)
    assert got(at, f"/plans/{large['plan_id']}")["state"] == "REFUSED"
    again = plan(at, allow_high_concurrency=True)
    assert apply(at, again, confirm=again["confirm"]).json()["state"] == "CANARY_1"


def test_a_replay_is_stopped(at: Tasking) -> None:
    failed(at, 2)
    made = plan(at)
    apply(at, made)
    stopped = at.client.post(f"/v1/deadletters/plans/{made['plan_id']}/stop", json={"reason": "wrong day"})
    assert (stopped.json()["state"], stopped.json()["because"]) == ("STOPPED", "wrong day")
    refused(at.client.post(f"/v1/deadletters/plans/{made['plan_id']}/stop"), 42212)
    refused(at.client.post("/v1/deadletters/plans/nosuch/stop"), 40416)


UNPLANNABLE = (
    ("/plans", b"{", 40001),
    ("/plans", b'{"nosuch":1}', 42211),
    ("/plans", b'{"concurrency":0}', 42211),
    ("/plans", b'{"stop_failures_ratio":2}', 42211),
    ("/plans", b'{"filter":{"status":["x"]}}', 40004),
    ("/plans", b'{"filter":{"since":"x"}}', 40004),
    ("/plans", b'{"by":"' + b"x" * 300 + b'"}', 42211),
    ("/plans/nosuch/apply", b"{}", 42211),
    ("/plans/nosuch/apply", b'{"hash":"x","reason":""}', 42211),
    ("/plans/nosuch/apply", b'{"hash":"x","reason":"y"}', 40416),
    ("/plans/%00/apply", b'{"hash":"x","reason":"y"}', 40416),
    ("/plans/nosuch/stop", b"[]", 42211),
    ("/plans", b'{"by":"' + b"x" * 70_000 + b'"}', 41301),
)


def test_what_can_not_be_planned_is_a_problem(at: Tasking) -> None:
    headers = {"content-type": "application/json"}
    for path, body, code in UNPLANNABLE:
        refused(at.client.post(f"/v1/deadletters{path}", content=body, headers=headers), code)


def test_other_pages_can_not_call_it(at: Tasking) -> None:
    for headers, code in (({"origin": "https://evil.example"}, 40305), ({"host": "evil.example"}, 40304)):
        refused(at.client.post("/v1/deadletters/plans", json={}, headers=headers), code)


def test_a_server_without_tasks_reads_letters_and_replays_none(at: Tasking, services: Services) -> None:
    failed(at)
    client = client_of(services)
    assert len(client.get("/v1/deadletters").json()["letters"]) == 1
    for answer in (client.post("/v1/deadletters/plans", json={}), client.get("/v1/deadletters/alerts")):
        assert answer.status_code == 503
