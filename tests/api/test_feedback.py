"""Feedback over HTTP: given, told what became of it, listed, added up, and read with what it is about."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from flightlog.api.app import Services
from flightlog.journal.read import EventFilter, read_events
from tests.api.serving import Client, event


def call(services: Services, number: int = 1, correlation: str = "c1") -> None:
    services.journal.append(
        [
            event(
                number,
                "llm_response",
                payload={"model": "small"},
                correlation_id=correlation,
                name="small",
                status="ok",
            )
        ]
    )


def give(client: Client, target: str = "r1-c1", **said: Any) -> httpx.Response:
    return client.post("/api/feedback", json={"target_id": target, **(said or {"value": "up"})})


def test_what_is_there_is_linked_and_the_answer_says_so(services: Services, client: Client) -> None:
    call(services)
    answer = give(client, value=0.5, name="faithful", comment="half of it", given_by="model", actor="judge-1")
    assert answer.status_code == 201
    found = answer.json()
    assert (found["status"], found["target_type"], found["generation_id"], found["run_id"]) == (
        "linked", "generation", "r1-c1", "r1",
    )  # fmt: skip
    assert (found["kind"], found["value"], found["name"], found["actor"], found["source"]) == (
        "score", 0.5, "faithful", "judge-1", "api",
    )  # fmt: skip
    there = client.get(answer.headers["location"]).json()
    assert [each["event_id"] for each in there.pop("history")] == [found["event_id"]]
    assert there == found


def test_what_is_not_there_yet_is_pending_and_linked_when_it_comes(services: Services, client: Client) -> None:
    answer = give(client)
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    assert [each["target_id"] for each in client.get("/api/feedback?status=pending").json()["feedback"]] == ["r1-c1"]
    call(services)
    assert client.get(answer.headers["location"]).json()["status"] == "linked"
    assert client.get("/api/feedback?status=pending").json() == {"feedback": [], "nextCursor": None}


def test_the_same_again_under_a_key_is_the_same_and_another_replaces_it(services: Services, client: Client) -> None:
    call(services)
    first, again = give(client, value="up", key="ann"), give(client, value="up", key="ann")
    assert (again.status_code, again.json()) == (201, first.json())
    changed = give(client, value="down", key="ann")
    assert changed.headers["location"] == first.headers["location"]
    (held,) = client.get("/api/feedback").json()["feedback"]
    assert held["value"] == "down"
    history = client.get(first.headers["location"]).json()["history"]
    assert [each["payload"]["value"] for each in history] == ["up", "down"]


def test_a_generation_and_a_run_come_with_what_was_said_of_them(services: Services, client: Client) -> None:
    call(services)
    of_call, of_run = give(client).json(), give(client, "r1", value="solved").json()
    assert client.get("/api/generations/r1-c1").json()["feedback"] == [of_call]
    assert client.get("/api/runs/r1").json()["feedback"] == [of_call, of_run]
    assert client.get("/api/runs/r1").json()["event_count"] == 1


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"value": "sideways", "kind": "thumb"}, "up or down"),
        ({"value": "high", "kind": "score"}, "a score is a number"),
        ({"value": True, "kind": "score"}, "a score is a number"),
        ({"value": 1e301, "kind": "score"}, "finite"),
        ({"value": " ", "kind": "label"}, "a label is a text"),
        ({"kind": "correction"}, "corrected answer"),
        ({"comment": "  "}, "empty"),
        ({"value": 1, "kind": "mood"}, "kind is one of"),
        ({"value": 1, "given_by": "me"}, "given_by is one of"),
        ({"value": 1, "target_type": "event"}, "target_type is one of"),
        ({"value": 1, "key": "k" * 257}, "at most 256"),
        ({"value": 1, "name": 7}, "name"),
        ({"value": 1, "mood": 7}, "mood"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_with_the_reason(client: Client, said: dict[str, Any], words: str) -> None:
    answer = give(client, **said)
    assert (answer.status_code, answer.json()["code"]) == (422, 42207)
    assert words in answer.json()["detail"]
    assert client.get("/api/feedback").json()["feedback"] == []


def test_feedback_on_nothing_is_refused(client: Client) -> None:
    assert client.post("/api/feedback", json={"value": "up"}).json()["code"] == 42207
    assert give(client, "").json()["code"] == 42207
    assert give(client, "x" * 401, value=1).json()["code"] == 42207


def test_a_body_that_is_none_is_refused(client: Client) -> None:
    for body in (b"", b"{", b'{"target_id": "a", "value": NaN}', b'{"target_id": "\xff"}'):
        headers = {"content-type": "application/json"}
        assert client.post("/api/feedback", content=body, headers=headers).json()["code"] == 40001
    assert client.post("/api/feedback", content=b"a=b").json()["code"] == 41501


def test_the_door_for_events_judges_feedback_too(client: Client) -> None:
    said = {"target_id": "r1", "kind": "score", "value": "high"}
    answer = client.post("/api/events", json={"type": "feedback", "payload": said})
    assert (answer.status_code, answer.json()["code"]) == (422, 42202)
    assert "a score is a number" in answer.json()["detail"]
    answer = client.post("/api/events", json={"type": "feedback", "payload": {**said, "value": 0.5}})
    assert answer.status_code == 200
    assert [each["value"] for each in client.get("/api/feedback").json()["feedback"]] == [0.5]


@pytest.mark.parametrize(
    "target", ["01a1fc58-c17d-734f-9028-49cb8a4ffe61-6e21f4c09d8b7a53", f"{'0af7' * 8}-{'b7ad' * 4}"]
)
def test_ids_of_ours_are_no_secrets(client: Client, target: str) -> None:
    assert give(client, target).json()["target_id"] == target


def test_secrets_in_it_are_taken_out_before_they_are_stored(services: Services, client: Client) -> None:
    secret = "sk-proj-" + "a1B2" * 12
    answer = give(client, value="down", comment=f"it printed {secret}")
    assert secret not in answer.text
    (stored,) = read_events(services.store, EventFilter(types=("feedback",))).events
    assert secret.encode() not in bytes(stored.payload)


def test_all_filters_and_a_query_combine(services: Services, client: Client) -> None:
    call(services)
    give(client, value="up", given_by="user", actor="ann")
    give(client, value=0.2, name="faithful", given_by="model")
    give(client, "r1", value="spam", comment="Buy NOW")
    give(client, "r9", value="down")

    def values(query: str) -> list[Any]:
        return [each["value"] for each in client.get(f"/api/feedback?{query}").json()["feedback"]]

    assert values("") == ["down", "spam", 0.2, "up"]
    assert values("target=r1-c1&kind=score,label") == [0.2]
    assert values("run=r1&given_by=user") == ["up"]
    assert values("actor=ann") == ["up"]
    assert values("name=faithful") == [0.2]
    assert values("q=thumb:down") == ["down"]
    assert values("q=score:<0.5") == [0.2]
    assert values("q=-kind:thumb+by:model,user") == [0.2]
    assert values("q=buy&since=1h") == ["spam"]
    assert values("until=2001-01-01T00:00:00Z") == []
    assert client.get("/api/feedback?thumb=up").json()["code"] == 40007
    assert client.get("/api/feedback?kind=odd").json()["code"] == 40004
    assert client.get("/api/feedback?q=mood:x").json()["code"] == 40014


def test_runs_and_generations_are_found_by_what_was_said_of_them(services: Services, client: Client) -> None:
    call(services, 1, "c1")
    call(services, 2, "c2")
    services.journal.append([event(3, run_id="r2")])
    give(client, "r1-c1", value="down")
    give(client, "r1-c2", value=0.9, name="helpfulness")

    def calls(query: str) -> list[str]:
        found = client.get("/api/generations", params={"q": query}).json()["generations"]
        return sorted(each["generation_id"] for each in found)

    def runs(query: str) -> list[str]:
        return sorted(each["run_id"] for each in client.get("/api/runs", params={"q": query}).json()["runs"])

    assert calls("thumb:down") == ["r1-c1"]
    assert calls("-thumb:down") == ["r1-c2"]
    assert calls("score:>=0.9 feedback:help*") == ["r1-c2"]
    assert calls("score:<0.5") == []
    assert runs("thumb:down") == runs("feedback:helpfulness") == runs("score:0.5..1") == ["r1"]
    assert runs("-thumb:down") == ["r2"]
    assert runs("thumb:up") == []
    assert client.get("/api/runs?q=thumb:left").json()["code"] == 40014


def test_it_adds_up(services: Services, client: Client) -> None:
    call(services)
    for said in (
        {"value": 0.2},
        {"value": 0.4},
        {"value": "up"},
        {"value": "down"},
        {"value": "up"},
        {"value": "spam"},
    ):
        give(client, **said, name="quality")
    found = client.get("/api/feedback/summary?by=model").json()
    assert (found["by"], found["total"]["count"]) == ("model", 6)
    (group,) = found["groups"]
    assert group["value"] == "small"
    assert group["scores"]["average"] == pytest.approx(0.3)
    assert group["thumbs"] == {"up": 2, "down": 1, "up_share": pytest.approx(2 / 3)}
    assert group["labels"] == {"spam": 1}
    assert client.get("/api/feedback/summary?kind=thumb").json()["groups"][0]["value"] == "quality"
    assert client.get("/api/feedback/summary?by=mood").json()["code"] == 40004


def test_pages_follow_each_other(client: Client) -> None:
    for number in range(5):
        give(client, value=number)
    first = client.get("/api/feedback?limit=3").json()
    second = client.get(f"/api/feedback?limit=3&cursor={first['nextCursor']}").json()
    assert [each["value"] for each in first["feedback"] + second["feedback"]] == [4, 3, 2, 1, 0]
    assert second["nextCursor"] is None
    assert client.get("/api/feedback?cursor=odd").json()["code"] == 40006
    assert client.get("/api/feedback?limit=0").json()["code"] == 40005


def test_what_is_not_there_is_a_problem(client: Client) -> None:
    assert client.get("/api/feedback/never").json()["code"] == 40407


def test_queries_of_feedback_are_completed(services: Services, client: Client) -> None:
    give(client, value="spam", name="moderation")
    found = client.get("/api/complete?scope=feedback&q=name:mo").json()["suggestions"]
    assert [each["text"] for each in found] == ["moderation"]
    assert client.get("/api/complete?scope=runs&q=feedback:mod").json()["suggestions"][0]["text"] == "moderation"
    assert client.get("/api/complete?scope=generations&q=thumb:u").json()["suggestions"][0]["text"] == "up"


TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def _attributes(**given: Any) -> list[dict[str, Any]]:
    def value(it: Any) -> dict[str, Any]:
        return {"doubleValue": it} if isinstance(it, float) else {"stringValue": it}

    return [{"key": key.replace("__", "."), "value": value(it)} for key, it in given.items()]


SPANS = {
    "resourceSpans": [{"scopeSpans": [{"spans": [{
        "traceId": TRACE, "spanId": SPAN, "name": "chat gpt-4o", "kind": 3,
        "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000001000000000",
        "attributes": _attributes(gen_ai__operation__name="chat", gen_ai__request__model="gpt-4o"),
    }]}]}]
}  # fmt: skip
EVALUATION = {
    "resourceLogs": [{"scopeLogs": [{"logRecords": [{
        "timeUnixNano": "1700000002000000000", "traceId": TRACE, "spanId": SPAN, "eventName": "gen_ai.evaluation.result",
        "attributes": _attributes(
            gen_ai__evaluation__name="Relevance", gen_ai__evaluation__score__value=0.75,
            gen_ai__evaluation__score__label="relevant", gen_ai__evaluation__explanation="to the point",
        ),
    }]}]}]
}  # fmt: skip


@pytest.mark.parametrize("first", ["span", "evaluation"])
def test_an_evaluation_of_opentelemetry_is_feedback_on_its_generation(client: Client, first: str) -> None:
    sent = [("/v1/traces", SPANS), ("/v1/logs", EVALUATION)]
    for path, body in sent if first == "span" else reversed(sent):
        assert client.post(path, json=body).status_code == 200
    (found,) = client.get(f"/api/generations/{TRACE}-{SPAN}").json()["feedback"]
    assert (found["status"], found["generation_id"], found["span_id"]) == ("linked", f"{TRACE}-{SPAN}", SPAN)
    assert (found["kind"], found["name"], found["value"], found["label"], found["comment"]) == (
        "score", "Relevance", 0.75, "relevant", "to the point",
    )  # fmt: skip
    for path, body in sent:
        client.post(path, json=body)
    assert len(client.get("/api/feedback").json()["feedback"]) == 1
