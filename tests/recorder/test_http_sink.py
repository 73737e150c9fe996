"""Delivery to a server: halved when it refuses, tried again when it is away, never stuck behind one bad event."""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from flightlog.config import Settings
from flightlog.errors import ServerUnavailable, SettingInvalid, WriterLocked
from flightlog.events import wire
from flightlog.events.envelope import Event
from flightlog.recorder.http_sink import HttpSink

Answer = Callable[[list[Event]], tuple[int, object]]


class Server:
    """A real HTTP server on loopback that answers as the test says and remembers what it took."""

    def __init__(self) -> None:
        self.answer: Answer = lambda events: (200, {"accepted": len(events), "rejected": []})
        self.taken: list[str] = []
        self.requests: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                assert self.headers["content-type"] == wire.MEDIA_TYPE
                events = [wire.decode(line) for line in body.split(b"\n")]
                outer.requests.append(len(events))
                status, answer = outer.answer(events)
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                if status == 200:
                    outer.taken += [event.event_id for event in events]
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def sink(server: Server, tmp_path: Path) -> Iterator[HttpSink]:
    made = HttpSink(server.url, tmp_path / "spool", Settings(http_timeout_seconds=5))
    yield made
    made.close()


def events(count: int) -> list[Event]:
    return [Event(event_id=f"e{number}", type="note", created_at=number) for number in range(count)]


def test_a_batch_is_one_request_and_its_position_is_kept(server: Server, sink: HttpSink) -> None:
    assert sink.write(events(100), "p.00000001.seg", 4_711) == []
    assert server.requests == [100]
    assert sink.position("p.00000001.seg") == 4_711
    sink.forget("p.00000001.seg")
    assert sink.position("p.00000001.seg") == 0


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_batch_that_is_refused_as_a_whole_is_halved_until_the_bad_event_stands_alone(
    server: Server, sink: HttpSink, status: int
) -> None:
    server.answer = lambda batch: (status, b"no") if any(event.event_id == "e5" for event in batch) else (200, {})
    rejected = sink.write(events(9), "s", 1)
    assert [index for index, _ in rejected] == [5]
    assert sorted(server.taken) == sorted(f"e{number}" for number in range(9) if number != 5)


def test_a_batch_that_is_too_large_goes_in_parts(server: Server, sink: HttpSink) -> None:
    server.answer = lambda batch: (413, b"too large") if len(batch) > 3 else (200, {"rejected": []})
    assert sink.write(events(10), "s", 1) == []
    assert server.taken == [f"e{number}" for number in range(10)]


def test_events_that_the_server_names_are_given_back_with_its_reason(server: Server, sink: HttpSink) -> None:
    server.answer = lambda batch: (
        200,
        {"rejected": [{"index": 2, "code": 42202, "title": "t", "detail": "no such type"}]},
    )
    ((index, error),) = sink.write(events(4), "s", 1)
    assert index == 2
    assert "no such type" in str(error)


def test_when_all_are_rejected_none_is_sent_again(server: Server, sink: HttpSink) -> None:
    server.answer = lambda batch: (422, {"rejected": [{"index": n, "title": "bad"} for n in range(len(batch))]})
    assert [index for index, _ in sink.write(events(3), "s", 1)] == [0, 1, 2]
    assert server.requests == [3]


@pytest.mark.parametrize(
    ("status", "body"), [(503, b"busy"), (500, b"oops"), (404, b"not here"), (200, b"<html>a proxy</html>")]
)
def test_an_answer_that_promises_nothing_leaves_the_events_in_the_spool(
    server: Server, sink: HttpSink, status: int, body: bytes
) -> None:
    server.answer = lambda batch: (status, body)
    with pytest.raises(ServerUnavailable):
        sink.write(events(3), "s", 99)
    assert sink.position("s") == 0


def test_a_server_that_is_away_is_said_and_found_again(server: Server, sink: HttpSink, tmp_path: Path) -> None:
    gone = HttpSink("http://127.0.0.1:9", tmp_path / "other", Settings(http_timeout_seconds=1))
    with pytest.raises(ServerUnavailable, match="127"):
        gone.write(events(1), "s", 1)
    gone.close()
    assert sink.write(events(1), "s", 1) == []


def test_a_connection_that_was_closed_meanwhile_is_opened_again(server: Server, sink: HttpSink) -> None:
    sink.write(events(1), "s", 1)
    assert sink._connection is not None
    assert sink._connection.sock is not None
    sink._connection.sock.close()
    with pytest.raises(ServerUnavailable):
        sink.write(events(1), "s", 2)
    assert sink.write(events(1), "s", 2) == []


def test_one_process_delivers_a_spool_at_a_time(server: Server, sink: HttpSink, tmp_path: Path) -> None:
    with pytest.raises(WriterLocked):
        HttpSink(server.url, tmp_path / "spool", Settings())
    sink.close()
    HttpSink(server.url, tmp_path / "spool", Settings()).close()


def test_a_forked_child_does_not_keep_the_delivery_locked(server: Server, sink: HttpSink, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    if not (child := os.fork()):  # it outlives the parent's sink
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    try:
        sink.close()
        HttpSink(server.url, tmp_path / "spool", Settings()).close()
    finally:
        os.write(writing, b"x")
        os.waitpid(child, 0)


@pytest.mark.parametrize("url", ["ftp://host", "http://", "host:80"])
def test_an_address_that_can_not_be_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid):
        HttpSink(url, tmp_path, Settings())
