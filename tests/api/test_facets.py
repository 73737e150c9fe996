"""Runs in numbers and completion over HTTP; and what is told of a query that can't be read."""

from __future__ import annotations

import pytest

from flightlog.api.app import Services
from flightlog.config import Settings
from tests.api.serving import START, Client, changed, client_of, event

MINUTE = 60_000_000_000


@pytest.fixture
def filled(client: Client, services: Services) -> Client:
    events = []
    for number in range(6):
        run = {"run_id": f"r{number}", "created_at": START + number * MINUTE, "project": "shop"}
        started = event(number * 2 + 1, "run_started", name=f"run {number}", actor=f"agent {number % 2}", **run)
        status = "failed" if number == 3 else "succeeded"
        events += [started, event(number * 2 + 2, "run_finished", status=status, **run)]
    services.journal.append(events)
    return client


def test_facets_say_how_many_runs_have_which_value(filled: Client) -> None:
    found = filled.get("/api/runs/facets", params={"q": 'actor:"agent 1"', "project": "shop"}).json()
    assert (found["total"], found["counted"], found["complete"]) == (3, 3, True)
    assert found["facets"]["status"] == [{"value": "succeeded", "count": 2}, {"value": "failed", "count": 1}]
    assert {one["value"]: one["count"] for one in found["facets"]["actor"]} == {"agent 0": 3, "agent 1": 3}
    assert found["facets"]["project"] == [{"value": "shop", "count": 3}]


def test_the_histogram_covers_the_range_that_is_asked(filled: Client) -> None:
    whole = filled.get("/api/runs/facets").json()["histogram"]
    assert sum(bucket["succeeded"] for bucket in whole["buckets"]) == 5
    assert sum(bucket["failed"] for bucket in whole["buckets"]) == 1
    params = {"since": str(START), "until": str(START + 2 * MINUTE)}
    part = filled.get("/api/runs/facets", params=params).json()["histogram"]
    assert part["seconds"] == 5
    assert sum(bucket["succeeded"] for bucket in part["buckets"]) == 2


def test_beyond_the_limit_the_total_is_not_known(services: Services, filled: Client) -> None:
    bounded = client_of(changed(services, settings=Settings(facet_runs_max=4)))
    found = bounded.get("/api/runs/facets").json()
    assert (found["total"], found["counted"], found["complete"]) == (None, 4, False)


def test_a_query_is_completed_with_what_is_in_the_store(filled: Client) -> None:
    found = filled.get("/api/complete", params={"scope": "runs", "q": "login actor:a"}).json()
    assert (found["from"], found["to"]) == (12, 13)
    assert found["suggestions"] == [{"text": '"agent 0"', "detail": "3"}, {"text": '"agent 1"', "detail": "3"}]
    assert (
        filled.get("/api/complete", params={"scope": "events", "q": "lev"}).json()["suggestions"][0]["text"] == "level:"
    )
    middle = filled.get("/api/complete", params={"scope": "runs", "q": "status:fa login", "at": "9"}).json()
    assert middle == {"from": 7, "to": 9, "suggestions": [{"text": "failed", "detail": ""}]}


@pytest.mark.parametrize(
    "path", ["/api/runs", "/api/runs/facets", "/api/events", "/api/events/stream", "/api/runs/r1/events"]
)
def test_a_query_that_can_not_be_read_is_pointed_at(filled: Client, path: str) -> None:
    answer = filled.get(path, params={"q": "actor:bob stauts:failed"})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (400, 40014)
    assert (problem["at"], problem["length"]) == (10, 6)
    assert "did you mean 'status'" in problem["detail"]


def test_a_query_and_single_parameters_must_both_hold(filled: Client) -> None:
    def runs(**params: str) -> list[str]:
        return [run["run_id"] for run in filled.get("/api/runs", params=params).json()["runs"]]

    assert runs(q="status:succeeded,failed", status="failed") == ["r3"]
    assert runs(q='actor:"agent 0"', actor="agent 1") == []
    assert runs(q="run -name:*5", sort="started") == ["r0", "r1", "r2", "r3", "r4"]
    types = filled.get("/api/events", params={"q": "type:run_*", "level": "info", "run": "r2"}).json()["events"]
    assert [one["type"] for one in types] == ["run_started", "run_finished"]


def test_a_cursor_belongs_to_its_sort(filled: Client) -> None:
    cursor = filled.get("/api/runs", params={"sort": "-events", "limit": "2"}).json()["nextCursor"]
    assert filled.get("/api/runs", params={"sort": "-events", "cursor": cursor}).status_code == 200
    assert filled.get("/api/runs", params={"sort": "-cost", "cursor": cursor}).json()["code"] == 40006
