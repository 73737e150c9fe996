"""A span that ends in this process is the event that OTLP would have made of it, at once, with the recorder's care."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

import flightlog
from flightlog.config import Settings
from flightlog.errors import FlightlogError
from flightlog.events.envelope import FLAG_REDACTED, FLAG_ROOT, Event
from flightlog.ingest.otlp.decode_proto import decode_logs, decode_traces
from flightlog.ingest.otlp.receive import Receiver
from flightlog.journal.append import Appended
from flightlog.journal.read import read_events
from flightlog.journal.ready import Item, Preparation
from flightlog.otel import LogRecordExporter, LogRecordProcessor, SpanExporter, SpanProcessor
from flightlog.recorder.helpers.base import without_nones
from flightlog.testing import MemoryRecorder
from flightlog.wiring import Keeper, keeper_drain, make_intake
from tests.otel.making import finished, provider_of

ROOT = Path(__file__).parents[2]

ATTRIBUTES: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "m-1",
    "gen_ai.response.model": "m-1-0725",
    "gen_ai.usage.input_tokens": 12,
    "gen_ai.usage.output_tokens": 7,
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"hi"}]}]',
    "odd.float": float("inf"),
    "odd.bytes": b"\x00\xff",
    "odd.flag": True,
    "odd.list": ["a", "b"],
    "odd.nothing": "",
    "odd.zero": 0,
    "odd.map": {"a": {"b": [1, 2.5, None]}},
}


def fly(tracer: Any) -> None:
    """Spans with all that a span can have."""
    elsewhere = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(1))
    with tracer.start_as_current_span(
        "outer", kind=SpanKind.SERVER, links=[Link(elsewhere, {"why": "batch"})]
    ) as outer:
        outer.add_event("something", {"n": 1})
        with tracer.start_as_current_span("chat m-1", kind=SpanKind.CLIENT, attributes=ATTRIBUTES):
            pass
        with pytest.raises(ZeroDivisionError), tracer.start_as_current_span("fails"):
            raise ZeroDivisionError("by zero")
        outer.set_status(Status(StatusCode.OK))


def own_part(event: Event) -> dict[str, Any]:
    """All of an event but what says who delivered it."""
    made = without_nones({name: getattr(event, name) for name in Event.__struct_fields__})
    made["payload"] = msgspec.json.decode(event.payload)
    return {name: value for name, value in made.items() if name not in ("producer_id", "seq")}


class Sent:
    """A journal that keeps what a server would have appended."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.preparation = Preparation([])

    def append_ready(self, items: list[Item], rejects: str) -> Any:
        self.events += [item[0] for item in items if not isinstance(item, FlightlogError)]
        return Appended(ids=list(range(1, len(items) + 1)), stored=len(items), duplicates=0, first_id=1)


def by_server(decoded: Any, what: str) -> list[dict[str, Any]]:
    sent = Sent()
    receiver = Receiver(sent, make_intake(Path("/nowhere"), Settings()), Settings())  # type: ignore[arg-type]
    getattr(receiver, what)(decoded)
    return [own_part(event) for event in sent.events]


def test_a_span_becomes_the_same_event_as_by_otlp() -> None:
    rec = MemoryRecorder()
    provider, kept = provider_of(rec, **{"process.command_args": ["a", "b"]}), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    fly(provider.get_tracer("scope", "1.0", schema_url="https://example.org/1", attributes={"a": 1}))
    ours = [own_part(event) for event in rec.events]
    assert sorted(one["type"] for one in ours).count("resource") == 2  # read by a dialect, and by none
    assert len(ours) == 5
    theirs = by_server(decode_traces(encode_spans(kept.get_finished_spans()).SerializeToString()), "traces")
    assert sorted(ours, key=lambda one: one["event_id"]) == sorted(theirs, key=lambda one: one["event_id"])


def test_a_log_record_becomes_the_same_event_as_by_otlp() -> None:
    rec, kept = MemoryRecorder(), InMemoryLogRecordExporter()
    logs = LoggerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    logs.add_log_record_processor(LogRecordProcessor(rec))
    logs.add_log_record_processor(SimpleLogRecordProcessor(kept))
    with provider_of(MemoryRecorder()).get_tracer("t").start_as_current_span("within"):
        body = {"message": "hello", "parts": [1, {"a": None}]}
        logs.get_logger("scope", "2").emit(
            timestamp=5, body=body, event_name="gen_ai.user.message", attributes={"a": "b"}
        )
    ours = [own_part(event) for event in rec.events]
    theirs = by_server(decode_logs(encode_logs(kept.get_finished_logs()).SerializeToString()), "logs")
    assert sorted(ours, key=lambda one: one["event_id"]) == sorted(theirs, key=lambda one: one["event_id"])
    assert {one["type"] for one in ours} == {"log", "resource"}


def test_a_span_that_is_recorded_and_sent_is_stored_once(tmp_path: Path) -> None:
    rec, kept = flightlog.open(tmp_path, drain=False), InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SpanProcessor(rec))
    provider.add_span_processor(SimpleSpanProcessor(SpanExporter(rec)))  # twice by the recorder too
    provider.add_span_processor(SimpleSpanProcessor(kept))
    with rec.run("work"):
        fly(provider.get_tracer("scope"))
    rec.close()
    keeper = Keeper(tmp_path, Settings(), writable=True)
    try:
        receiver = Receiver(keeper.journal, make_intake(tmp_path, Settings()), Settings())
        decoded = decode_traces(encode_spans(kept.get_finished_spans()).SerializeToString())
        drain = keeper_drain(keeper)
        assert receiver.traces(decoded).accepted == 3
        while drain.drain_once():
            pass
        assert (receiver.traces(decoded).duplicates, receiver.traces(decoded).rejected) == (3, 0)
        events = read_events(keeper.store, limit=100).events
        drain.stop()
    finally:
        keeper.close()
    types = sorted(event.type for event in events if event.type != "resource")
    assert types == ["llm_response", "run_finished", "run_started", "span_finished", "span_finished"]
    assert len(events) - len(types) == 2


def test_secrets_in_attributes_are_taken_out() -> None:
    rec = MemoryRecorder()
    with provider_of(rec).get_tracer("t").start_as_current_span("call") as span:
        span.set_attribute("http.request.header.authorization", "Bearer " + "a1B2c3D4e5F6g7H8" * 4)
    assert finished(rec, "call").flags == FLAG_REDACTED | FLAG_ROOT
    assert b"a1B2c3D4" not in b"".join(rec.memory.bodies)


def test_what_is_not_sampled_is_not_recorded() -> None:
    rec = MemoryRecorder()
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    provider.add_span_processor(SpanProcessor(rec))
    fly(provider.get_tracer("t"))
    assert rec.events == []


def test_spans_of_our_own_threads_are_not_recorded() -> None:
    """An instrumented sqlite3 would make a span of each delivery, which would be delivered, which would make a span."""
    rec = MemoryRecorder()
    tracer = provider_of(rec).get_tracer("t")
    thread = threading.Thread(target=lambda: tracer.start_span("INSERT").end(), name="flightlog-writer")
    thread.start()
    thread.join()
    assert rec.events == []


def test_what_can_not_be_recorded_is_counted_and_the_host_goes_on() -> None:
    rec = MemoryRecorder()
    provider = provider_of(rec)
    rec.memory.trouble = "disk_full"
    provider.get_tracer("t").start_span("lost").end()
    assert rec.health().dropped == {"disk_full": 2}  # the resource and the span
    assert SpanExporter(rec).export([provider.get_tracer("t").start_span("x")]) == SpanExportResult.FAILURE  # type: ignore[list-item]
    rec.memory.trouble = None
    provider.get_tracer("t").start_span("kept").end()
    assert [event.type for event in rec.events] == ["resource", "span_finished"]


def test_a_recorder_that_was_handed_in_stays_open_and_one_of_our_own_is_closed(tmp_path: Path) -> None:
    rec = MemoryRecorder()
    for door in (SpanProcessor, SpanExporter, LogRecordProcessor, LogRecordExporter):
        mine, own = door(rec), door(tmp_path)
        assert mine.force_flush() is own.force_flush() is True
        mine.shutdown()
        own.shutdown()
        assert (rec.closed, own._writer.recorder.closed) == (False, True)


def test_flightlog_alone_imports_nothing_of_opentelemetry() -> None:
    code = "import sys, flightlog.wiring; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
