"""OTLP/gRPC: the official exporters and raw requests get the same as over HTTP, with gRPC's own statuses."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

grpc = pytest.importorskip("grpc", reason="the extra grpc is not installed")

from anyio import CapacityLimiter  # noqa: E402
from google.protobuf import json_format  # noqa: E402
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: E402
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse  # noqa: E402
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse  # noqa: E402
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord  # noqa: E402
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric  # noqa: E402
from opentelemetry.sdk.resources import Resource  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402

from flightlog.api.grpc_door import PACKAGE, GrpcDoor  # noqa: E402
from flightlog.api.routes.otlp import Waiting  # noqa: E402
from flightlog.errors import BindRefused, StoreBroken, StoreBusy, Unavailable  # noqa: E402
from flightlog.events.envelope import StoredEvent  # noqa: E402
from flightlog.journal.read import EventFilter, read_events  # noqa: E402
from flightlog.services import Services  # noqa: E402
from tests.api.serving import FakeJournal, changed, open_services  # noqa: E402
from tests.ingest.otlp.requests import logs, metrics, span, traces  # noqa: E402

TRACES = f"/{PACKAGE}.trace.v1.TraceService/Export"
LOGS = f"/{PACKAGE}.logs.v1.LogsService/Export"
METRICS = f"/{PACKAGE}.metrics.v1.MetricsService/Export"
SECONDS_MAX = 20.0
BODY_BYTES_MAX = 256 * 1024


class Listening:
    """A door on a free port, in an event loop of its own."""

    def __init__(self, services: Services, waiting: Waiting | None = None) -> None:
        self.services = services
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.waiting = waiting or Waiting(8)
        self.door = GrpcDoor(services, self.waiting, CapacityLimiter(4))
        self.address = self.run(self.door.start("127.0.0.1", 0))
        self.channel = grpc.insecure_channel(self.address)

    def run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(SECONDS_MAX)

    def export(self, body: bytes, method: str = TRACES, **more: Any) -> bytes:
        """Call one of the services with raw bytes."""
        answer: bytes = self.channel.unary_unary(method)(body, timeout=SECONDS_MAX, **more)
        return answer

    def close(self) -> None:
        self.channel.close()
        self.run(self.door.stop(1))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS_MAX)
        self._loop.close()


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with open_services(tmp_path / "flight", body_bytes_max=BODY_BYTES_MAX) as opened:
        yield opened


@pytest.fixture
def listening(services: Services) -> Iterator[Listening]:
    made = Listening(services)
    yield made
    made.close()


def stored(services: Services, *types: str) -> list[StoredEvent]:
    found = read_events(services.store, EventFilter(types=types), limit=1000).events
    return [event for event in found if types or event.type != "resource"]


def refusal(export: Callable[[], object]) -> Any:
    with pytest.raises(grpc.RpcError) as raised:
        export()
    return raised.value


# ── stored ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("compression", ["NoCompression", "Gzip", "Deflate"])
def test_the_official_exporter_is_understood_whatever_it_packs_with(listening: Listening, compression: str) -> None:
    exporter = OTLPSpanExporter(
        endpoint=f"http://{listening.address}", insecure=True, compression=getattr(grpc.Compression, compression)
    )
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("tests")
    with tracer.start_as_current_span("outer") as outer:
        tracer.start_span("inner", attributes={"gen_ai.operation.name": "chat"}).end()
    provider.shutdown()
    inner, root = stored(listening.services)
    assert (inner.type, root.type, root.name, root.source) == ("llm_response", "span_finished", "outer", "shop")
    assert root.run_id == inner.run_id == f"{outer.get_span_context().trace_id:032x}"


def test_logs_and_metrics_have_services_too(listening: Listening) -> None:
    metric = Metric(name="tokens")
    metric.sum.data_points.add(time_unix_nano=1, as_int=5)
    assert listening.export(logs(LogRecord(time_unix_nano=1)).SerializeToString(), LOGS) == b""
    assert listening.export(metrics(metric).SerializeToString(), METRICS) == b""
    assert [event.type for event in stored(listening.services)] == ["log", "metric"]


def test_it_is_committed_when_the_answer_comes_and_sent_again_changes_nothing(listening: Listening) -> None:
    body = traces(span(1), span(2)).SerializeToString()
    for _ in range(2):
        assert listening.export(body) == b""
        assert [event.name for event in stored(listening.services)] == ["step 1", "step 2"]


def test_what_is_refused_is_told_in_a_partial_success_and_its_neighbours_are_stored(listening: Listening) -> None:
    body = traces(span(1), span(2, trace_id=b"short"), span(3)).SerializeToString()
    answer = ExportTraceServiceResponse.FromString(listening.export(body)).partial_success
    assert answer.rejected_spans == 1
    assert "trace id" in answer.error_message
    assert [event.name for event in stored(listening.services)] == ["step 1", "step 3"]
    assert json_format.MessageToDict(ExportMetricsServiceResponse.FromString(listening.export(b"", METRICS))) == {}


def test_the_project_may_be_in_the_metadata(listening: Listening) -> None:
    listening.export(traces(span(1)).SerializeToString(), metadata=[("x-flightlog-project", "till")])
    assert [event.project for event in stored(listening.services)] == ["till"]


def test_many_senders_at_once_lose_nothing(listening: Listening) -> None:
    bodies = [traces(*(span(100 * at + each) for each in range(1, 20))).SerializeToString() for at in range(16)]
    listening.waiting.most = 16
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(listening.export, bodies)) == {b""}
    assert len({event.event_id for event in stored(listening.services)}) == 16 * 19


# ── refused ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_can_not_be_read_is_an_invalid_argument(listening: Listening) -> None:
    error = refusal(lambda: listening.export(b"\x0a\xff\xff"))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "40001" in error.details()
    assert listening.export(traces(span(1)).SerializeToString()) == b""


@pytest.mark.parametrize("compression", ["NoCompression", "Gzip"])
def test_too_much_is_resource_exhausted_also_when_it_was_packed_small(listening: Listening, compression: str) -> None:
    body = traces(span(1, {"text": "x" * 8 * BODY_BYTES_MAX})).SerializeToString()
    assert len(gzip.compress(body)) < BODY_BYTES_MAX < len(body)
    error = refusal(lambda: listening.export(body, compression=getattr(grpc.Compression, compression)))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "grpc-status-details-bin" not in dict(error.trailing_metadata())  # nobody is to try that again
    assert stored(listening.services) == []
    assert listening.export(traces(span(1)).SerializeToString()) == b""


@pytest.mark.parametrize("cause", [StoreBusy(timeout_seconds=5), StoreBroken(reason="it is damaged")])
def test_what_the_store_can_not_do_now_is_unavailable_and_says_when_to_come_again(
    services: Services, cause: Exception
) -> None:
    class Troubled(FakeJournal):
        def append(self, *_: object, **__: object) -> None:
            raise cause

    made = Listening(changed(services, journal=Troubled()))
    try:
        error = refusal(lambda: made.export(traces(span(1)).SerializeToString()))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert str(cause) in error.details()
        assert_says_when(error)
    finally:
        made.close()


def assert_says_when(error: Any) -> None:
    from google.rpc.error_details_pb2 import RetryInfo
    from google.rpc.status_pb2 import Status

    trailers = dict(error.trailing_metadata())
    status = Status.FromString(trailers["grpc-status-details-bin"])
    retry = RetryInfo()
    assert (status.code, status.message) == (14, error.details())
    assert status.details[0].Unpack(retry)
    assert retry.retry_delay.seconds == 1
    assert RetryInfo.FromString(trailers["google.rpc.retryinfo-bin"]) == retry


def test_a_fault_of_ours_is_internal_and_tells_nothing(services: Services, caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(FakeJournal):
        def append(self, *_: object, **__: object) -> None:
            raise ZeroDivisionError("secret")

    made = Listening(changed(services, journal=Faulty()))
    try:
        error = refusal(lambda: made.export(traces(span(1)).SerializeToString()))
        assert error.code() is grpc.StatusCode.INTERNAL
        assert "secret" not in error.details()
        assert "secret" in caplog.text
    finally:
        made.close()


def test_beyond_the_limit_of_requests_the_sender_is_asked_to_come_again(services: Services) -> None:
    made = Listening(services, Waiting(0))
    try:
        error = refusal(lambda: made.export(traces(span(1)).SerializeToString()))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert "50307" in error.details()
        assert_says_when(error)
        made.waiting.most = 1
        assert made.export(traces(span(1)).SerializeToString()) == b""
        assert made.waiting.count == 0
    finally:
        made.close()


def test_other_methods_are_not_there(listening: Listening) -> None:
    error = refusal(lambda: listening.export(b"", f"/{PACKAGE}.trace.v1.TraceService/Import"))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


# ── the port ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_listens_on_this_machine_only_and_never_on_a_port_that_is_taken(services: Services) -> None:
    async def start(host: str, port: int) -> None:
        await GrpcDoor(services, Waiting(1), CapacityLimiter(1)).start(host, port)

    with pytest.raises(BindRefused):
        asyncio.run(start("0.0.0.0", 0))
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Unavailable, match="--otlp-grpc-port"):
        asyncio.run(start("127.0.0.1", taken.getsockname()[1]))


def test_two_doors_do_not_share_a_port(listening: Listening) -> None:
    other = GrpcDoor(listening.services, Waiting(1), CapacityLimiter(1))
    with pytest.raises(Unavailable):
        listening.run(other.start("127.0.0.1", int(listening.address.rpartition(":")[2])))


def test_what_is_under_way_ends_before_the_door_is_shut_and_then_nobody_answers(services: Services) -> None:
    arrived, goes_on = threading.Event(), threading.Event()

    class Slow(FakeJournal):
        def append(self, *given: Any, **more: Any) -> Any:
            arrived.set()
            assert goes_on.wait(SECONDS_MAX)
            return services.journal.append(*given, **more)

    made = Listening(changed(services, journal=Slow()))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(made.export, traces(span(1)).SerializeToString())
        assert arrived.wait(SECONDS_MAX)
        stopping = asyncio.run_coroutine_threadsafe(made.door.stop(SECONDS_MAX), made._loop)
        goes_on.set()
        assert answer.result(SECONDS_MAX) == b""
        stopping.result(SECONDS_MAX)
    assert len(stored(services)) == 1
    assert refusal(lambda: made.export(b"")).code() is grpc.StatusCode.UNAVAILABLE
    made.close()
