"""Facets, completion and comparison over HTTP."""

from __future__ import annotations

from flightlog.api.app import Services
from tests.api.serving import Client, event, fill


def test_two_runs_are_compared(client: Client, services: Services) -> None:
    services.journal.append(
        [event(1, run_id="a"), event(2, run_id="b"), event(3, run_id="b", payload={"text": "more"})]
    )
    found = client.get("/api/runs/compare", params={"left": "a", "right": "b"}).json()
    assert [row["relation"] for row in found["rows"]] == ["changed", "right"]
    assert found["rows"][0]["differs"] == ["request"]
    assert {"name": "events", "left": 1, "right": 2, "difference": 1} in found["totals"]
    missing = client.get("/api/runs/compare", params={"left": "a", "right": "nobody"})
    assert missing.json()["code"] == 40401
    assert "nobody" in missing.json()["detail"]


def test_runs_in_numbers(client: Client, services: Services) -> None:
    fill(services, 3, actor="bob")
    found = client.get("/api/runs/facets", params={"q": "actor:bob"}).json()
    assert found["counted"] == 1
    assert found["facets"]["actor"] == [{"value": "bob", "count": 1}]
    assert found["histogram"]["buckets"][0]["running"] == 1
    assert client.get("/api/runs/facets", params={"q": "actr:bob"}).json()["code"] == 40014


def test_a_query_is_completed_with_what_is_in_the_store(client: Client, services: Services) -> None:
    fill(services, 3, actor="big bob")
    found = client.get("/api/complete", params={"scope": "runs", "q": "login actor:b"}).json()
    assert found == {"from": 12, "to": 13, "suggestions": [{"text": '"big bob"', "detail": "1"}]}
    assert client.get("/api/complete", params={"scope": "nothing"}).json()["code"] == 40004
