"""OpenTelemetry over HTTP: the right answer in the right encoding, whatever is sent, and a server that lives on."""

from __future__ import annotations

import gzip
import json
import sqlite3
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from flightlog.api.app import Services
from flightlog.config import MIB
from flightlog.errors import FlightlogError, StoreBroken, StoreBusy, StoreGone, StoreUncertain
from flightlog.events.envelope import Event
from tests.api.serving import Client, FakeJournal, Server, changed, client_of, open_services
from tests.ingest.otlp.requests import as_json, logs, metrics, span, traces

PROTO = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}
GOOD = traces(span(1), span(2), span(3))
BODY = GOOD.SerializeToString()


def names(client: Client) -> list[str]:
    return [event["name"] for event in client.get("/api/events?limit=1000&types=span_finished").json()["events"]]


def status_of(answer: httpx.Response) -> tuple[int, str]:
    """The google.rpc.Status in a protobuf answer: its code and message."""
    assert answer.headers["content-type"] == "application/x-protobuf"
    data = answer.content
    assert (data[0], data[2]) == (0x08, 0x12)
    return data[1], data[4 if data[3] < 128 else 5 :].decode()


# ── stored ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_spans_in_protobuf_are_stored_and_answered_in_protobuf(client: Client) -> None:
    answer = client.post("/v1/traces", content=BODY, headers=PROTO)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert names(client) == ["step 1", "step 2", "step 3"]


def test_spans_in_json_are_stored_and_answered_in_json(client: Client) -> None:
    answer = client.post(
        "/v1/traces", content=as_json(GOOD), headers={"Content-Type": "application/json; charset=utf-8"}
    )
    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["content-type"] == "application/json"
    assert names(client) == ["step 1", "step 2", "step 3"]


@pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes), ("", bytes)]
)
def test_bodies_may_be_packed(client: Client, coding: str, pack: Any) -> None:
    headers = {**PROTO, "Content-Encoding": coding} if coding else PROTO
    assert client.post("/v1/traces", content=pack(BODY), headers=headers).status_code == 200
    assert len(names(client)) == 3


def test_logs_and_metrics_are_stored(client: Client) -> None:
    metric = Metric(name="tokens")
    metric.sum.data_points.add(time_unix_nano=1, as_int=5)
    for path, request, kind in (
        ("/v1/logs", logs(LogRecord(time_unix_nano=1)), "log"),
        ("/v1/metrics", metrics(metric), "metric"),
    ):
        for body, headers in ((request.SerializeToString(), PROTO), (as_json(request), JSON)):
            answer = client.post(path, content=body, headers=headers)
            assert (answer.status_code, answer.content) == (200, b"" if headers is PROTO else b"{}")
        assert len(client.get(f"/api/events?types={kind}").json()["events"]) == 1, "both encodings are the same event"


def test_the_answer_comes_after_the_commit(client: Client, tmp_path: Path) -> None:
    client.post("/v1/traces", content=BODY, headers=PROTO)
    with sqlite3.connect(f"file:{tmp_path}/flight/flightlog.db?mode=ro", uri=True) as beside:
        assert beside.execute("SELECT count(*) FROM run_events WHERE span_id IS NOT NULL").fetchone() == (3,)


def test_the_project_may_come_in_a_header(client: Client) -> None:
    client.post("/v1/traces", content=BODY, headers={**PROTO, "X-Flightlog-Project": "till"})
    assert {event["project"] for event in client.get("/api/events").json()["events"]} == {"till"}
    answer = client.post("/v1/traces", content=BODY, headers={**PROTO, "X-Flightlog-Project": "x" * 129})
    assert answer.status_code == 422
    assert "'project' has 129 characters" in status_of(answer)[1]


# ── refused, one by one ──────────────────────────────────────────────────────────────────────────────────────────────

MIXED = traces(span(1), span(2, trace_id=b"\x01" * 4), span(3, end_time_unix_nano=5), span(4))


def test_what_is_refused_is_said_in_the_partial_success_and_the_rest_is_stored(client: Client) -> None:
    answer = client.post("/v1/traces", content=MIXED.SerializeToString(), headers=PROTO)
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, partial.rejected_spans) == (200, 2)
    assert "its trace id has 4 bytes, not 16" in partial.error_message
    assert "before it starts" in partial.error_message
    assert names(client) == ["step 1", "step 4"]


def test_the_same_in_json(client: Client) -> None:
    partial = client.post("/v1/traces", content=as_json(MIXED), headers=JSON).json()["partialSuccess"]
    assert partial["rejectedSpans"] == "2"
    assert "its trace id has 4 bytes" in partial["errorMessage"]
    assert names(client) == ["step 1", "step 4"]


def test_partial_successes_of_logs_and_metrics_are_messages_of_theirs(client: Client) -> None:
    answer = client.post("/v1/logs", content=logs(LogRecord(trace_id=b"x")).SerializeToString(), headers=PROTO)
    assert ExportLogsServiceResponse.FromString(answer.content).partial_success.rejected_log_records == 1
    answer = client.post("/v1/metrics", content=metrics(Metric()).SerializeToString(), headers=PROTO)
    assert ExportMetricsServiceResponse.FromString(answer.content).partial_success.rejected_data_points == 1


def test_sent_again_is_fine_and_sent_otherwise_is_refused(client: Client) -> None:
    for _ in range(2):
        assert client.post("/v1/traces", content=BODY, headers=PROTO).content == b""
    answer = client.post("/v1/traces", content=traces(span(1, {"other": 1})).SerializeToString(), headers=PROTO)
    assert "other content" in ExportTraceServiceResponse.FromString(answer.content).partial_success.error_message
    assert len(names(client)) == 3


# ── garbage ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("body", "headers", "status", "code", "words"),
    [
        (BODY[:-3], PROTO, 400, 3, "cut short"),
        (b"\xff" * 50, PROTO, 400, 3, "not a protobuf message"),
        (b"not gzip", {**PROTO, "Content-Encoding": "gzip"}, 400, 3, "not valid gzip"),
        (gzip.compress(BODY)[:-9], {**PROTO, "Content-Encoding": "gzip"}, 400, 3, "cut short"),
        (gzip.compress(bytes(64 * MIB)), {**PROTO, "Content-Encoding": "gzip"}, 413, 8, "larger than"),
        (bytes(33 * MIB), PROTO, 413, 8, "larger than"),
        (BODY, {**PROTO, "Content-Encoding": "br"}, 415, 3, "br"),
    ],
    ids=["truncated", "noise", "no-gzip", "cut-gzip", "bomb", "too-large", "brotli"],
)
def test_garbage_gets_its_status_and_reason_and_the_server_lives(
    client: Client, body: bytes, headers: dict[str, str], status: int, code: int, words: str
) -> None:
    answer = client.post("/v1/traces", content=body, headers=headers)
    assert answer.status_code == status
    found, message = status_of(answer)
    assert found == code
    assert words in message
    assert names(client) == []
    assert client.post("/v1/traces", content=BODY, headers=PROTO).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"resourceSpans":[{"scopeSpans":7}]}', b"\xff\xfe"])
def test_broken_json_is_a_status_in_json(client: Client, body: bytes) -> None:
    answer = client.post("/v1/traces", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, 3)
    assert "40001 body-invalid" in answer.json()["message"]


@pytest.mark.parametrize("given", ["text/plain", "application/grpc", "", "application/vnd.flightlog.events.v1+jsonl"])
def test_another_content_type_is_refused_in_words_that_help(client: Client, given: str) -> None:
    answer = client.post("/v1/traces", content=BODY, headers={"Content-Type": given})
    assert answer.status_code == 415
    assert "application/x-protobuf or application/json" in answer.json()["message"]


def test_only_post_and_only_our_own_pages(client: Client) -> None:
    answer = client.get("/v1/traces", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.json()["code"]) == (405, 12)
    answer = client.post("/v1/traces", content=BODY, headers={**PROTO, "Origin": "https://evil.example"})
    assert (answer.status_code, status_of(answer)[0]) == (403, 7)
    answer = client.post("/v1/traces", content=BODY, headers={**PROTO, "Host": "evil.example"})
    assert answer.status_code == 403
    assert names(client) == []


def test_a_wide_span_nan_and_negative_times_leave_their_neighbours_alone(client: Client) -> None:
    wide = span(2, {f"key.{number}": "value" for number in range(10_000)})
    odd = span(3, {"share": float("nan")})
    sent = json.loads(as_json(traces(span(1), wide, odd, span(4), span(5))))
    sent["resourceSpans"][0]["scopeSpans"][0]["spans"][3]["startTimeUnixNano"] = -7
    answer = client.post("/v1/traces", content=json.dumps(sent), headers=JSON)
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "1"
    assert "negative" in answer.json()["partialSuccess"]["errorMessage"]
    events = client.get("/api/events?types=span_finished").json()["events"]
    assert [event["name"] for event in events] == ["step 1", "step 2", "step 3", "step 5"]
    assert ["truncated" in event["flags"] for event in events] == [False, True, False, False]
    assert '"NaN"' in json.dumps(events)


# ── pressure ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Unable(FakeJournal):
    """A journal that can't."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def append(self, *_: Any, **__: Any) -> Any:
        raise self.error


@pytest.mark.parametrize(
    "error",
    [StoreBusy(timeout_seconds=5), StoreUncertain(timeout_seconds=5), StoreGone(path="x"), StoreBroken(reason="x")],
    ids=lambda error: type(error).__name__,
)
def test_what_the_store_did_not_take_is_never_acknowledged_and_may_be_sent_again(
    services: Services, error: FlightlogError
) -> None:
    answer = client_of(changed(services, journal=Unable(error))).post("/v1/traces", content=BODY, headers=PROTO)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert status_of(answer)[0] == 14


def test_a_fault_of_ours_is_no_promise_either(services: Services) -> None:
    answer = client_of(changed(services, journal=Unable(RuntimeError("secret")))).post(
        "/v1/traces", content=BODY, headers=PROTO
    )
    assert answer.status_code == 500
    assert b"secret" not in answer.content


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Services]:
    with open_services(tmp_path / "narrow", otlp_requests_max=2) as opened:
        yield opened


def test_one_request_too_many_is_asked_to_come_again(narrow: Services) -> None:
    go, inside = threading.Event(), threading.Semaphore(0)

    class Slow(FakeJournal):
        def append(self, events: list[Event], **more: Any) -> Any:
            inside.release()
            go.wait(20)
            return narrow.journal.append(events, **more)

    with Server(changed(narrow, journal=Slow())) as server, ThreadPoolExecutor(2) as pool:

        def post() -> httpx.Response:
            return httpx.post(f"{server.url}/v1/traces", content=BODY, headers=PROTO, timeout=30)

        waiting = [pool.submit(post) for _ in range(2)]
        for _ in waiting:
            assert inside.acquire(timeout=20)
        refused = post()
        go.set()
        assert [one.result().status_code for one in waiting] == [200, 200]
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert "50307 receiver-busy" in status_of(refused)[1]
        assert post().status_code == 200


def test_the_official_exporter_is_understood(server: Server, services: Services) -> None:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    exporter = OTLPSpanExporter(f"{server.url}/v1/traces", compression=Compression.Gzip)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("tests", "1.0")
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner", attributes={"n": 1}):
        pass
    assert provider.force_flush()
    provider.shutdown()
    assert names(client_of(services, server.url)) == ["inner", "outer"]
