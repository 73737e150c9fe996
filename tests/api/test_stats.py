"""Numbers over HTTP: the document, its limits, and what is refused."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from flightlog.services import Services
from tests.analytics.flown import flight
from tests.api.serving import START, Client, client_of, event, open_services
from tests.archive.reading import Archiving


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with open_services(tmp_path) as services:
        services.journal.append(flight(random.Random(7), 300))
        yield services


@pytest.fixture
def client(services: Services) -> Iterator[Client]:
    client = client_of(services)
    yield client
    client.app.state.stats.close()


def test_the_document_has_total_groups_others_and_buckets(client: Client) -> None:
    params = {"by": "model", "bucket": "day", "top": "2", "since": str(START), "until": str(START + 2 * 86_400 * 10**9)}
    found = client.get("/api/stats", params=params).json()
    assert (found["of"], found["by"], found["sort"], found["bucket"]) == ("models", "model", "calls", "day")
    assert found["times"] == ["2023-11-14T00:00:00.000000000Z", "2023-11-15T00:00:00.000000000Z",
                              "2023-11-16T00:00:00.000000000Z"]  # fmt: skip
    calls = [part["numbers"]["calls"] for part in (*found["groups"], found["others"])]
    assert sum(calls) == found["total"]["numbers"]["calls"] == sum(found["total"]["series"]["calls"])
    assert set(found["total"]["numbers"]["latency_ns"]) == {"count", "p50", "p90", "p95", "p99"}
    assert found["others"]["values"] == 3


def test_archived_events_are_counted_by_a_process_of_its_own(
    services: Services, client: Client, tmp_path: Path
) -> None:
    params = {"of": "tools", "by": "tool", "since": str(START), "measure": "calls,latency"}
    before = client.get("/api/stats", params=params).json()
    Archiving(services.store, tmp_path).archive(200)
    after = client.get("/api/stats", params=params).json()
    assert after.pop("files") > 0 == before.pop("files")
    assert {**after, "until": ""} == {**before, "until": ""}
    assert client.get("/api/stats", params=params).json()["total"] == before["total"]


@pytest.mark.parametrize("of", ["models", "tools", "events", "decisions", "runs", "feedback"])
def test_every_subject_is_counted_by_each_of_its_groups(of: str, client: Client, services: Services) -> None:
    services.journal.append([
        event(900, "capability_decision", name="fs.write", status="denied", payload={"capability": "fs.write"}),
        event(901, "feedback", payload={"target_id": "r1", "kind": "thumb", "value": "up", "name": "nice"}),
    ])  # fmt: skip
    refused = client.get("/api/stats", params={"of": of, "by": "nonsense"}).json()
    assert refused["code"] == 40004
    words = refused["detail"].split("one of ")[1].split(", not")[0].split(", ")
    for by in words:
        asked = {"of": of, "by": by, "since": str(START), "until": str(START + 10**15), "bucket": "day"}
        found = client.get("/api/stats", params=asked).json()
        first = found["sort"]
        assert found["total"]["numbers"][first] == sum(group["numbers"][first] for group in found["groups"]), by
        assert found["total"]["numbers"][first] > 0


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"of": "moons"}, "of is one of models"),
        ({"measure": "speed"}, "measure is one of calls"),
        ({"bucket": "year"}, "bucket is one of hour, day"),
        ({"bucket": "hour", "since": "9000h"}, "more than 1,000 hours"),
        ({"since": "1h", "until": "2h"}, "since is later than until"),
        ({"sort": "latency_ns"}, "sort is one of calls"),
        ({"q": '"refund"'}, "can't be filtered by 'text'"),
        ({"q": "thumb:down"}, "can't be filtered by 'thumb'"),
        ({"of": "tools", "q": "words"}, "can't be filtered by 'text'"),
    ],
)
def test_nonsense_is_refused_with_a_word_about_it(params: dict[str, str], word: str, client: Client) -> None:
    answer = client.get("/api/stats", params=params)
    assert answer.status_code == 400
    assert word in answer.json()["detail"]
    assert client.get("/api/stats", params={"top": "101"}).json()["code"] == 40005
    assert client.get("/api/stats", params={"tops": "1"}).json()["code"] == 40007
