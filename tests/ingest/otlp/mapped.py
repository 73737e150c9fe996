"""Making spans and looking at what became of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import asdict

from flightlog.events.catalogue import check_event
from flightlog.events.envelope import Event, StoredEvent
from flightlog.ingest.otlp import decode_json, decode_proto
from flightlog.ingest.otlp.mapping import MAPPING_VERSION, map_log, map_span, origin_of
from flightlog.ingest.otlp.model import LogRecord, Scope, Span, SpanEvent
from flightlog.ingest.otlp.sources import UNKNOWN, Source, digest_in, say_in_full

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
START = 1_772_442_847_000_000_000
SAMPLES = Path(__file__).parents[4] / "shared" / "samples"
ORIGIN = origin_of({"service.name": "shop"}, "", "shop")
ORIGINS = [ORIGIN]


def a_span(attributes: dict[str, Any], **more: Any) -> Span:
    """A span of one second."""
    given = {"trace_id": TRACE, "span_id": SPAN, "name": "work", "start_ns": START, "end_ns": START + 10**9}
    return Span(attributes=attributes, **(given | more))


def happened(name: str, /, at_ns: int = START, **attributes: Any) -> SpanEvent:
    """A span event; double underscores in names of attributes are dots."""
    return SpanEvent(name, at_ns, {key.replace("__", "."): value for key, value in attributes.items()})


def events_of(attributes: dict[str, Any], **more: Any) -> list[Event]:
    """The events of such a span, each of which the journal would take."""
    events = map_span(a_span(attributes, **more), Scope("tests", "1"), ORIGIN)
    for event in events:
        check_event(event)
    return events


def as_stored(event: Event) -> dict[str, Any]:
    """The payload as it lies in the journal."""
    payload: dict[str, Any] = json.loads(bytes(event.payload))
    return payload


def payload_of(event: Event) -> dict[str, Any]:
    """The payload as readers fill it in."""
    payload = as_stored(event)
    if "otlp" in payload and (digest := digest_in(payload["otlp"])) is not None:
        stored = event if isinstance(event, StoredEvent) else StoredEvent(**asdict(event))
        say_in_full(stored, payload, source_of(digest))
    return payload


def source_of(digest: str) -> Source:
    """What a digest stands for in the events of these tests."""
    for origin in ORIGINS:
        for place in origin.places.values():
            if place.digest == digest:
                return Source(place.scope.label, place.scope.attributes, place.dialect, MAPPING_VERSION)
    return UNKNOWN


def mapped(attributes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The payload of the one event of such a span."""
    (event,) = events_of(attributes, **more)
    return payload_of(event)


def logged(name: str, body: Any = None, **more: Any) -> dict[str, Any]:
    """The payload of a log record's one event."""
    record = LogRecord(START, name, body=body, trace_id=TRACE, span_id=SPAN, **more)
    (event,) = map_log(record, Scope("tests", "1"), ORIGIN, 0)
    check_event(event)
    assert event.type == "log"
    return payload_of(event)


def sample(dialect: str, name: str, encoding: str = "json") -> list[tuple[Any, Scope, dict[str, Any]]]:
    """The records of a replay with their scope and resource; skips the test where the samples are missing."""
    path = SAMPLES / f"otlp-{dialect}-replay" / f"{name}.otlp.{encoding}"
    if not path.is_file():
        pytest.skip(f"{path.name} of {dialect} is not there: the samples lie beside the repository, in shared/samples")
    module = decode_json if encoding == "json" else decode_proto
    decoded = (module.decode_logs if name == "logs" else module.decode_traces)(path.read_bytes())
    assert decoded.refused == 0
    return [
        (record, part.scope, group.attributes)
        for group in decoded.groups
        for part in group.parts
        for record in part.records
    ]


def sample_events(dialect: str, name: str, encoding: str = "json") -> list[Event]:
    """The events of a replay."""
    mapper = map_log if name == "logs" else map_span
    events: list[Event] = []
    for record, scope, resource in sample(dialect, name, encoding):
        ORIGINS[1:] = [origin_of(resource, "", "default"), *ORIGINS[1:20]]
        events += mapper(record, scope, ORIGINS[1])
    return events
