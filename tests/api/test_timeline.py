"""The timeline: every envelope of a run by column, in chunks, packed, and not sent twice."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from flightlog.api.app import Services
from flightlog.clock import format_ns
from flightlog.events.envelope import LEVELS
from flightlog.runs import timeline as made
from tests.api.serving import SECOND, START, Client, event, fill


def lines(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def rows(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events as a client puts them together."""
    strings: list[str | None] = [None]
    events = []
    for chunk in found[1:-1]:
        strings += chunk["strings"]
        position = 0
        for place in range(chunk["n"]):
            position += chunk["id"][place]
            row = {name: chunk[name][place] for name in ("at", "took", "flags", "bytes")}
            texts = ("type", "name", "status", "source", "actor", "span", "parent", "correlation")
            row |= {name: strings[chunk[name][place]] for name in texts}
            events.append({"id": position, "level": LEVELS[chunk["level"][place]], **row})
    return events


def test_a_client_can_put_every_envelope_together_again(client: Client, services: Services) -> None:
    services.journal.append(
        [
            event(1, "run_started", name="fix", actor="a"),
            event(2, "llm_request", name="gpt", span_id="s1", parent_span_id="s0", correlation_id="c1", level="debug"),
            event(3, "llm_response", name="gpt", correlation_id="c1", status="ok", duration_ns=1_500_999, source="é"),
            event(4, "note", created_at=START - SECOND, level="error", flags=3),
        ]
    )
    found = lines(client.get("/api/runs/r1/timeline"))
    stored = client.get("/api/runs/r1/events").json()["events"]
    assert found[0]["run_id"] == "r1"
    assert found[0]["events"] == 4
    assert found[0]["last_event_id"] == 4
    assert found[-1] == {"end": True, "last_event_id": 4}
    for row, kept in zip(rows(found), stored, strict=True):
        for mine, theirs in {"id": "id", "type": "type", "name": "name", "level": "level", "span": "span_id"}.items():
            assert row[mine] == kept[theirs]
        assert (row["parent"], row["correlation"]) == (kept["parent_span_id"], kept["correlation_id"])
        assert (row["status"], row["source"], row["actor"]) == (kept["status"], kept["source"], kept["actor"])
        assert row["bytes"] == kept["payload_bytes"]
    assert [row["took"] for row in rows(found)] == [-1, -1, 1500, -1]
    assert rows(found)[3]["at"] < 0
    assert rows(found)[3]["flags"] == 3


def test_chunks_go_on_where_the_last_one_stopped(
    client: Client, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made, "FIRST_EVENTS", 3)
    monkeypatch.setattr(made, "CHUNK_EVENTS", 4)
    fill(services, 15)
    found = lines(client.get("/api/runs/r1/timeline"))
    assert [chunk["n"] for chunk in found[1:-1]] == [3, 4, 4, 4]
    assert [row["id"] for row in rows(found)] == list(range(1, 16))
    assert sum(len(chunk["strings"]) for chunk in found[1:-1]) == len({s for c in found[1:-1] for s in c["strings"]})


def test_what_comes_later_is_asked_for_by_the_last_id(client: Client, services: Services) -> None:
    fill(services, 5)
    found = lines(client.get("/api/runs/r1/timeline", params={"afterId": 3}))
    assert [row["id"] for row in rows(found)] == [4, 5]
    assert [row["id"] for row in rows(lines(client.get("/api/runs/r1/timeline", params={"afterId": 5})))] == []


def test_a_query_leaves_out_what_does_not_match(client: Client, services: Services) -> None:
    services.journal.append(
        [event(n, "error" if n % 3 == 0 else "note", level="error" if n % 2 else "info") for n in range(1, 13)]
    )
    found = lines(client.get("/api/runs/r1/timeline", params={"q": "type:err* level:error"}))
    assert [row["id"] for row in rows(found)] == [3, 9]
    refused = client.get("/api/runs/r1/timeline", params={"q": "level:loud"})
    assert refused.status_code == 400
    assert refused.json()["facts"]["at"] == 6


def test_it_is_packed_for_who_can_unpack_it_and_not_sent_twice(client: Client, services: Services) -> None:
    fill(services, 5)
    plain = client.get("/api/runs/r1/timeline", headers={"accept-encoding": "identity"})
    packed = client.get("/api/runs/r1/timeline", headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.headers["etag"] != plain.headers["etag"]
    assert packed.text == plain.text  # the client of these tests unpacks it
    again = client.get(
        "/api/runs/r1/timeline",
        headers={"if-none-match": f'"other", {plain.headers["etag"]}', "accept-encoding": "identity"},
    )
    assert (again.status_code, again.content) == (304, b"")
    fill(services, 1, first=6)
    changed = client.get(
        "/api/runs/r1/timeline", headers={"if-none-match": plain.headers["etag"], "accept-encoding": "identity"}
    )
    assert changed.status_code == 200


def test_losses_are_told_as_stretches_of_the_run(client: Client, services: Services) -> None:
    lost = {
        "reason": "disk_full",
        "count": 14,
        "since": format_ns(START + 2 * SECOND),
        "until": format_ns(START + 5 * SECOND),
    }
    services.journal.append(
        [event(1), event(6, "degraded", payload=lost), event(7, "degraded", payload={"count": "many", "since": 3})]
    )
    head = lines(client.get("/api/runs/r1/timeline"))[0]
    started = START + SECOND
    assert head["degraded"] == [
        {
            "id": 2,
            "from_us": (2 * SECOND + START - started) // 1000,
            "to_us": 4_000_000,
            "count": 14,
            "reason": "disk_full",
        },
        {"id": 3, "from_us": 6_000_000, "to_us": 6_000_000, "count": 0, "reason": "unknown"},
    ]


def test_a_run_that_is_not_there_is_a_problem(client: Client) -> None:
    assert client.get("/api/runs/nobody/timeline").json()["code"] == 40401


def test_the_packed_bytes_are_one_gzip_file(services: Services) -> None:
    from flightlog.api.routes.timeline import _gzip

    assert gzip.decompress(b"".join(_gzip(iter([b"one\n", b"two\n"])))) == b"one\ntwo\n"
