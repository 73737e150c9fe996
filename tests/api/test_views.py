"""Saved views over HTTP, and answers that are packed on their way."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from flightlog.api.app import PACKED_BYTES_MIN, Services
from flightlog.store.engine import open_store
from tests.api.serving import Client, Server, Stream, changed, client_of, fill

VIEW = {"name": "Failed today", "page": "runs", "query": "q=status%3Afailed&since=24h"}


def saved(client: Client, **parts: Any) -> dict[str, Any]:
    answer = client.post("/api/views", json={**VIEW, **parts})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def views(client: Client) -> list[dict[str, Any]]:
    return list(client.get("/api/views").json()["views"])


def test_a_view_is_saved_listed_changed_and_deleted(client: Client) -> None:
    first = saved(client)
    assert {name: first[name] for name in VIEW} == VIEW
    assert first["created_at"].endswith("Z")
    assert saved(client, query="q=other")["view_id"] == first["view_id"]
    assert [view["query"] for view in views(client)] == ["q=other"]
    assert client.delete(f"/api/views/{first['view_id']}").json() == {"views": []}
    again = client.delete(f"/api/views/{first['view_id']}")
    assert (again.status_code, again.json()["code"]) == (404, 40405)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"no json", 40001),
        (b"[1]", 40001),
        (b'{"name": "x", "page": "runs"}', 40001),
        (b'{"name": "x", "page": "runs", "query": "", "extra": 1}', 40001),
        (b'{"name": "\\ud800", "page": "runs", "query": ""}', None),
        (b'{"name": " ", "page": "runs", "query": ""}', 42206),
        (b'{"name": "x", "page": "settings", "query": ""}', 42206),
        (b"x" * 70_000, 41301),
    ],
)
def test_what_makes_no_view_is_a_problem_and_nothing_is_kept(client: Client, body: bytes, code: int | None) -> None:
    answer = client.post("/api/views", content=body, headers={"Content-Type": "application/json"})
    assert answer.json()["code"] in ((40001, 42206) if code is None else (code,))
    assert views(client) == []


@pytest.mark.parametrize("part", ["name", "query"])
def test_a_secret_is_not_kept_in_a_view(client: Client, part: str) -> None:
    secret = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
    value = secret if part == "name" else f"q=%22{secret}%22&since=24h"
    answer = client.post("/api/views", json={**VIEW, part: value})
    assert answer.json()["code"] == 42206
    assert secret not in answer.text
    assert views(client) == []


def test_a_form_of_another_site_can_not_save_a_view(client: Client) -> None:
    as_form = client.post("/api/views", content=json.dumps(VIEW), headers={"Content-Type": "text/plain"})
    assert as_form.json()["code"] == 41501
    foreign = {"Origin": "http://evil.example"}
    assert client.post("/api/views", json=VIEW, headers=foreign).json()["code"] == 40305
    kept = saved(client)
    assert client.delete(f"/api/views/{kept['view_id']}", headers=foreign).json()["code"] == 40305
    assert len(views(client)) == 1


def test_a_server_that_only_reads_says_so(services: Services, tmp_path: Path) -> None:
    kept = saved(client_of(services))
    store = open_store(tmp_path / "flight", writable=False)
    try:
        client = client_of(changed(services, store=store))
        assert views(client) == [kept]
        answer = client.post("/api/views", json=VIEW)
        assert (answer.status_code, answer.json()["code"]) == (503, 50302)
        assert "for reading only" in answer.json()["detail"]
    finally:
        store.close()


# ── packing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

PACKED = {"Accept-Encoding": "gzip"}
PLAIN = {"Accept-Encoding": "identity"}


@pytest.mark.parametrize(
    "path", ["/api/events", "/", "/events", "/static/base.css", "/static/page.js", "/openapi.json"]
)
def test_answers_are_packed_for_whoever_accepts_it(client: Client, services: Services, path: str) -> None:
    fill(services, 30)
    html = {"Accept": "text/html"}
    packed, plain = client.get(path, headers={**PACKED, **html}), client.get(path, headers={**PLAIN, **html})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    for answer in (packed, plain):
        assert "Accept-Encoding" in answer.headers["vary"]
    assert packed.text == plain.text


def test_a_small_answer_is_left_as_it_is(client: Client) -> None:
    answer = client.get("/healthz", headers=PACKED)
    assert len(answer.content) < PACKED_BYTES_MIN
    assert "content-encoding" not in answer.headers


def test_a_stream_is_never_packed_and_comes_event_by_event(server: Server, services: Services) -> None:
    fill(services, 2)
    with Stream(f"{server.url}/api/events/stream", headers=PACKED, afterId=0) as stream:
        assert "content-encoding" not in stream.response.headers
        assert stream.take(2) == [1, 2]
        fill(services, 1, first=3)
        assert stream.take(1) == [3]


def test_the_timeline_is_packed_once(server: Server, services: Services) -> None:
    fill(services, 200)
    with httpx.Client() as client, client.stream("GET", f"{server.url}/api/runs/r1/timeline", headers=PACKED) as answer:
        assert answer.headers.get_list("content-encoding") == ["gzip"]
        text = gzip.decompress(b"".join(answer.iter_raw())).decode()
    assert json.loads(text.splitlines()[0])["run_id"] == "r1"


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_a_file_that_the_browser_has_is_not_sent_again(client: Client, coding: str) -> None:
    accept = {"Accept-Encoding": coding}
    first = client.get("/static/base.css", headers=accept)
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/static/base.css", headers={**accept, "If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "content-encoding" not in again.headers
