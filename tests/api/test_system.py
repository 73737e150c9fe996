"""Catalogue, health, and the OpenAPI document."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from flightlog.api.app import DrainHealth, Services, create_app
from flightlog.api.otlp import is_otlp
from flightlog.errors import StoreUnavailable
from flightlog.events.catalogue import CATALOGUE
from flightlog.version import __version__
from tests.api.serving import Client, Server, changed, client_of, fill

HTTP_PAGE = Path(__file__).parents[2] / "docs" / "reference" / "http.md"


# ── catalogue ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_catalogue_publishes_every_type_with_schema_and_example(client: Client) -> None:
    published = client.get("/api/catalogue").json()
    assert [entry["type"] for entry in published["types"]] == list(CATALOGUE)
    for entry in published["types"]:
        assert re.fullmatch(r"FR-EVT-\d{3}", entry["code"])
        jsonschema.Draft202012Validator.check_schema(entry["schema"])
    assert re.fullmatch(published["custom"], "acme.reindexed")


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_worked_example_of_every_type_can_be_appended(client: Client, name: str) -> None:
    entry = client.get(f"/api/catalogue/{name}").json()
    jsonschema.validate(entry["example"]["payload"], entry["schema"])
    answer = client.post("/api/events", json=entry["example"])
    assert answer.status_code == 200, answer.text
    assert client.get("/api/events").json()["events"][0]["payload"] == entry["example"]["payload"]


def test_a_type_that_is_not_built_in_is_not_found(client: Client) -> None:
    assert client.get("/api/catalogue/acme.x").json()["code"] == 40403


# ── health ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_health_of_a_server_that_is_well(client: Client, services: Services) -> None:
    fill(services, 3)
    health = client.get("/api/health").json()
    assert (health["status"], health["reasons"]) == ("ok", [])
    assert health["store"] == {
        "dialect": "sqlite",
        "writable": True,
        "revision": services.store.revision(),
        "last_event_id": 3,
    }
    assert health["drain"] is None
    assert health["streams"] == {"open": 0, "max": 256}
    assert health["versions"]["flightlog"] == __version__
    assert client.get("/healthz").text == "ok\n"


def test_a_drain_that_can_not_deliver_is_said_aloud(services: Services) -> None:
    def drain() -> DrainHealth:
        return DrainHealth(state="here", error="the disk is full", drained=5, backlog_bytes=123, backlog_segments=2)

    answer = client_of(changed(services, drain=drain)).get("/api/health")
    assert answer.status_code == 200
    health = answer.json()
    assert health["status"] == "degraded"
    assert "the disk is full" in health["reasons"][0]
    assert health["drain"] == {
        "state": "here", "error": "the disk is full", "drained": 5, "backlog_bytes": 123, "backlog_segments": 2,
    }  # fmt: skip


class Unreadable:
    """A store that can't be read."""

    dialect, writable = "sqlite", True

    @contextlib.contextmanager
    def read(self) -> Iterator[Any]:
        raise StoreUnavailable(reason="disk I/O error")
        yield


def test_a_store_that_can_not_be_read_is_503_and_the_server_still_lives(services: Services) -> None:
    client = client_of(changed(services, store=Unreadable()))
    answer = client.get("/api/health")
    assert answer.status_code == 503
    assert (answer.json()["status"], answer.json()["store"]["last_event_id"]) == ("degraded", None)
    assert "disk I/O error" in answer.json()["reasons"][0]
    assert client.get("/healthz").status_code == 200
    assert client.get("/api/runs").json()["code"] == 50302


# ── OpenAPI ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def document(services: Services) -> dict[str, Any]:
    return create_app(services).openapi()


def test_every_operation_is_described_and_so_is_every_parameter(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            place = f"{method} {path}"
            assert operation["summary"], place
            assert len(operation["description"]) > 20, place
            assert operation["tags"], place
            for parameter in operation.get("parameters", []):
                assert parameter["in"] == "path" or parameter.get("description"), (place, parameter["name"])


def test_every_reference_in_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    text = str(document)
    for name in set(re.findall(r"#/components/schemas/(\w+)", text)):
        assert name in document["components"]["schemas"]
    assert "HTTPValidationError" not in text


def test_every_operation_says_that_problems_are_problem_documents(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        # OpenTelemetry says what its errors look like: a google.rpc.Status in the encoding of the request.
        form = "application/x-protobuf" if is_otlp({"path": path}) else "application/problem+json"
        for operation in operations.values():
            assert form in operation["responses"]["default"]["content"], path


def test_limits_and_cursors_are_integers_in_the_document(document: dict[str, Any]) -> None:
    found = {p["name"]: p["schema"] for p in document["paths"]["/api/events"]["get"]["parameters"]}
    assert {"type": "integer", "minimum": 1} in found["limit"]["anyOf"]
    assert {"type": "integer", "minimum": 0} in found["afterId"]["anyOf"]


def test_answers_are_as_the_document_says(client: Client, services: Services) -> None:
    fill(services, 2)
    document = client.get("/openapi.json").json()
    checked = 0
    for path in (
        "/api/runs",
        "/api/events",
        "/api/health",
        "/api/runs/{run_id}",
        "/api/events/{event_id}",
        "/problems/{slug}",
    ):
        answer = client.get(path.format(run_id="r1", event_id="e000001", slug="internal")).json()
        schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(answer, {**schema, "components": document["components"]})
        checked += 1
    assert checked == 6


def test_the_page_on_http_speaks_of_every_path_and_every_parameter(document: dict[str, Any]) -> None:
    page = HTTP_PAGE.read_text("utf-8")
    for path, operations in document["paths"].items():
        assert f"`{path}`" in page or f" {path}`" in page, f"docs/reference/http.md says nothing of {path}"
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] != "path":
                    assert f"`{parameter['name']}`" in page, (
                        f"docs/reference/http.md says nothing of {parameter['name']}"
                    )


def test_a_page_of_events_comes_over_a_real_socket(server: Server, services: Services) -> None:
    import httpx

    fill(services, 3)
    answer = httpx.get(f"{server.url}/api/runs/r1/events")
    assert [found["id"] for found in answer.json()["events"]] == [1, 2, 3]
    assert answer.headers["content-type"] == "application/json"
