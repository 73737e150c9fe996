"""The list of what no mapping understood, over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from flightlog.clock import format_ns
from tests.api.serving import client_of, open_services
from tests.ingest.otlp.requests import SECOND, START, TRACE, span, traces

PROTOBUF = {"content-type": "application/x-protobuf"}


def test_what_was_sent_and_not_understood_is_listed(tmp_path: Path) -> None:
    with open_services(tmp_path / "flight") as services:
        client = client_of(services)
        sent = traces(span(1, {"acme.mood": "good"}), span(2, {"acme.mood": "bad", "acme.depth": 3}))
        assert client.post("/v1/traces", content=sent.SerializeToString(), headers=PROTOBUF).status_code == 200
        found = client.get("/api/otlp/unmapped").json()
        assert (found["keys"], found["scopes"]) == (2, 1)
        assert found["attributes"][0] == {
            "scope": "tests@1.0",
            "key": "acme.mood",
            "count": 2,
            "first_at": format_ns(START + 2 * SECOND),
            "last_at": format_ns(START + 3 * SECOND),
            "event_id": f"{TRACE.hex()}-0000000000000002",
        }
        assert client.get(f"/api/events/{found['attributes'][0]['event_id']}").status_code == 200
        one = client.get("/api/otlp/unmapped?scope=tests@1.0&limit=1").json()
        assert ([each["key"] for each in one["attributes"]], one["keys"]) == (["acme.mood"], 2)
        assert client.get("/api/otlp/unmapped?scope=other").json() == {"attributes": [], "keys": 0, "scopes": 0}


@pytest.mark.parametrize("limit", ["0", "1001", "x"])
def test_limits_are_held(tmp_path: Path, limit: str) -> None:
    with open_services(tmp_path / "flight") as services:
        answer = client_of(services).get(f"/api/otlp/unmapped?limit={limit}")
        assert (answer.status_code, answer.json()["code"]) == (400, 40005)
