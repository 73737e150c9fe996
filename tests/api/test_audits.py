"""Audit records over HTTP: recorded and told what became of them, listed, added up, read with their counterparts."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from flightlog.api.app import Services
from tests.api.serving import SECOND, START, Client, event, fill

KEY = "sk-ant-api03-" + "Ab1" * 31 + "AA"


def record(client: Client, operation: str = "repo.push", /, **said: Any) -> httpx.Response:
    return client.post("/api/audits", json={"operation": operation, **said})


def decide(services: Services, number: int, decision: str, capability: str = "fs.write", **fields: Any) -> None:
    payload = {"capability": capability, "decision": decision, "rule": "r"}
    services.journal.append([event(number, "capability_decision", payload=payload, **{"run_id": None, **fields})])


def test_what_is_recorded_is_stored_when_the_answer_comes(services: Services, client: Client) -> None:
    fill(services, 1)
    answer = record(
        client, subject_type="repo", subject_id="acme/shop", outcome="refused", details={"branch": "main"}, actor="ann",
        run_id="r1", level="warn",
    )  # fmt: skip
    assert answer.status_code == 201
    made = answer.json()
    assert (made["state"], made["id"], made["reason"]) == ("stored", 2, None)
    there = client.get(answer.headers["location"]).json()
    event_shown = there.pop("event")
    assert there.pop("paired") == []
    assert there == made["audit"]
    assert event_shown["payload"]["details"] == {"branch": "main"}
    assert (there["actor"], there["source"], there["status"], there["level"], there["orphan"]) == (
        "ann", "api", "refused", "warn", "known",
    )  # fmt: skip


def test_who_does_not_say_who_they_are_is_named_by_where_they_come_from(client: Client) -> None:
    assert record(client).json()["audit"]["actor"].startswith("api")


def test_of_a_run_that_is_not_there_it_is_orphaned_and_adopted_when_that_comes(
    services: Services, client: Client
) -> None:
    answer = record(client, run_id="r1", task_id="t1")
    assert (answer.status_code, answer.json()["state"]) == (202, "orphaned")
    assert answer.json()["reason"] == "its run and its task is not in the store (yet)"
    assert [each["missing"] for each in client.get("/api/audits?orphaned=true").json()["audits"]] == [["run", "task"]]
    fill(services, 1, task_id="t1")
    adopted = client.get(answer.headers["location"]).json()
    assert (adopted["orphan"], adopted["missing"], adopted["adopted_by"]) == ("adopted", [], 2)
    assert client.get("/api/audits?orphaned=true").json() == {"audits": [], "nextCursor": None}
    assert len(client.get("/api/audits?orphaned=false").json()["audits"]) == 1


def test_sent_again_under_its_id_it_is_there_once(client: Client) -> None:
    first, again = record(client, event_id="mine"), record(client, event_id="mine")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert len(client.get("/api/audits").json()["audits"]) == 1
    other = record(client, "repo.delete", event_id="mine")
    assert (other.status_code, other.json()["code"]) == (409, 40902)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"operation": " "}, 42202),
        ({"operation": 5}, 42202),
        ({"operation": "x", "nonsense": 1}, 42202),
        ({"operation": "x", "level": "loud"}, 42202),
        ({"operation": "x", "actor": "a" * 300}, 42205),
        ({"operation": "x", "event_id": "a" * 65}, 42205),
        ({}, 42202),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_and_nothing_is_stored(client: Client, said: dict[str, Any], code: int) -> None:
    answer = client.post("/api/audits", json=said)
    assert answer.json()["code"] == code
    assert client.get("/api/audits").json()["audits"] == []


def test_what_is_no_json_is_refused(client: Client) -> None:
    assert client.post("/api/audits", content=b"{", headers={"content-type": "application/json"}).status_code == 400
    assert client.post("/api/audits", content=b"{}", headers={"content-type": "text/plain"}).status_code == 415


def test_a_secret_does_not_get_into_a_record(client: Client) -> None:
    made = record(client, details={"token": KEY}, subject_id=KEY)
    assert made.status_code == 201
    assert KEY not in client.get(made.headers["location"]).text


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("", [6, 5, 4, 3, 2]),
        ("actor=ann", [2]),
        ("operation=repo.push", [3, 2]),
        ("subject=repo:acme/shop", [2]),
        ("subject=acme/shop", [3, 2]),
        ("type=audit", [3, 2]),
        ("decision=denied,granted", [6, 5]),
        ("capability=fs.write", [5, 4]),
        ("status=refused", [3]),
        ("level=warn", [3]),
        ("run=r9", [3]),
        ("task=t9", [3]),
        ("correlation=c1", [5, 4]),
        ("orphaned=true", [3]),
        (f"since={START + 5 * SECOND}", [6, 5]),
        (f"until={START + 3 * SECOND}", [2]),
        ("q=decision:denied", [5]),
        ("q=-type:audit capability:net*", [6]),
        ("q=acme&status=refused", [3]),
        ("q=orphan:orphaned,adopted", [3]),
    ],
)
def test_the_list_is_filtered(services: Services, client: Client, asked: str, found: list[int]) -> None:
    about = {"operation": "repo.push", "subject_id": "acme/shop"}
    services.journal.append(
        [
            event(1),
            event(2, "audit", payload={**about, "subject_type": "repo"}, actor="ann"),
            event(3, "audit", payload={**about, "outcome": "refused"}, run_id="r9", task_id="t9", level="warn"),
        ]
    )
    decide(services, 4, "requested", correlation_id="c1")
    decide(services, 5, "denied", correlation_id="c1")
    decide(services, 6, "granted", "net.fetch")
    rows = client.get(f"/api/audits?{asked}").json()["audits"]
    assert [int(row["event_id"][1:]) for row in rows] == found


def test_pages_follow_each_other(client: Client) -> None:
    made = [record(client).json()["event_id"] for _ in range(5)]
    seen, cursor = [], None
    while True:
        page = client.get("/api/audits", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [row["event_id"] for row in page["audits"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert seen == made[::-1]


@pytest.mark.parametrize(
    "asked", ["orphaned=maybe", "decision=perhaps", "type=note", "limit=0", "cursor=x", "who=ann", "q=decision:perhaps"]
)
def test_a_question_that_makes_no_sense_is_refused(client: Client, asked: str) -> None:
    assert client.get(f"/api/audits?{asked}").status_code == 400


def test_decisions_are_a_matrix_and_denied_ones_stand_beside_granted_ones(services: Services, client: Client) -> None:
    for number, (decision, capability) in enumerate(
        [("requested", "fs.write"), ("denied", "fs.write"), ("requested", "fs.write"), ("granted", "fs.write"),
         ("denied", "net.fetch")]
    ):  # fmt: skip
        decide(services, number, decision, capability)
    found = client.get("/api/audits/decisions").json()
    counted = [(row["capability"], row["requested"], row["granted"], row["denied"]) for row in found["capabilities"]]
    assert counted == [("fs.write", 2, 1, 1), ("net.fetch", 0, 0, 1)]
    assert found["total"] == {"requested": 2, "granted": 1, "denied": 2, "other": 0}
    assert client.get("/api/audits/decisions?capability=net.fetch").json()["total"]["denied"] == 1


def test_a_decision_comes_with_its_request(services: Services, client: Client) -> None:
    decide(services, 1, "requested", correlation_id="c1")
    decide(services, 2, "denied", correlation_id="c1")
    shown = client.get("/api/audits/e000002").json()
    assert [each["decision"] for each in shown["paired"]] == ["requested"]
    assert client.get("/api/audits/never").json()["code"] == 40409


def test_values_of_a_query_are_completed(services: Services, client: Client) -> None:
    decide(services, 1, "denied", "fs.write")
    found = client.get("/api/complete?scope=audits&q=capability:").json()["suggestions"]
    assert [each["text"] for each in found] == ["fs.write"]
