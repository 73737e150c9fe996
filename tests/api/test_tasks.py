"""Tasks over HTTP: asked for once, read, followed, canceled and retried; and what is refused."""

from __future__ import annotations

import gzip
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from flightlog.api.app import Services
from flightlog.journal.read import EventFilter, read_events
from flightlog.tasks.erase import empty
from flightlog.tasks.remove import remove
from flightlog.testing import FakeClock
from flightlog.usage.ledger import set_units_max
from tests.api.serving import Server, Stream, changed, open_services
from tests.api.tasking import SUMMARISE, Tasking

SECRET = "sk-proj-" + "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7b"


@pytest.fixture
def at(services: Services) -> Tasking:
    return Tasking(services)


def refused(answer: httpx.Response, code: int) -> dict[str, Any]:
    """The problem that an answer is; it names its request as the header does."""
    problem = dict(answer.json())
    assert (answer.status_code, problem["code"]) == (code // 100, code), answer.text
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem


def events_of(at: Tasking, task_id: str) -> list[Any]:
    return read_events(at.services.store, EventFilter(run_id=task_id), limit=500).events


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_task_is_accepted_with_its_place_and_everything_that_was_asked_for(at: Tasking) -> None:
    given = {
        "pipeline": "summarise", "input": {"folder": "a"}, "user_id": "ann", "project": "shop", "priority": 5, "units": 3,
        "deadline_seconds": 60,
    }  # fmt: skip
    answer = at.client.post("/v1/tasks", json=given)
    task = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/v1/tasks/{task['task_id']}")
    assert {name: task[name] for name in given if name != "deadline_seconds"} == {
        name: value for name, value in given.items() if name != "deadline_seconds"
    }
    assert (task["state"], task["queue"], task["progress"], task["attempt_no"]) == ("QUEUED", "default", 0.0, 1)
    assert task["deadline_at"] > task["created_at"]
    assert at.client.get(f"/v1/tasks/{task['task_id']}").json() == task


def test_what_was_left_out_is_as_the_page_says(at: Tasking) -> None:
    task = at.submit()
    assert (task["user_id"], task["project"], task["priority"], task["units"]) == ("local", "default", 0, 1)
    assert (task["input"], task["deadline_at"], task["results"]) == (None, None, {})


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, 42213),
        ({"pipeline": 3}, 42213),
        ({"pipeline": "nosuch"}, 40412),
        ({"pipeline": "summarise", "nosuch": 1}, 42213),
        ({"pipeline": "summarise", "user_id": " "}, 42213),
        ({"pipeline": "summarise", "user_id": "x" * 257}, 42213),
        ({"pipeline": "summarise", "project": ""}, 42213),
        ({"pipeline": "summarise", "priority": 101}, 42213),
        ({"pipeline": "summarise", "units": 0}, 42213),
        ({"pipeline": "summarise", "deadline_seconds": 0}, 42213),
        ({"pipeline": "summarise", "deadline_seconds": 1e12}, 42213),
        ({"pipeline": "summarise", "input": "x" * (256 * 1024)}, 41302),
        ([], 42213),
    ],
)
def test_what_can_not_be_taken_is_refused_and_nothing_is_stored(at: Tasking, given: Any, code: int) -> None:
    refused(at.client.post("/v1/tasks", json=given), code)
    assert at.client.get("/v1/tasks").json() == {"tasks": [], "nextCursor": None}


def test_priority_units_and_deadline_are_taken_up_to_their_limits_and_not_beyond(tmp_path: Path) -> None:
    limits: dict[str, Any] = {"task_priority_max": 3, "task_units_max": 5, "task_deadline_seconds_max": 7.0}
    edges: dict[str, tuple[Any, ...]] = {
        "priority": (-4, -3, 3, 4), "units": (0, 1, 5, 6), "deadline_seconds": (0.0009, 0.001, 7.0, 7.001)
    }  # fmt: skip
    with open_services(tmp_path / "flight", **limits) as services:
        at = Tasking(services)
        for name, (below, least, most, beyond) in edges.items():
            assert [at.submit(**{name: edge})["state"] for edge in (least, most)] == ["QUEUED", "QUEUED"]
            for wrong in (below, beyond):
                problem = refused(at.client.post("/v1/tasks", json={"pipeline": "summarise", name: wrong}), 42213)
                assert f"{name} is from {least} to {most}" in problem["detail"]


def test_a_deadline_beyond_what_a_database_counts_is_the_end_of_time(tmp_path: Path) -> None:
    with open_services(tmp_path / "flight", task_deadline_seconds_max=1e300) as services:
        at = Tasking(services)
        task_id = at.client.post("/v1/tasks", json={"pipeline": "summarise", "deadline_seconds": 1e299}).json()[
            "task_id"
        ]
        assert at.tasks.get(task_id).deadline_at == 2**63 - 1


def test_a_task_that_was_erased_is_not_done_again_and_one_that_was_removed_is_unknown(at: Tasking) -> None:
    removed, erased = (at.fail(at.submit()["task_id"]) for _ in range(2))
    at.services.store.write(lambda tx: empty(tx, [erased.task_id]))
    refused(at.client.post(f"/v1/tasks/{erased.task_id}/retry", json={}), 41002)
    assert at.client.get(f"/v1/tasks/{erased.task_id}").json()["input"] == "[erased]"
    keep = {erased.task_id}
    remove(at.services.store, at.services.clock.now_ns() + 1, lambda connection, task_ids: keep & set(task_ids))
    for answer in (
        at.client.get(f"/v1/tasks/{removed.task_id}"),
        at.client.get(f"/v1/tasks/{removed.task_id}/result"),
        at.client.get(f"/v1/tasks/{removed.task_id}/stream"),
        at.client.post(f"/v1/tasks/{removed.task_id}/retry", json={}),
    ):
        refused(answer, 40411)


def test_a_body_that_is_no_json_is_refused(at: Tasking) -> None:
    for body in (b"", b"{", b'{"pipeline": "\xff"}', b'{"pipeline": "summarise", "input": ' + b"[" * 5_000):
        refused(at.client.post("/v1/tasks", content=body, headers={"Content-Type": "application/json"}), 40001)
    refused(at.client.post("/v1/tasks", content=b"pipeline=summarise", headers={"Content-Type": "text/plain"}), 41501)


def test_the_largest_input_is_taken_and_one_byte_more_is_not(at: Tasking) -> None:
    room = at.services.settings.task_input_bytes_max - len('""')
    at.submit(input="x" * room)
    refused(at.client.post("/v1/tasks", json={"pipeline": "summarise", "input": "x" * (room + 1)}), 41302)


def test_a_packed_body_is_unpacked_up_to_the_limit(services: Services) -> None:
    small = changed(services, settings=type(services.settings)(body_bytes_max=1_000))
    at = Tasking(small)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    body = json.dumps({"pipeline": "summarise", "input": "x" * 500}).encode()
    assert at.client.post("/v1/tasks", content=gzip.compress(body), headers=headers).status_code == 201
    for large in (b"x" * 1_001, json.dumps({"pipeline": "summarise", "input": "x" * 2_000}).encode()):
        refused(at.client.post("/v1/tasks", content=gzip.compress(large), headers=headers), 41301)


def test_a_quota_that_is_used_up_refuses(at: Tasking) -> None:
    at.services.store.write(lambda tx: set_units_max(tx, "ann", 2))
    at.submit(user_id="ann", units=2)
    problem = refused(at.client.post("/v1/tasks", json={"pipeline": "summarise", "user_id": "ann"}), 40302)
    assert problem["facts"] == {"user_id": "ann", "units_max": 2, "used": 2}


def test_a_store_that_is_busy_says_when_to_come_again(tmp_path: Path) -> None:
    with open_services(tmp_path / "flight", write_timeout_seconds=0.2) as services:
        find_it_busy(Tasking(services))


def find_it_busy(at: Tasking) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold(tx: object) -> None:
        begun.set()
        go_on.wait(20)

    holder = threading.Thread(target=lambda: at.services.store.write(hold, 30))
    holder.start()
    try:
        begun.wait(20)
        answer = at.client.post("/v1/tasks", json={"pipeline": "summarise"})
    finally:
        go_on.set()
        holder.join()
    refused(answer, 50301)
    assert answer.headers["retry-after"] == "1"
    assert at.client.get("/v1/tasks").json()["tasks"] == []


def test_a_server_without_the_platform_reads_and_takes_nothing(services: Services) -> None:
    at = Tasking(services)
    task = at.submit()
    reader = Tasking(services)
    reader.client.app.state.services = services
    for answer in (
        reader.client.post("/v1/tasks", json={"pipeline": "summarise"}),
        reader.client.post(f"/v1/tasks/{task['task_id']}/cancel"),
        reader.client.get("/v1/queues"),
        reader.client.get("/v1/pipelines"),
    ):
        refused(answer, 50317)
        assert answer.headers["retry-after"] == "1"
    assert reader.client.get("/v1/tasks").json()["tasks"][0]["task_id"] == task["task_id"]
    assert reader.client.get(f"/v1/tasks/{task['task_id']}").json() == task


# ── keys and request ids ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_key_and_request_is_answered_with_the_same_again(at: Tasking) -> None:
    first = at.client.post("/v1/tasks", json={"pipeline": "summarise", "input": {"a": 1, "b": 2}}, headers=key("k"))
    at.work_off(first.json()["task_id"])
    again = at.client.post("/v1/tasks", json={"input": {"b": 2, "a": 1}, "pipeline": "summarise"}, headers=key("k"))
    assert (first.status_code, again.status_code) == (201, 200)
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert (again.json(), again.headers["location"]) == (first.json(), first.headers["location"])
    for other in ({"pipeline": "summarise", "input": 2}, {"pipeline": "media", "input": {"a": 1, "b": 2}}):
        refused(at.client.post("/v1/tasks", json=other, headers=key("k")), 40901)


def key(name: str) -> dict[str, str]:
    return {"Idempotency-Key": name}


@pytest.mark.parametrize("wrong", ["", "x" * 256, "a\tb"])
def test_a_key_that_can_be_none_is_refused(at: Tasking, wrong: str) -> None:
    refused(at.client.post("/v1/tasks", json={"pipeline": "summarise"}, headers=key(wrong)), 40022)


def test_an_action_is_done_once_under_its_key(at: Tasking) -> None:
    task, other = at.submit(), at.submit()
    place = f"/v1/tasks/{task['task_id']}"
    first = at.client.post(f"{place}/cancel", json={"reason": "not needed"}, headers=key("c"))
    at.client.post(f"{place}/retry", headers=key("r"))
    again = at.client.post(f"{place}/cancel", json={"reason": "not needed"}, headers=key("c"))
    assert (first.status_code, again.status_code, again.headers["idempotency-replayed"]) == (200, 200, "true")
    assert first.json()["state"] == "CANCELED"
    assert again.json() == first.json()
    assert at.client.get(place).json()["state"] == "QUEUED"
    refused(at.client.post(f"{place}/retry", headers=key("c")), 40901)
    refused(at.client.post(f"/v1/tasks/{other['task_id']}/cancel", headers=key("c")), 40901)


def test_sixty_four_clients_with_one_key_have_one_task(services: Services) -> None:
    at = Tasking(services)
    with Server(at.services) as server, httpx.Client(base_url=server.url) as client, ThreadPoolExecutor(32) as pool:
        asked = {"pipeline": "summarise", "input": 1}
        answers = list(pool.map(lambda _: client.post("/v1/tasks", json=asked, headers=key("once")), range(64)))
    assert sorted({answer.status_code for answer in answers}) == [200, 201]
    assert [answer.status_code for answer in answers].count(201) == 1
    assert len({answer.content for answer in answers}) == 1
    assert len(at.client.get("/v1/tasks").json()["tasks"]) == 1


def test_a_request_id_is_on_every_answer_and_on_the_events_of_the_call(at: Tasking) -> None:
    mine = {"X-Request-Id": "order-77"}
    answer = at.client.post("/v1/tasks", json={"pipeline": "summarise"}, headers=mine)
    assert answer.headers["x-request-id"] == "order-77"
    events = events_of(at, answer.json()["task_id"])
    assert [event.type for event in events] == ["span_finished", "run_started", "task_transition", "ledger_entry"]
    assert {event.correlation_id for event in events} == {"order-77"}
    assert (events[0].name, events[0].status) == ("POST /v1/tasks", "ok")
    at.client.post(f"/v1/tasks/{answer.json()['task_id']}/cancel", headers={"X-Request-Id": "order-78"})
    acted = [event for event in events_of(at, answer.json()["task_id"]) if event.correlation_id == "order-78"]
    assert [(event.type, event.name) for event in acted] == [
        ("span_finished", "POST /v1/tasks/{task_id}/cancel"), ("task_transition", "summarise"),
        ("ledger_entry", "summarise"), ("run_finished", "summarise"),
    ]  # fmt: skip
    for path in ("/v1/tasks", "/v1/tasks/nosuch", "/v1/nosuch", "/healthz", "/api/runs?nosuch=1", "/static/nosuch"):
        assert at.client.get(path, headers=mine).headers["x-request-id"] == "order-77"
    for wrong in ("", "a b", "x" * 129):
        made = at.client.get("/v1/tasks", headers={"X-Request-Id": wrong}).headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f-]{36}", made)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_list_is_filtered_and_read_page_by_page(at: Tasking) -> None:
    made = [at.submit(user_id=f"u{number % 2}", input=number)["task_id"] for number in range(5)]
    done, failed = at.work_off(made[0]), at.fail(made[1])
    media = at.submit(pipeline="media", project="shop")["task_id"]

    def ids(**params: Any) -> list[str]:
        return [task["task_id"] for task in at.client.get("/v1/tasks", params=params).json()["tasks"]]

    newest = [media, *reversed(made)]
    assert ids() == newest
    assert ids(state="SUCCEEDED") == [done.task_id]
    assert ids(state="FAILED,SUCCEEDED") == [failed.task_id, done.task_id]
    assert ids(pipeline="media") == ids(queue="media") == ids(project="shop") == [media]
    assert ids(user="u1") == [made[3], made[1]]
    assert ids(q=made[2]) == [made[2]]
    assert ids(q="%") == ids(user="\ud800".encode("utf-8", "surrogatepass").decode("latin-1")) == []
    assert ids(since="1h") == newest
    assert ids(until="1h") == []
    pages, cursor = [], None
    while True:
        page = at.client.get("/v1/tasks", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        pages.append([task["task_id"] for task in page["tasks"]])
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert pages == [newest[:2], newest[2:4], newest[4:]]
    row = at.client.get("/v1/tasks", params={"q": made[0]}).json()["tasks"][0]
    assert ("input" in row, "results" in row) == (False, False)


@pytest.mark.parametrize(
    ("params", "code"),
    [({"limit": "0"}, 40005), ({"limit": "9999"}, 40005), ({"cursor": "?"}, 40006), ({"since": "soon"}, 40004),
     ({"nosuch": "1"}, 40007)],
)  # fmt: skip
def test_a_list_that_is_asked_for_wrongly_is_refused(at: Tasking, params: dict[str, str], code: int) -> None:
    refused(at.client.get("/v1/tasks", params=params), code)


def test_a_task_that_is_not_there_is_not_found(at: Tasking) -> None:
    for method, path in (("GET", ""), ("GET", "/result"), ("GET", "/stream"), ("POST", "/cancel"), ("POST", "/retry")):
        refused(at.client.request(method, f"/v1/tasks/nosuch{path}"), 40411)


def test_a_result_is_there_after_success_until_its_time_is_over(services: Services) -> None:
    clock = FakeClock()
    at = Tasking(changed(services, clock=clock))
    task = at.submit()
    place = f"/v1/tasks/{task['task_id']}/result"
    assert refused(at.client.get(place), 42214)["facts"]["state"] == "QUEUED"
    at.work_off(task["task_id"], {"words": 3})
    found = at.client.get(place).json()
    assert (found["task_id"], found["result"]) == (task["task_id"], {"words": 3})
    clock.advance(at.services.settings.task_result_seconds)
    refused(at.client.get(place), 41001)
    assert at.tasks.expire(clock.now_ns()).results == 1
    refused(at.client.get(place), 41001)
    assert at.tasks.get(task["task_id"]).result is None


def test_pipelines_say_their_states_moves_and_retries(at: Tasking) -> None:
    media, summarise = at.client.get("/v1/pipelines").json()["pipelines"]
    assert (media["name"], media["queue"]) == ("media", "media")
    assert summarise["states"] == list(SUMMARISE.states)
    assert summarise["moves"]["READING"] == ["CANCELED", "FAILED", "QUEUED", "WRITING"]
    assert [(step["state"], step["retries"]["attempts_max"]) for step in summarise["steps"]] == [
        ("READING", 5), ("WRITING", 3),
    ]  # fmt: skip


def test_queues_say_what_waits(at: Tasking) -> None:
    assert at.services.platform is not None
    at.submit()
    at.services.platform.dispatcher.dispatch()
    found = at.client.get("/v1/queues").json()
    assert [(queue["queue"], queue["waiting"], queue["running"]) for queue in found["queues"]] == [
        ("default", 1, 0), ("media", 0, 0),
    ]  # fmt: skip
    assert found["workers"] == []


# ── acting ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_over_is_not_canceled_and_what_is_under_way_is_not_retried(at: Tasking) -> None:
    done, waiting = at.submit(), at.submit()
    at.work_off(done["task_id"])
    problem = refused(at.client.post(f"/v1/tasks/{done['task_id']}/cancel"), 42201)
    assert problem["facts"]["before"] == "SUCCEEDED"
    refused(at.client.post(f"/v1/tasks/{done['task_id']}/retry"), 42201)
    refused(at.client.post(f"/v1/tasks/{waiting['task_id']}/retry"), 42201)
    refused(at.client.post(f"/v1/tasks/{waiting['task_id']}/cancel", json={"why": "x"}), 42213)


def test_nothing_of_a_secret_is_kept_but_in_the_input_that_the_work_needs(at: Tasking) -> None:
    task = at.submit(input={"key": SECRET})["task_id"]
    at.fail(task, f"401 for {SECRET}")
    at.client.post(f"/v1/tasks/{task}/retry", json={"reason": f"with {SECRET}"})
    at.fail(task, f"401 for {SECRET}")
    shown = at.client.get(f"/v1/tasks/{task}").json()
    assert shown.pop("input") == {"key": SECRET}
    assert SECRET not in json.dumps(shown)
    assert "401 for" in shown["error"]["message"]
    events = events_of(at, task)
    assert events
    assert not any(SECRET in bytes(event.payload).decode() for event in events)


# ── following ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stream_tells_each_change_and_ends_with_the_task(services: Services) -> None:
    at = Tasking(services)
    task_id = at.submit()["task_id"]
    with Server(at.services) as server:
        url = f"{server.url}/v1/tasks/{task_id}/stream"
        with Stream(url) as stream:
            assert stream.next()["state"] == "QUEUED"
            task = at.tasks.begin(task_id, 1, "w1")
            assert stream.next()["state"] == "READING"
            at.tasks.progress(task, 0.4)
            assert stream.next()["progress"] == 0.4
            task = at.tasks.done(task, 1)
            assert stream.next()["state"] == "WRITING"
            at.tasks.done(task, 2)
            last = stream.next()
            assert (last["state"], last["progress"]) == ("SUCCEEDED", 1.0)
            assert list(stream.lines) in ([], [""])
        with Stream(url, headers={"Last-Event-ID": "1-0"}) as stream:
            assert stream.next()["state"] == "SUCCEEDED"
        assert httpx.get(url, headers={"Last-Event-ID": str(stream.last_id)}).status_code == 204


def test_a_silent_stream_gives_signs_of_life_and_counts_as_one(services: Services) -> None:
    at = Tasking(changed(services, settings=type(services.settings)(sse_heartbeat_seconds=0.05, sse_watchers_max=1)))
    task_id = at.submit()["task_id"]
    with Server(at.services) as server:
        url = f"{server.url}/v1/tasks/{task_id}/stream"
        with Stream(url) as stream:
            assert stream.next()["state"] == "QUEUED"
            assert stream.next_line(":") == ": here"
            assert server.streams_open == 1
            refused(httpx.get(url), 50306)


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_pages_of_other_sites_can_neither_ask_nor_act_nor_follow(at: Tasking, headers: dict[str, str]) -> None:
    task_id = at.submit()["task_id"]
    refused(at.client.post("/v1/tasks", json={"pipeline": "summarise"}, headers=headers), 40305)
    for action in ("cancel", "retry"):
        refused(at.client.post(f"/v1/tasks/{task_id}/{action}", headers=headers), 40305)
    refused(at.client.get(f"/v1/tasks/{task_id}/stream", headers=headers), 40305)
    assert len(at.client.get("/v1/tasks").json()["tasks"]) == 1


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/queues", "/v1/pipelines", "/v1/tasks/x/stream"])
def test_nobody_is_answered_who_calls_the_server_by_another_name(at: Tasking, path: str) -> None:
    refused(at.client.get(path, headers={"Host": "evil.example:4747"}), 40304)
