"""OTLP in protobuf: bytes of an Export*ServiceRequest → Decoded.

Messages are read by protobuf's own parser (upb, in C). It takes a request as a whole or not at all; a request that it does
not take is taken apart by hand down to its records (`sieve.py`), and those that are sound go on.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flightlog.ingest.otlp import sieve
from flightlog.ingest.otlp.decoded import (
    NO_SPAN,
    NO_TRACE,
    VALUE_DEPTH_MAX,
    Decoded,
    Group,
    Part,
    R,
    check_time,
    check_times,
    frame_attributes,
    kept,
    plain_number,
    too_deep,
    wrong_id,
)
from flightlog.ingest.otlp.model import Link, LogRecord, Metric, Scope, Span, SpanEvent

_ZERO_TRACE, _ZERO_SPAN = bytes(16), bytes(8)
RECORDS_ALL = 1 << 62  # in one piece
TEMPORALITIES = (None, "delta", "cumulative")


def decode_traces(body: bytes) -> Decoded[Span]:
    """The spans of an ExportTraceServiceRequest. Raises BodyInvalid."""
    return _decode(ExportTraceServiceRequest, body, "span", ("resource_spans", "scope_spans", "spans"), _span)


def decode_logs(body: bytes) -> Decoded[LogRecord]:
    """The records of an ExportLogsServiceRequest. Raises BodyInvalid."""
    return _decode(ExportLogsServiceRequest, body, "log record", ("resource_logs", "scope_logs", "log_records"), _log)


def decode_metrics(body: bytes) -> Decoded[Metric]:
    """The metrics of an ExportMetricsServiceRequest. Raises BodyInvalid."""
    names = ("resource_metrics", "scope_metrics", "metrics")
    return _decode(ExportMetricsServiceRequest, body, "metric", names, _metric)


def trace_pieces(body: bytes, records_max: int, lead: int = 0, skips_lead: bool = False) -> Iterator[Decoded[Span]]:
    """The same as `decode_traces`, at most so many spans at a time: the first can be used before the rest is read.

    With `lead`, the first piece has so many, and whoever `skips_lead` gets the rest: two that share the work. What is wrong with
    the request itself is in the first piece.
    """
    names = ("resource_spans", "scope_spans", "spans")
    pieces = _pieces(ExportTraceServiceRequest, body, "span", names, _span, records_max, lead, skips_lead)
    return islice(pieces, 1, None) if skips_lead else pieces


def _decode(kind: Any, body: bytes, what: str, names: tuple[str, str, str], make: Callable[[Any], R]) -> Decoded[R]:
    return next(_pieces(kind, body, what, names, make, RECORDS_ALL))


def _pieces(
    kind: Any,
    body: bytes,
    what: str,
    names: tuple[str, str, str],
    make: Callable[[Any], R],
    records_max: int,
    lead: int = 0,
    skips_lead: bool = False,
) -> Iterator[Decoded[R]]:
    """Pieces of one size, but for the first, if it is to have `lead` records, and the last; at least one. Who `skips_lead` gets
    the first without its records."""
    groups, parts, records = names
    decoded: Decoded[R] = Decoded([], 0, [])
    # What surrounds the records is read first: without it the request is refused as a whole, and nothing of it is used before.
    frames = [
        (
            frame_attributes("resource", lambda: _attributes(group.resource.attributes)),  # noqa: B023  called at once
            group.schema_url,
            [(_scope(part), getattr(part, records)) for part in getattr(group, parts)],
        )
        for group in getattr(_message(kind, body, decoded, what), groups)
    ]
    total = sum(len(found) for *_, made in frames for _, found in made)
    rest = max(0, total - lead)
    size = -(-rest // -(-rest // records_max)) if rest else 1
    room = lead or size
    skipped = skips_lead
    for attributes, schema_url, made in frames:
        group: Group[R] = Group(attributes, schema_url, [])
        decoded.groups.append(group)
        for scope, found in made:
            at = 0
            while at < len(found) or not at:
                if not room and found:
                    yield decoded
                    skipped = False
                    room, group = size, Group(attributes, schema_url, [])
                    decoded = Decoded([group], 0, [])
                some = found[at : at + room] if at or room < len(found) else found
                if not skipped:
                    group.parts.append(Part(scope, kept(decoded, what, some, make, at)))
                at, room = at + (len(some) or 1), room - len(some)
    yield decoded


def _message(kind: Any, body: bytes, decoded: Decoded[Any], what: str) -> Any:
    try:
        return kind.FromString(body)
    except DecodeError:
        return sieve.sound_part(kind, body, lambda why: decoded.refuse(what, why))


def _scope(part: Any) -> Scope:
    scope = part.scope
    attributes = frame_attributes("scope", lambda: _attributes(scope.attributes)) if scope.attributes else {}
    return Scope(scope.name, scope.version, attributes, part.schema_url)


# ── spans ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _span(span: Any) -> Span:
    trace_id, span_id, parent_id = span.trace_id, span.span_id, span.parent_span_id
    if len(trace_id) != 16 or trace_id == _ZERO_TRACE:
        raise wrong_id("trace id", trace_id.hex(), 32)
    if len(span_id) != 8 or span_id == _ZERO_SPAN:
        raise wrong_id("span id", span_id.hex(), 16)
    if parent_id and len(parent_id) != 8:
        raise wrong_id("parent span id", parent_id.hex(), 16)
    start_ns, end_ns = span.start_time_unix_nano, span.end_time_unix_nano
    check_times(start_ns, end_ns)
    status = span.status
    made = Span(
        trace_id.hex(),
        span_id.hex(),
        span.name,
        start_ns,
        end_ns,
        parent_id.hex() if parent_id and parent_id != _ZERO_SPAN else None,
        span.kind,
        status.code,
        status.message,
        _attributes(span.attributes),
        [],
        [],
        span.flags,
        span.trace_state,
        span.dropped_attributes_count + span.dropped_events_count + span.dropped_links_count,
    )
    if span.events:
        made.events = [
            SpanEvent(event.name, check_time(event.time_unix_nano), _attributes(event.attributes))
            for event in span.events
        ]
    if span.links:
        made.links = [
            Link(link.trace_id.hex(), link.span_id.hex(), _attributes(link.attributes)) for link in span.links
        ]
    return made


# ── log records ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _log(record: Any) -> LogRecord:
    return LogRecord(
        check_time(record.time_unix_nano) or check_time(record.observed_time_unix_nano),
        record.event_name,
        record.severity_number,
        record.severity_text,
        _value(record.body, 0) if record.HasField("body") else None,
        _attributes(record.attributes),
        _optional_id("trace id", record.trace_id.hex(), NO_TRACE),
        _optional_id("span id", record.span_id.hex(), NO_SPAN),
        record.dropped_attributes_count,
    )


def _optional_id(what: str, digits: str, zeros: str) -> str | None:
    if not digits or digits == zeros:
        return None
    if len(digits) != len(zeros):
        raise wrong_id(what, digits, len(zeros))
    return digits


# ── metrics ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _metric(metric: Any) -> Metric:
    kind = metric.WhichOneof("data")
    if kind is None:
        raise ValueError("it has no data that is known here")
    data = getattr(metric, kind)
    temporality = data.aggregation_temporality if kind in ("sum", "histogram", "exponential_histogram") else 0
    return Metric(
        metric.name,
        kind,
        metric.description,
        metric.unit,
        TEMPORALITIES[temporality] if 0 <= temporality < len(TEMPORALITIES) else None,
        data.is_monotonic if kind == "sum" else None,
        [_point(kind, point) for point in data.data_points],
    )


def _point(kind: str, point: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "start_ns": check_time(point.start_time_unix_nano),
        "time_ns": check_time(point.time_unix_nano),
        "attributes": _attributes(point.attributes),
    }
    if kind in ("gauge", "sum"):
        which = point.WhichOneof("value")
        made["value"] = _number(getattr(point, which)) if which else None
    else:
        made["count"] = point.count
        made["sum"] = plain_number(point.sum) if kind == "summary" or point.HasField("sum") else None
        _DISTRIBUTIONS[kind](point, made)
    if point.flags:
        made["flags"] = point.flags
    if kind != "summary" and point.exemplars:
        made["exemplars"] = [_exemplar(exemplar) for exemplar in point.exemplars]
    return made


def _histogram(point: Any, made: dict[str, Any]) -> None:
    _ends(point, made)
    made["bucket_counts"] = list(point.bucket_counts)
    made["explicit_bounds"] = [plain_number(bound) for bound in point.explicit_bounds]


def _exponential(point: Any, made: dict[str, Any]) -> None:
    _ends(point, made)
    made["scale"] = point.scale
    made["zero_count"] = point.zero_count
    made["zero_threshold"] = plain_number(point.zero_threshold)
    for side in ("positive", "negative"):
        buckets = getattr(point, side)
        made[side] = {"offset": buckets.offset, "bucket_counts": list(buckets.bucket_counts)}


def _summary(point: Any, made: dict[str, Any]) -> None:
    made["quantiles"] = [
        {"quantile": plain_number(one.quantile), "value": plain_number(one.value)} for one in point.quantile_values
    ]


_DISTRIBUTIONS = {"histogram": _histogram, "exponential_histogram": _exponential, "summary": _summary}


def _ends(point: Any, made: dict[str, Any]) -> None:
    for name in ("min", "max"):
        made[name] = plain_number(getattr(point, name)) if point.HasField(name) else None


def _exemplar(exemplar: Any) -> dict[str, Any]:
    which = exemplar.WhichOneof("value")
    return {
        "time_ns": check_time(exemplar.time_unix_nano),
        "value": _number(getattr(exemplar, which)) if which else None,
        "attributes": _attributes(exemplar.filtered_attributes),
        "trace_id": _optional_id("trace id", exemplar.trace_id.hex(), NO_TRACE),
        "span_id": _optional_id("span id", exemplar.span_id.hex(), NO_SPAN),
    }


def _number(value: float) -> float | str:
    return plain_number(value) if type(value) is float else value


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _attributes(pairs: Any, depth: int = 0) -> dict[str, Any]:
    """The pairs as a dict. Nearly all values are texts or whole numbers, and asking for these first is the fastest."""
    made: dict[str, Any] = {}
    for pair in pairs:
        value = pair.value
        made[pair.key] = value.string_value or value.int_value or _value(value, depth)
    return made


def _value(value: Any, depth: int) -> Any:
    which = value.WhichOneof("value")
    if which == "array_value":
        if depth >= VALUE_DEPTH_MAX:
            raise too_deep()
        return [item.string_value or _value(item, depth + 1) for item in value.array_value.values]
    if which == "double_value":
        return plain_number(value.double_value)
    if which == "kvlist_value":
        if depth >= VALUE_DEPTH_MAX:
            raise too_deep()
        return _attributes(value.kvlist_value.values, depth + 1)
    if which == "bytes_value":
        return b64encode(value.bytes_value).decode()
    return getattr(value, which) if which else None
