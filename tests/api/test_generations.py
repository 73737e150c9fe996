"""Generations and prices over HTTP: pages, one with what was said, completion, costs worked out again."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from flightlog.api.app import Services
from tests.api.serving import START, Client
from tests.contract.test_generations import answer, request, span


@pytest.fixture
def calls(services: Services) -> Services:
    services.journal.append(
        [request(1), answer(2), *(span(n) for n in range(3, 12)), request(20, correlation_id="open")]
    )
    return services


def ids(client: Client, **params: Any) -> list[str]:
    found = client.get("/api/generations", params=params)
    assert found.status_code == 200, found.text
    return [one["generation_id"] for one in found.json()["generations"]]


def test_pages_follow_the_cursor_and_are_counted_where_asked(client: Client, calls: Services) -> None:
    first = client.get("/api/generations", params={"limit": 7, "count": "true"}).json()
    assert (first["total"], len(first["generations"])) == (11, 7)
    rest = client.get("/api/generations", params={"limit": 7, "cursor": first["nextCursor"]}).json()
    assert rest["nextCursor"] is None
    assert "total" not in rest
    found = [one["generation_id"] for one in first["generations"] + rest["generations"]]
    assert (found[0], len(set(found))) == ("r1-open", 11)


def test_filters_and_orders_combine(client: Client, calls: Services) -> None:
    assert ids(client, q="status:running") == ["r1-open"]
    assert ids(client, run="r1", q="model:gpt*", sort="started") == ["r1-c1", "r1-open"]
    assert ids(client, trace="t1", sort="-tokens", limit=1) == ["t1-s011"]
    assert ids(client, since=str(START + 10 * 10**9), until=str(START + 11 * 10**9), q="-status:running") == ["t1-s011"]
    assert ids(client, project="nobody") == []


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"q": "beauty:high"}, 40014),
        ({"q": "status:done"}, 40014),
        ({"sort": "beauty"}, 40004),
        ({"limit": "0"}, 40005),
        ({"cursor": "x"}, 40006),
        ({"modle": "x"}, 40007),
        ({"count": "yes"}, 40004),
    ],
)
def test_what_can_not_be_asked_is_a_problem(client: Client, calls: Services, params: Any, code: int) -> None:
    said = client.get("/api/generations", params=params)
    assert (said.status_code, said.json()["code"]) == (400, code)


def test_one_has_what_was_said_and_what_people_think_of_it(client: Client, calls: Services) -> None:
    given = client.post("/api/feedback", json={"target_id": "r1-c1", "value": 0.9, "kind": "score"})
    assert given.status_code in (201, 202), given.text
    found = client.get("/api/generations/r1-c1").json()
    assert found["request"]["messages"] == [{"role": "user", "content": "Mend the login"}]
    assert found["message"]["content"] == "Done"
    assert (found["cost_usd"], found["cost_source"], found["price_id"]) == (0.00015, "priced", "openai/gpt-4o-mini")
    assert [one["value"] for one in found["feedback"]] == [0.9]
    assert (found["event"]["event_id"], found["request_event_id"]) == ("e000002", "e000001")
    assert client.get("/api/generations/nobody").json()["code"] == 40406


def test_answers_are_as_the_document_says(client: Client, calls: Services) -> None:
    document = client.get("/openapi.json").json()
    for path in ("/api/generations", "/api/generations/{generation_id}", "/api/prices"):
        found = client.get(path.format(generation_id="r1-c1"), params={}).json()
        schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(found, {**schema, "components": document["components"]})


def test_queries_over_generations_are_completed_with_what_is_there(client: Client, calls: Services) -> None:
    def texts(query: str) -> list[str]:
        found = client.get("/api/complete", params={"scope": "generations", "q": query}).json()
        return [one["text"] for one in found["suggestions"]]

    assert "model:" in texts("mo")
    assert texts("model:claude") == ["claude-sonnet-5"]
    assert texts("status:") == ["running", "ok", "error"]
    assert texts("price:open") == ["openai/gpt-4o-mini"]


def test_prices_are_listed_and_found_by_a_models_name(client: Client) -> None:
    assert len(client.get("/api/prices").json()["prices"]) >= 60
    (found,) = client.get("/api/prices", params={"model": "gpt-4o-mini-2024-07-18", "provider": "openai"}).json()[
        "prices"
    ]
    assert (found["price_id"], found["input"], found["own"]) == ("openai/gpt-4o-mini", 0.15, False)
    assert client.get("/api/prices", params={"model": "nobody"}).json() == {"prices": []}


def test_costs_are_worked_out_again_when_asked(client: Client, calls: Services) -> None:
    calls.store.write(
        lambda tx: tx.driver.execute("UPDATE generations SET cost_nano_usd = 1 WHERE run_id = 'r1'").rowcount
    )
    for dry_run, cost in ((True, 1e-9), (False, 0.00015)):
        made = client.post("/api/prices/recompute", json={"q": "run:r1", "dry_run": dry_run})
        assert made.status_code == 200, made.text
        assert (made.json()["looked_at"], made.json()["changed"]) == (1, 1)
        assert client.get("/api/generations/r1-c1").json()["cost_usd"] == cost
        assert len(made.json()["event_ids"]) == (0 if dry_run else 1)
    audit = client.get(f"/api/events/{made.json()['event_ids'][0]}").json()
    assert (audit["type"], audit["payload"]["operation"]) == ("audit", "prices.recompute")
    again = client.post("/api/prices/recompute", json={}).json()
    assert (again["looked_at"], again["changed"]) == (10, 0)


@pytest.mark.parametrize(("body", "status"), [({"modle": "x"}, 400), ({"since": "soon"}, 400), ({"q": "x:y"}, 400)])
def test_what_can_not_be_recomputed_is_a_problem(client: Client, body: Any, status: int) -> None:
    assert client.post("/api/prices/recompute", json=body).status_code == status
