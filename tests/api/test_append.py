"""POST /api/events: valid neighbours are stored, nothing rejected is half-stored, nothing too large is ever held."""

from __future__ import annotations

import gzip
import http.client
import json
import resource
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flightlog.api.app import APPENDERS, Services
from flightlog.api.body import unpack
from flightlog.config import MIB, Settings
from flightlog.errors import BodyInvalid, BodyTooLarge, FlightlogError, StoreBusy
from flightlog.events import wire
from flightlog.events.envelope import FLAG_INVALID, FLAG_TRUNCATED, Event
from flightlog.recorder.http_sink import HttpSink
from tests.api.serving import START, Client, FakeJournal, Server, changed, client_of, event, fill, open_services

NOTE = {"type": "note", "run_id": "r1", "payload": {"text": "hi"}}
LINES = {"Content-Type": wire.MEDIA_TYPE}
JSON = {"Content-Type": "application/json"}


def stored(client: Client) -> list[dict[str, Any]]:
    return list(client.get("/api/events?limit=1000").json()["events"])


def code(answer: Any) -> int:
    return int(answer.json()["code"])


# ── the people's way ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_type_is_all_that_an_event_needs(client: Client) -> None:
    answer = client.post("/api/events", json={"type": "acme.reindexed"})
    assert answer.status_code == 200
    receipt = answer.json()
    assert (receipt["accepted"], receipt["duplicates"], receipt["rejected"], receipt["ids"]) == (1, 0, [], [1])
    found = stored(client)[0]
    assert receipt["event_ids"] == [found["event_id"]]
    assert (found["payload"], found["level"], found["project"]) == ({}, "info", "default")
    assert found["created_at"] > "2024"


def test_every_field_that_is_given_is_kept(client: Client) -> None:
    full = {
        "type": "tool_call", "event_id": "mine", "created_at": "2024-05-06T07:08:09.123456789Z", "run_id": "r", "project": "p",
        "name": "n", "level": "warn", "source": "ui", "actor": "a", "trace_id": "t", "span_id": "s", "parent_span_id": "ps",
        "task_id": "k", "correlation_id": "c", "status": "ok", "duration_ns": 5, "producer_id": "pr", "seq": 7,
        "payload": {"tool": "x", "extra": [1, 2.5, None, {"ü": "\u0000"}]},
    }  # fmt: skip
    assert client.post("/api/events", json=full).status_code == 200
    found = stored(client)[0]
    assert {name: found[name] for name in full} == full


def test_time_may_be_nanoseconds(client: Client) -> None:
    client.post("/api/events", json={**NOTE, "created_at": START + 1})
    assert stored(client)[0]["created_at"] == "2023-11-14T22:13:20.000000001Z"


def test_the_answer_comes_after_the_commit(client: Client, services: Services, tmp_path: Path) -> None:
    import sqlite3

    client.post("/api/events", json=NOTE)
    with sqlite3.connect(f"file:{tmp_path}/flight/flightlog.db?mode=ro", uri=True) as beside:
        assert beside.execute("SELECT count(*) FROM run_events").fetchone() == (1,)


def test_valid_neighbours_of_a_bad_event_are_stored_and_nothing_of_the_bad_one(client: Client) -> None:
    bad = [
        {"type": "nonsense", "run_id": "r1", "event_id": "b0"},
        {"type": "llm_request", "payload": {"model": "m"}, "event_id": "b1"},
        {**NOTE, "name": "x" * 513, "event_id": "b2"},
        {**NOTE, "level": "loud", "event_id": "b3"},
        {**NOTE, "payload": [1], "event_id": "b4"},
        {**NOTE, "payload": {}, "event_id": "b5"},
        {**NOTE, "created_at": "yesterday", "event_id": "b6"},
        {**NOTE, "created_at": -5, "event_id": "b7"},
        {**NOTE, "typo": 1, "event_id": "b8"},
        {"run_id": "r1", "event_id": "b9"},
        {**NOTE, "run_id": 5, "event_id": "b10"},
        {**NOTE, "event_id": "x" * 65},
        {**NOTE, "event_id": ""},
        {**NOTE, "seq": 2**70, "event_id": "b13"},
        {**NOTE, "event_id": 5},
    ]
    batch = [event for one in bad for event in (NOTE, one)] + [NOTE]
    answer = client.post("/api/events", json={"events": batch})
    assert answer.status_code == 200
    receipt = answer.json()
    assert receipt["accepted"] == len(bad) + 1
    assert [one["index"] for one in receipt["rejected"]] == list(range(1, 2 * len(bad), 2))
    assert [one["code"] for one in receipt["rejected"]] == [
        42203, 42204, 42205, *[42202] * 8, 42205, 42202, 42202, 42202,
    ]  # fmt: skip
    assert [one["event_id"] for one in receipt["rejected"]][:3] == ["b0", "b1", "b2"]
    assert all(one["title"] and one["detail"] for one in receipt["rejected"])
    assert [id_ is None for id_ in receipt["ids"]] == [at % 2 == 1 for at in range(len(batch))]
    assert [found["type"] for found in stored(client)] == ["note"] * (len(bad) + 1)


def test_the_words_help(client: Client) -> None:
    def detail(one: dict[str, Any]) -> str:
        return str(client.post("/api/events", json=one).json()["detail"])

    assert "'acme.nonsense'" in detail({"type": "nonsense", "run_id": "r1"})
    assert "give its run_id" in detail({"type": "llm_request", "payload": {"model": "m"}})
    assert "at most 128" in detail({**NOTE, "run_id": "x" * 129})
    assert "unknown field `runid`" in detail({**NOTE, "runid": "r"})
    assert "`$.name`" in detail({**NOTE, "name": 5})


def test_a_bare_event_has_its_own_problem_and_a_batch_one_with_a_list(client: Client) -> None:
    bad = {"type": "nonsense", "run_id": "r1"}
    answer = client.post("/api/events", json=bad)
    assert (answer.status_code, code(answer)) == (422, 42203)
    answer = client.post("/api/events", json={"events": [bad, bad]})
    assert (answer.status_code, code(answer)) == (422, 42202)
    assert [one["code"] for one in answer.json()["rejected"]] == [42203, 42203]
    assert (answer.json()["accepted"], stored(client)) == (0, [])


def test_nothing_to_do_is_done(client: Client) -> None:
    assert client.post("/api/events", json={"events": []}).json()["accepted"] == 0
    assert client.post("/api/events", content=b"\n \n", headers=LINES).json()["accepted"] == 0


# ── sent again ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_sent_again_is_a_duplicate_and_other_content_a_conflict(client: Client) -> None:
    mine = {**NOTE, "event_id": "mine", "created_at": START}
    first = client.post("/api/events", json=mine).json()
    again = client.post("/api/events", json={"events": [mine, mine]}).json()
    assert (again["accepted"], again["duplicates"], again["ids"]) == (0, 2, first["ids"] * 2)
    answer = client.post("/api/events", json={**mine, "payload": {"text": "other"}})
    assert (answer.status_code, code(answer)) == (409, 40902)
    both = client.post("/api/events", json={"events": [{**mine, "name": "other"}, NOTE]}).json()
    assert ([one["code"] for one in both["rejected"]], both["accepted"]) == ([40902], 1)
    assert [found["payload"] for found in stored(client)] == [{"text": "hi"}] * 2


def test_a_secret_that_is_sent_again_is_the_same_event(client: Client) -> None:
    secret = {**NOTE, "event_id": "s", "created_at": START, "payload": {"text": "ghp_" + "a" * 36}}
    assert client.post("/api/events", json=secret).json()["accepted"] == 1
    assert client.post("/api/events", json=secret).json()["duplicates"] == 1


# ── care before the store ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_secret_is_gone_before_it_reaches_a_disk(client: Client, tmp_path: Path) -> None:
    token = "ghp_" + "Zk9" * 12
    escaped = "\\u0067hp_" + "Zk9" * 12
    body = b'{"events":[' + json.dumps({**NOTE, "payload": {"text": token}, "name": token}).encode()
    body += b',{"type":"note","payload":{"text":"' + escaped.encode() + b'"}}]}'
    assert client.post("/api/events", content=body, headers=JSON).json()["accepted"] == 2
    line = wire.encode(event(1, payload={"text": token}))
    assert client.post("/api/events", content=line, headers=LINES).json()["accepted"] == 1
    assert all("redacted" in found["flags"] for found in stored(client))
    written = b"".join(path.read_bytes() for path in (tmp_path / "flight").rglob("*") if path.is_file())
    assert token.encode() not in written
    assert escaped.encode() not in written


def test_a_payload_over_the_limit_is_a_preview(client: Client) -> None:
    client.post("/api/events", json={**NOTE, "payload": {"text": "x" * 200_000}})
    found = stored(client)[0]
    assert "truncated" in found["flags"]
    assert found["payload_bytes"] <= Settings().payload_bytes_max


def test_nesting_beyond_the_limit_is_cut_not_refused(client: Client) -> None:
    deep: Any = "bottom"
    for _ in range(200):
        deep = [deep]
    client.post("/api/events", json={**NOTE, "payload": {"text": "t", "deep": deep}})
    found = stored(client)[0]
    assert "truncated" in found["flags"]
    assert "bottom" not in json.dumps(found)


# ── the recorder's way ───────────────────────────────────────────────────────────────────────────────────────────────


def test_lines_are_kept_with_their_producer_and_flags(client: Client) -> None:
    lines = [event(1, producer_id="p", seq=1), event(2, producer_id="p", seq=2, flags=FLAG_TRUNCATED)]
    body = wire.encode_lines(wire.encode(one) for one in lines)
    receipt = client.post("/api/events", content=body, headers=LINES).json()
    assert (receipt["accepted"], receipt["ids"]) == (2, [1, 2])
    assert "event_ids" not in receipt
    assert [(found["producer_id"], found["seq"], found["flags"]) for found in stored(client)] == [
        ("p", 1, []), ("p", 2, ["truncated"]),
    ]  # fmt: skip


def test_what_the_recorder_flagged_is_taken_as_it_is(client: Client) -> None:
    odd = event(1, "made up type", run_id=None, payload={}, flags=FLAG_INVALID)
    assert client.post("/api/events", content=wire.encode(odd), headers=LINES).json()["accepted"] == 1
    assert client.post("/api/events", json={"type": "made up type"}).status_code == 422


def test_what_breaks_a_rule_of_its_type_is_taken_from_a_recorder_and_flagged(client: Client) -> None:
    lines = b"\n".join(wire.encode(one) for one in (event(1, "tool_call", run_id=None), event(2, payload={"text": 5})))
    assert client.post("/api/events", content=lines, headers=LINES).json()["accepted"] == 2
    assert [found["flags"] for found in stored(client)] == [["invalid"], ["invalid"]]


def test_a_line_that_can_not_be_read_is_rejected_by_its_place(client: Client) -> None:
    good = wire.encode(event(1))
    bad = [
        b"{",
        b'{"event_id":"e9"}',
        b"[]",
        b'{"event_id":"e8","type":"note","created_at":1,"flags":-1}',
        b'{"a":' * 3000,
    ]
    answer = client.post("/api/events", content=b"\n".join([*bad, good]), headers=LINES)
    assert answer.status_code == 200
    assert [(one["index"], one["event_id"]) for one in answer.json()["rejected"]] == [
        (0, None), (1, "e9"), (2, None), (3, "e8"), (4, None),
    ]  # fmt: skip
    assert answer.json()["ids"] == [None] * 5 + [1]


def test_the_recorders_sink_delivers_and_learns_what_was_refused(server: Server, tmp_path: Path) -> None:
    sink = HttpSink(server.url, tmp_path / "spool", Settings())
    try:
        batch = [event(1), event(2, level="loud"), event(3, payload={"text": "x" * 5_000})]
        refused = sink.write(batch, "segment", 9)
        assert [index for index, _ in refused] == [1]
        assert sink.position("segment") == 9
        assert sink.write([event(1)], "segment", 10) == []
        only_bad = sink.write([event(1, payload={"text": "other"})], "segment", 11)
        assert [index for index, _ in only_bad] == [0]
    finally:
        sink.close()


# ── packed ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def deflate_bare(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress, "identity": bytes}


@pytest.mark.parametrize("coding", [*PACKERS, "GZIP"])
def test_packed_bodies_are_read(client: Client, coding: str) -> None:
    body = PACKERS[coding.lower()](json.dumps(NOTE).encode())
    answer = client.post("/api/events", content=body, headers={**JSON, "Content-Encoding": coding})
    assert answer.json()["accepted"] == 1


@given(data=st.binary(max_size=3_000), parts=st.integers(1, 3), room=st.integers(0, 4_000))
def test_unpacking_gives_back_what_was_packed_or_says_that_it_is_too_large(data: bytes, parts: int, room: int) -> None:
    for coding, packed in {
        "gzip": b"".join(gzip.compress(data) for _ in range(parts)), "deflate": zlib.compress(data * parts),
    }.items():  # fmt: skip
        if len(data) * parts <= room:
            assert unpack(packed, coding, room) == data * parts
        else:
            with pytest.raises(BodyTooLarge):
                unpack(packed, coding, room)
    if deflate_bare(data)[0] & 0x0F != 8:
        assert unpack(deflate_bare(data), "deflate", 4_000) == data


@given(data=st.binary(max_size=300), coding=st.sampled_from(["gzip", "deflate"]))
def test_unpacking_anything_at_all_gives_bytes_or_a_problem(data: bytes, coding: str) -> None:
    try:
        unpack(data, coding, 10_000)
    except (BodyInvalid, BodyTooLarge):
        pass


@pytest.mark.parametrize(
    ("body", "coding", "word"),
    [
        (b"not packed at all", "gzip", "not valid gzip"),
        (gzip.compress(b"{}", mtime=0)[:-3], "gzip", "cut short"),
        (b"", "gzip", "cut short"),
        (gzip.compress(b"{}", mtime=0) + b"tail", "gzip", "not valid gzip"),
        (zlib.compress(b"{}") + b"tail", "deflate", "bytes follow"),
    ],
)
def test_a_badly_packed_body_is_a_problem(client: Client, body: bytes, coding: str, word: str) -> None:
    answer = client.post("/api/events", content=body, headers={**JSON, "Content-Encoding": coding})
    assert (answer.status_code, code(answer)) == (400, 40001)
    assert word in answer.json()["detail"]


def test_an_encoding_that_is_not_read_here_is_refused(client: Client) -> None:
    answer = client.post("/api/events", json=NOTE, headers={"Content-Encoding": "br"})
    assert (answer.status_code, code(answer)) == (415, 41501)
    assert "gzip" in answer.json()["detail"]


def test_a_bomb_is_stopped_at_the_limit(client: Client) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bomb = gzip.compress(b" " * (400 * MIB), compresslevel=9)
    answer = client.post("/api/events", content=bomb, headers={**JSON, "Content-Encoding": "gzip"})
    assert (answer.status_code, code(answer)) == (413, 41301)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 * 1024  # the 400 MiB are this test's own


# ── wrong ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b'{\n  "type": "note",\n  "run_id" "r"\n}', "line 3 column 12"),
        (b"", "line 1 column 1"),
        (b'{"type":"note"', "line 1 column 15"),
        (b'{"type":"note"} trailing', "Extra data"),
        (b'{"type": NaN}', "NaN is not JSON"),
        (b'{"type":"\xff"}', "not UTF-8 at byte 9"),
        (b"[]", '{"events": [...]}'),
        (b'"note"', '{"events": [...]}'),
        (b'{"events": {}}', '{"events": [...]}'),
        (b'{"events": [1]}', "$.events[0]"),
        (b'{"events": [], "more": 1}', "`more`"),
        (b'{"a":' * 5_000, "nested too deep"),
        (b'{"events":' + b"[" * 5_000, "nested too deep"),
    ],
)
def test_wrong_json_says_where(client: Client, body: bytes, word: str) -> None:
    answer = client.post("/api/events", content=body, headers=JSON)
    assert (answer.status_code, code(answer)) == (400, 40001)
    assert word in answer.json()["detail"]
    assert stored(client) == []


@pytest.mark.parametrize("text", [rb"\ud800", rb"\udfff x", rb"a\ud83d"])
def test_half_a_surrogate_pair_is_refused_because_not_every_reader_could_read_it(client: Client, text: bytes) -> None:
    body = b'{"events":[{"type":"acme.x","payload":{"t":"' + text + b'"}}]}'
    assert "half a surrogate pair" in client.post("/api/events", content=body, headers=JSON).json()["detail"]
    line = b'{"event_id":"e","created_at":1,"type":"acme.x","payload":{"t":"' + text + b'"}}'
    assert client.post("/api/events", content=line, headers=LINES).status_code == 422
    assert stored(client) == []


@pytest.mark.parametrize(
    "header", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_a_content_type_that_is_not_read_here_is_refused(client: Client, header: str) -> None:
    answer = client.post("/api/events", content=json.dumps(NOTE).encode(), headers={"Content-Type": header})
    assert (answer.status_code, code(answer)) == (415, 41501)
    assert wire.MEDIA_TYPE in answer.json()["detail"]


def test_the_content_type_may_have_parameters(client: Client) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert client.post("/api/events", content=json.dumps(NOTE).encode(), headers=headers).status_code == 200


def test_a_batch_of_too_many_events_is_refused_as_a_whole(tmp_path: Path) -> None:
    with open_services(tmp_path, batch_events_max=3) as services:
        client = client_of(services)
        assert client.post("/api/events", json={"events": [NOTE] * 3}).json()["accepted"] == 3
        assert code(client.post("/api/events", json={"events": [NOTE] * 4})) == 40001
        lines = b"\n".join([wire.encode(event(9))] * 4)
        answer = client.post("/api/events", content=lines, headers=LINES)
        assert "at most 3 events" in answer.json()["detail"]
        assert len(stored(client)) == 3


@settings(max_examples=100)
@given(body=st.binary(max_size=200) | st.text(max_size=200).map(str.encode), lines=st.booleans())
def test_any_bytes_get_an_answer(client: Client, body: bytes, lines: bool) -> None:
    answer = client.post("/api/events", content=body, headers=LINES if lines else JSON)
    assert answer.status_code in (200, 400, 422)


# ── too large ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_limit_of_a_body_is_exact(tmp_path: Path) -> None:
    with open_services(tmp_path, body_bytes_max=100) as services:
        client = client_of(services)
        head, tail = b'{"type":"note","payload":{"text":"', b'"}}'
        exact = head + b"x" * (100 - len(head) - len(tail)) + tail
        assert client.post("/api/events", content=exact, headers=JSON).status_code == 200
        assert code(client.post("/api/events", content=exact + b" ", headers=JSON)) == 41301


def hundred_megabytes() -> Iterator[bytes]:
    for _ in range(100):
        yield b" " * MIB


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_of_100_megabytes_is_refused_without_being_held(server: Server, announced: bool) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    headers = dict(JSON)
    if announced:
        headers["Content-Length"] = str(100 * MIB)
    connection.request("POST", "/api/events", body=hundred_megabytes(), headers=headers, encode_chunked=not announced)
    answer = connection.getresponse()
    problem = json.loads(answer.read())
    connection.close()
    assert (answer.status, problem["code"], problem["facts"]["limit"]) == (413, 41301, 32 * MIB)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


class Refusing(FakeJournal):
    """A journal that refuses one event of those it is given."""

    def __init__(self, services: Services, event_id: str, error: FlightlogError) -> None:
        self._journal, self._event_id, self._error = services.journal, event_id, error

    def append(self, events: list[Event], **more: Any) -> Any:
        at = next(index for index, one in enumerate(events) if one.event_id == self._event_id)
        appended = self._journal.append([one for one in events if one.event_id != self._event_id], **more)
        ids = [*appended.ids[:at], 0, *appended.ids[at:]]
        return msgspec.structs.replace(appended, ids=ids, rejected=[(at, self._error)])


def test_what_the_journal_itself_refuses_has_its_place_in_the_batch(services: Services) -> None:
    journal = Refusing(services, "two", BodyInvalid(reason="the journal says no"))
    client = client_of(changed(services, journal=journal))
    batch = [
        {"type": "nonsense"},
        {**NOTE, "event_id": "one"},
        {**NOTE, "event_id": "two"},
        {**NOTE, "event_id": "three"},
    ]
    receipt = client.post("/api/events", json={"events": batch}).json()
    assert [(one["index"], one["event_id"]) for one in receipt["rejected"]] == [(0, None), (2, "two")]
    assert receipt["ids"] == [None, 1, None, 2]
    assert receipt["event_ids"] == [None, "one", None, "three"]


class Stuck(FakeJournal):
    """A journal whose store hangs until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.waiting = threading.Semaphore(0)

    def append(self, *_: object, **__: object) -> None:
        self.waiting.release()
        assert self.go.wait(30)
        raise StoreBusy(timeout_seconds=5)


def test_a_store_that_hangs_does_not_take_the_readers_with_it(services: Services) -> None:
    fill(services, 3)
    stuck = Stuck()
    with Server(changed(services, journal=stuck)) as server, ThreadPoolExecutor(60) as pool:
        posts = [pool.submit(httpx.post, server.url + "/api/events", json=NOTE, timeout=60) for _ in range(60)]
        assert all(stuck.waiting.acquire(timeout=30) for _ in range(APPENDERS))
        assert len(httpx.get(server.url + "/api/events").json()["events"]) == 3
        stuck.go.set()
        assert {post.result().status_code for post in posts} == {503}
