"""Pages of events and runs: cursors, filters, limits, and the refusal of what nobody knows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flightlog.api.app import Services
from flightlog.events.envelope import ENVELOPE_FIELDS
from flightlog.recorder.client import Recorder
from flightlog.testing import MemoryRecorder
from tests.api.serving import SECOND, START, Client, client_of, event, fill


def ids(answer: Any) -> list[int]:
    return [found["id"] for found in answer.json()["events"]]


def names(client: Client, path: str, **params: Any) -> list[str]:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return [found["event_id"] for found in answer.json()["events"]]


# ── cursors ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_following_next_after_id_gives_every_event_once_and_then_waits_at_the_end(
    client: Client, services: Services
) -> None:
    fill(services, 25)
    seen: list[int] = []
    after = 0
    while True:
        page = client.get("/api/runs/r1/events", params={"afterId": after, "limit": 10}).json()
        seen += [found["id"] for found in page["events"]]
        after = page["nextAfterId"]
        if not page["more"]:
            break
    assert seen == list(range(1, 26))
    page = client.get("/api/runs/r1/events", params={"afterId": after}).json()
    assert (page["events"], page["nextAfterId"]) == ([], 25)
    fill(services, 1, first=26)
    assert ids(client.get("/api/runs/r1/events", params={"afterId": after})) == [26]


def test_reading_backwards_from_the_end(client: Client, services: Services) -> None:
    fill(services, 25)
    page = client.get("/api/events", params={"latest": "true", "limit": 10}).json()
    assert [found["id"] for found in page["events"]] == list(range(16, 26))
    page = client.get("/api/events", params={"beforeId": page["nextBeforeId"], "limit": 10}).json()
    assert [found["id"] for found in page["events"]] == list(range(6, 16))
    assert page["more"]


def test_the_runs_list_is_followed_by_its_cursor(client: Client, services: Services) -> None:
    for number in range(7):
        services.journal.append([event(number, run_id=f"run-{number}")])
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get("/api/runs", params={"limit": 3} | ({"cursor": cursor} if cursor else {})).json()
        seen += [run["run_id"] for run in page["runs"]]
        cursor = page["nextCursor"]
    assert seen == [f"run-{number}" for number in reversed(range(7))]


# ── limits and cursors that are not ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "abc", "", "1.5", "1e2", "٣", "9" * 30, " 5"])
def test_a_limit_that_can_not_be_is_a_problem_that_names_the_cap(client: Client, limit: str) -> None:
    for path in ("/api/events", "/api/runs/r1/events"):
        problem = client.get(path, params={"limit": limit}).json()
        assert (problem["code"], problem["facts"]) == (40005, {"limit": limit, "limit_max": 1000})


def test_the_cap_of_runs_is_its_own(client: Client) -> None:
    assert client.get("/api/runs?limit=500").status_code == 200
    assert client.get("/api/runs?limit=501").json()["facts"]["limit_max"] == 500


def test_the_largest_and_the_default_page(client: Client, services: Services) -> None:
    fill(services, 1001)
    assert len(ids(client.get("/api/events?limit=1000"))) == 1000
    assert len(ids(client.get("/api/events?limit=1"))) == 1
    assert len(ids(client.get("/api/events"))) == 100


@pytest.mark.parametrize("cursor", ["-1", "abc", "", "1.0", str(2**63), "0x1"])
def test_a_cursor_that_was_never_given_out_is_a_problem(client: Client, cursor: str) -> None:
    for name in ("afterId", "beforeId"):
        assert client.get("/api/events", params={name: cursor}).json()["code"] == 40006
    assert client.get("/api/runs", params={"cursor": cursor}).json()["code"] == 40006


# ── filters ──────────────────────────────────────────────────────────────────────────────────────────────────────────

FULL = {
    "project": "p", "run_id": "r1", "type": "tool_call", "level": "warn", "source": "agent", "actor": "a,b", "status": "ok",
    "trace_id": "t", "span_id": "s", "task_id": "k", "correlation_id": "c", "name": "n",
}  # fmt: skip
PARAMETERS = {
    "project": "project", "run_id": "run", "type": "types", "level": "level", "source": "source", "actor": "actor",
    "status": "status", "trace_id": "trace", "span_id": "span", "task_id": "task", "correlation_id": "correlation",
    "name": "name",
}  # fmt: skip
OTHER = {**dict.fromkeys(FULL, "other"), "type": "tool_result", "level": "info"}


def test_every_filter_holds_and_all_of_them_combine(client: Client, services: Services) -> None:
    wanted = {key: value for key, value in FULL.items() if key != "type"}
    payload = {"tool": "x"}
    batch = [event(0, FULL["type"], payload=payload, **wanted)]
    for number, field in enumerate(FULL, 1):
        changed = {**FULL, field: OTHER[field]}
        type_ = changed.pop("type")
        batch.append(event(number, type_, payload=payload, **changed))
    services.journal.append(batch)
    everything = {PARAMETERS[field]: value for field, value in FULL.items()}
    assert names(client, "/api/events", **everything) == ["e000000"]
    for number, field in enumerate(FULL, 1):
        one_left_out = {name: value for name, value in everything.items() if name != PARAMETERS[field]}
        assert names(client, "/api/events", **one_left_out) == ["e000000", f"e{number:06d}"]


def test_time_is_from_and_including_since_to_before_until(client: Client, services: Services) -> None:
    fill(services, 5)
    assert names(client, "/api/events", since=START + 2 * SECOND, until=START + 4 * SECOND) == ["e000002", "e000003"]
    assert names(client, "/api/events", since="2023-11-14T22:13:24Z") == ["e000004", "e000005"]
    assert names(client, "/api/events", since="2023-11-14T23:13:24+01:00") == ["e000004", "e000005"]


def test_lists_are_given_with_commas_or_again_and_actors_only_again(client: Client, services: Services) -> None:
    services.journal.append(
        [
            event(1, "note", actor="a,b"),
            event(2, "error", payload={"message": "m"}, actor="c"),
            event(3, "acme.x", actor="d"),
        ]
    )
    assert names(client, "/api/events", types="note,acme.x") == ["e000001", "e000003"]
    assert names(client, "/api/events", types=["note", "acme.x"]) == ["e000001", "e000003"]
    assert names(client, "/api/runs/r1/events", type="error", types="note") == ["e000001", "e000002"]
    assert names(client, "/api/events", actor=["a,b", "d"]) == ["e000001", "e000003"]


@pytest.mark.parametrize(
    ("path", "params", "word"),
    [
        ("/api/events", {"level": "loud"}, "level is one of debug, info, warn, error"),
        ("/api/events", {"since": "yesterday"}, "RFC 3339"),
        ("/api/events", {"since": "2024-01-01T00:00:00 02:00"}, "%2B"),
        ("/api/events", {"since": "9" * 40}, "64 bits"),
        ("/api/events", {"payloads": "maybe"}, "true or false"),
        ("/api/events", {"latest": "1"}, "true or false"),
        ("/api/events", {"since": "2", "until": "1"}, "since is later than until"),
        ("/api/runs", {"status": "sleeping"}, "status is one of"),
        ("/api/runs", {"until": "soon"}, "RFC 3339"),
        ("/api/events/stream", {"level": "loud"}, "level is one of"),
    ],
)
def test_a_filter_that_can_not_be_says_what_would_do(
    client: Client, path: str, params: dict[str, str], word: str
) -> None:
    problem = client.get(path, params=params).json()
    assert problem["code"] == 40004
    assert word in problem["detail"]


@pytest.mark.parametrize(
    "path",
    ["/api/runs", "/api/runs/r1", "/api/runs/r1/events", "/api/runs/r1/stream", "/api/events", "/api/events/e1",
     "/api/events/stream", "/api/catalogue", "/api/health", "/healthz", "/problems/internal"],
)  # fmt: skip
def test_a_parameter_that_nobody_knows_is_refused(client: Client, path: str) -> None:
    problem = client.get(path, params={"zzz": "1"}).json()
    assert (problem["code"], problem["facts"]["parameter"]) == (40007, "zzz")


def test_a_misspelt_parameter_is_told_what_was_meant(client: Client) -> None:
    assert "did you mean 'afterId'?" in client.get("/api/events?after_id=3").json()["detail"]


def test_runs_are_filtered_too(client: Client, services: Services) -> None:
    services.journal.append(
        [
            event(
                1, "run_started", run_id="a", name="Fix Login", actor="x", project="p", payload={"name": "Fix Login"}
            ),
            event(2, "run_finished", run_id="a", status="failed", payload={}),
            event(3, "run_started", run_id="b", name="other", actor="y", payload={"name": "other"}),
        ]
    )

    def found(**params: str) -> list[str]:
        return [run["run_id"] for run in client.get("/api/runs", params=params).json()["runs"]]

    assert found(q="login") == found(status="failed") == found(actor="x") == found(project="p") == ["a"]
    assert found(status="failed,hung") == ["b", "a"]
    assert found(since=str(START + 3 * SECOND)) == ["b"]
    assert found(q="login", actor="y") == []


# ── what a page holds ────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_event_has_all_fields_of_the_envelope_and_its_place(client: Client, services: Services) -> None:
    services.journal.append([event(1, flags=3, duration_ns=7, producer_id="p1", seq=4)])
    found = client.get("/api/events/e000001").json()
    assert set(found) == {*ENVELOPE_FIELDS, "id", "received_at", "payload_bytes", "payload_digest", "payload"}
    assert found["created_at"] == "2023-11-14T22:13:21.000000000Z"
    assert found["flags"] == ["truncated", "redacted"]
    assert (found["producer_id"], found["seq"], found["duration_ns"], found["actor"]) == ("p1", 4, 7, None)
    assert found["payload_digest"].startswith("sha256:")


def test_without_payloads_there_is_no_payload_instead_of_an_empty_one(client: Client, services: Services) -> None:
    fill(services, 2)
    for path in ("/api/events", "/api/runs/r1/events"):
        page = client.get(path, params={"payloads": "false"}).json()
        assert all("payload" not in found and found["payload_bytes"] > 0 for found in page["events"])


def test_a_run_that_is_not_there_is_a_problem_and_one_that_has_nothing_more_is_not(
    client: Client, services: Services
) -> None:
    fill(services, 1)
    assert client.get("/api/runs/none/events").json()["code"] == 40401
    assert client.get("/api/runs/r1/events?afterId=1").json()["events"] == []
    assert client.get("/api/runs/r1/events?types=error").json()["events"] == []


@pytest.mark.parametrize("run_id", ["a/b", "a b", "ü?#%", "events", "a/events/b", "x" * 128])
def test_an_id_may_be_any_text(client: Client, services: Services, run_id: str) -> None:
    from urllib.parse import quote

    services.journal.append([event(1, run_id=run_id, event_id=run_id[:64])])
    path = quote(run_id, safe="")
    assert client.get(f"/api/runs/{path}").json()["run_id"] == run_id
    assert len(ids(client.get(f"/api/runs/{path}/events"))) == 1
    assert client.get(f"/api/events/{quote(run_id[:64], safe='')}").json()["run_id"] == run_id


def test_the_summary_of_a_run_tells_times_as_text(client: Client, services: Services) -> None:
    services.journal.append(
        [
            event(1, "run_started", name="n", payload={"name": "n"}),
            event(5, "run_finished", status="succeeded", payload={}),
        ]
    )
    run = client.get("/api/runs/r1").json()
    assert (run["name"], run["status"], run["hung"], run["event_count"]) == ("n", "succeeded", False, 2)
    assert run["started_at"] == "2023-11-14T22:13:21.000000000Z"
    assert run["finished_at"] == "2023-11-14T22:13:25.000000000Z"
    assert run["counts"] == {"run_started": 1, "run_finished": 1}


def test_one_damaged_row_does_not_break_its_page(client: Client, services: Services) -> None:
    fill(services, 3)
    services.store.write(lambda tx: tx.driver.execute("UPDATE event_payloads SET payload = '{\"text\": ' WHERE id = 2"))
    found = client.get("/api/events").json()["events"]
    assert [one["payload"].get("text") for one in found] == ["number 1", None, "number 3"]
    assert "not JSON" in found[1]["payload"]["unreadable"]


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.binary(max_size=30),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=20)
@given(payloads=st.lists(JSON_VALUES, min_size=1, max_size=8))
def test_whatever_was_emitted_comes_back_as_json(services: Services, payloads: list[Any]) -> None:
    recorder: Recorder = MemoryRecorder(strict=False)
    emitted = [recorder.emit("acme.anything", payload) for payload in payloads]
    assert isinstance(recorder, MemoryRecorder)
    stored = recorder.events[-len(emitted) :]
    fresh = [event(0, found.type, event_id=f"{services.ids.event_id(1)}", payload={}) for found in stored]
    for one, found in zip(fresh, stored, strict=True):
        one.payload = found.payload
    appended = services.journal.append(fresh)
    answer = client_of(services).get("/api/events", params={"afterId": appended.first_id - 1, "limit": 1000})
    found_back = json.loads(answer.content.decode("utf-8"), parse_constant=pytest.fail)["events"]
    assert [json.dumps(one["payload"]) for one in found_back] == [
        json.dumps(json.loads(bytes(one.payload))) for one in fresh
    ]
