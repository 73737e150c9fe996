"""Loopback only, by its own name, not for pages of other sites; and the headers that every answer has."""

from __future__ import annotations

import re

import pytest

from flightlog.api.app import Services, create_app
from flightlog.api.security import CONTENT_POLICY, check_bind
from flightlog.errors import BindRefused
from tests.api.serving import BASE_URL, Client, Server, Stream, client_of

NOTE = {"type": "note", "payload": {"text": "hi"}}


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.9.10", "::1", "[::1]", "localhost", "LOCALHOST", "::ffff:127.0.0.1"]
)
def test_loopback_may_be_bound(host: str) -> None:
    check_bind(host)


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "::",
        "",
        "192.168.1.4",
        "10.0.0.1",
        "example.com",
        "localhost.example.com",
        "::ffff:10.0.0.1",
        "127.1",
    ],
)
def test_anything_else_is_refused_with_the_way_out(host: str) -> None:
    with pytest.raises(BindRefused) as caught:
        check_bind(host)
    assert "no authentication yet" in str(caught.value)


def test_the_server_answers_to_its_own_names(client: Client) -> None:
    for host in ("127.0.0.1:4747", "localhost:4747", "LocalHost:4747", "[::1]:4747"):
        assert client.get("/healthz", headers={"Host": host}).status_code == 200


OTHER_NAMES = [
    "evil.example:4747", "127.0.0.1", "localhost", "127.0.0.1:80", "127.0.0.1:47470", "localhost.:4747",
    "localhost:4747.evil.example",
    "a@localhost:4747", "localhost:4747/", "", "[::1", "127.0.0.1:4747:4747", "xn--lcalhost-p4a:4747",
]  # fmt: skip


@pytest.mark.parametrize("path", ["/", "/api/runs", "/api/events/stream", "/static/page.js", "/healthz"])
def test_a_request_by_another_name_is_refused_everywhere(client: Client, path: str) -> None:
    for host in OTHER_NAMES:
        answer = client.get(path, headers={"Host": host})
        assert (host, answer.status_code, answer.json()["code"]) == (host, 403, 40304)


def test_the_default_port_may_be_left_out_where_it_is_the_port(services: Services) -> None:
    assert client_of(services, "http://localhost").get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8080"},
        {"Origin": "http://127.0.0.1:4747.evil.example"},
        {"Origin": "http://localhost:4747"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_pages_of_other_sites_can_neither_append_nor_open_a_stream(
    client: Client, services: Services, headers: dict[str, str]
) -> None:
    for answer in (
        client.post("/api/events", json=NOTE, headers=headers),
        client.get("/api/events/stream", headers=headers),
        client.get("/api/runs/r1/stream", headers=headers),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, 40305)
    assert client.get("/api/events").json()["events"] == []


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": BASE_URL}, {"Origin": BASE_URL, "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}],
)
def test_programs_and_our_own_pages_can_append(client: Client, headers: dict[str, str]) -> None:
    assert client.post("/api/events", json=NOTE, headers=headers).status_code == 200


def test_our_own_pages_can_open_a_stream(server: Server) -> None:
    with Stream(server.url + "/api/events/stream", {"Sec-Fetch-Site": "same-origin"}) as stream:
        assert stream.response.status_code == 200
        assert stream.response.headers["content-security-policy"] == CONTENT_POLICY


PATHS = [
    "/",
    "/api/runs",
    "/api/nothing",
    "/nothing",
    "/static/page.js",
    "/static/nothing.js",
    "/healthz",
    "/openapi.json",
    "/docs",
]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_carries_the_headers(client: Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"] == CONTENT_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] in ("no-store", "no-cache")
    assert "set-cookie" not in headers
    assert "access-control-allow-origin" not in headers


def test_the_policy_allows_no_inline_script_no_eval_and_no_frame() -> None:
    assert "default-src 'none'" in CONTENT_POLICY
    assert "frame-ancestors 'none'" in CONTENT_POLICY
    assert "unsafe" not in CONTENT_POLICY
    assert "http" not in CONTENT_POLICY


def test_a_request_id_comes_back(client: Client) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": "abc-123:4/5"}).headers["x-request-id"] == "abc-123:4/5"


@pytest.mark.parametrize("given", ["", "a b", "ü", "x" * 129, "<script>", 'a"b'])
def test_a_request_id_that_is_missing_or_odd_is_made_anew(client: Client, given: str) -> None:
    made = client.get("/healthz", headers={"X-Request-Id": given.encode()}).headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f-]{36}", made)


def test_there_are_no_pages_that_load_scripts_from_elsewhere(services: Services) -> None:
    app = create_app(services)
    assert (app.docs_url, app.redoc_url) == (None, None)
