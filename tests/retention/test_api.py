"""Retention over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from flightlog.api.app import create_app
from flightlog.retention.janitor import Janitor
from flightlog.services import Services
from flightlog.wiring import make_intake
from tests.retention.flight import Flight


@pytest.fixture
def flight(tmp_path: Path) -> Iterator[Flight]:
    made = Flight(tmp_path / "flight")
    yield made
    made.close()


@pytest.fixture
def client(flight: Flight) -> Iterator[TestClient]:
    keeper = flight.keeper
    services = Services(
        store=keeper.store,
        journal=keeper.journal,
        hub=keeper.hub,
        intake=make_intake(flight.folder, flight.settings),
        clock=flight.clock,
        retention=Janitor(flight.retention, seconds=3600, share_max=1.0, clock=flight.clock),
    )
    with TestClient(create_app(services), base_url="http://127.0.0.1:4747") as made:
        yield made


def ok(response: Any, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


def test_rules_plan_hold_run_and_receipts(flight: Flight, client: TestClient) -> None:
    flight.run("old")
    flight.run("claimed", actor="ann")
    flight.days(8)
    flight.seal()
    assert [rule["keep"] for rule in ok(client.get("/api/retention"))["rules"]] == ["for ever", "1 week"]
    assert ok(client.get("/api/retention/plan"))["events"] == 6
    given = {"actor": "ann", "query": "run:claimed", "reason": "claim 17"}
    held = ok(client.post("/api/retention/holds", json=given), 201)
    assert held["selection"] == {"actor": "ann", "query": "run:claimed"}
    assert [one["hold_id"] for one in ok(client.get("/api/retention/holds"))["holds"]] == [held["hold_id"]]
    done = ok(client.post("/api/retention/run"))
    assert (done["events"], len(done["receipts"])) == (3, 1)
    (receipt,) = ok(client.get("/api/retention/receipts?limit=5"))["receipts"]
    assert (receipt["id"], receipt["details"]["events"]) == (done["receipts"][0], 3)
    assert receipt["actor"] == "api:testclient"
    assert ok(client.get(f"/api/retention/receipts?beforeId={receipt['id']}"))["receipts"] == []
    ended = ok(client.post(f"/api/retention/holds/{held['hold_id']}/release", json={"reason": "settled"}))
    assert ended["release_reason"] == "settled"
    assert ok(client.get("/api/retention/holds"))["holds"] == []
    assert len(ok(client.get("/api/retention/holds?released=true"))["holds"]) == 1
    assert ok(client.post("/api/retention/run"))["events"] == 3
    assert {name for (name,) in flight.sql("SELECT operation FROM audits")} == {
        "retention.hold",
        "retention.release",
        "retention.remove",
    }


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/api/retention/holds", {"reason": "r"}, 40004),
        ("/api/retention/holds", {"run_id": "r", "reason": " "}, 40004),
        ("/api/retention/holds", {"run_id": "r"}, 40001),
        ("/api/retention/holds", {"query": "sideways:1", "reason": "r"}, 40014),
        ("/api/retention/holds/nobody/release", {"reason": "r"}, 40410),
    ],
)
def test_what_is_refused(client: TestClient, path: str, body: dict[str, str], code: int) -> None:
    answer = client.post(path, json=body)
    assert (answer.json()["code"], answer.status_code) == (code, code // 100)


def test_rules_that_cannot_be_read_are_a_problem_and_nothing_is_removed(flight: Flight, client: TestClient) -> None:
    (flight.folder / "retention.toml").write_text("[[rule]]\nkeep = 1")
    assert client.post("/api/retention/run").json()["code"] == 40018


def test_a_run_of_which_only_the_summary_is_left_is_still_shown(flight: Flight, client: TestClient) -> None:
    flight.run("old", notes=3)
    flight.days(8)
    flight.clean()
    assert ok(client.get("/api/runs/old"))["event_count"] == 5
    assert ok(client.get("/api/runs/old/events"))["events"] == []
    assert [run["run_id"] for run in ok(client.get("/api/runs"))["runs"]] == ["old"]
    for path in ("/runs/old", "/runs/old?view=reading", "/runs/old?view=events", "/", "/events", "/audit"):
        assert client.get(path, headers={"Accept": "text/html"}).status_code == 200, path
    for path in ("timeline", "report?format=md", "rollup"):
        assert client.get(f"/api/runs/old/{path}").status_code == 200, path
