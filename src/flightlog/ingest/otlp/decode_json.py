"""OTLP in JSON: bytes of an Export*ServiceRequest → Decoded.

The protobuf JSON mapping with OTLP's changes (specification, OTLP/HTTP, "JSON Protobuf Encoding"): trace and span ids are hex,
keys are lowerCamelCase, unknown ones are passed over, whole numbers come as texts or numbers. Enums are taken as numbers
and, more than the specification asks for, by name.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import msgspec

from flightlog.errors import BodyInvalid
from flightlog.ingest.otlp import shapes_json as shapes
from flightlog.ingest.otlp.decoded import (
    INT64_MAX,
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

_HEX = frozenset("0123456789abcdef")
_FLOATS = {"NaN": "NaN", "Infinity": "Infinity", "-Infinity": "-Infinity"}
# A backslash with what it escapes: both halves of a letter, or one alone (the group), or anything else.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
UINT64_MAX = 2**64 - 1

_TEMPORALITIES = {1: "delta", 2: "cumulative"}


def decode_traces(body: bytes) -> Decoded[Span]:
    """The spans of an ExportTraceServiceRequest. Raises BodyInvalid."""
    return _decode(shapes.traces, body, "span", _span)


def decode_logs(body: bytes) -> Decoded[LogRecord]:
    """The records of an ExportLogsServiceRequest. Raises BodyInvalid."""
    return _decode(shapes.logs, body, "log record", _log)


def decode_metrics(body: bytes) -> Decoded[Metric]:
    """The metrics of an ExportMetricsServiceRequest. Raises BodyInvalid."""
    return _decode(shapes.metrics, body, "metric", _metric)


def _decode(outer: msgspec.json.Decoder[Any], body: bytes, what: str, make: Callable[[msgspec.Raw], R]) -> Decoded[R]:
    decoded: Decoded[R] = Decoded([], 0, [])
    try:
        request = outer.decode(body)
    except (ValueError, RecursionError):
        request = _decode_mended(outer, body)
    for group in request.groups or ():
        resource = group.resource.attributes if group.resource else None
        place = frame_attributes("resource", lambda: _attributes(resource))  # noqa: B023  called at once
        parts = [Part(_scope(part), kept(decoded, what, part.records or (), make)) for part in group.parts or ()]
        decoded.groups.append(Group(place, group.schema_url or "", parts))
    return decoded


def _decode_mended(outer: msgspec.json.Decoder[Any], body: bytes) -> Any:
    """JavaScript's exporters cut long texts within a letter, and write the half that is left: nobody's JSON but theirs."""
    try:
        return outer.decode(_ESCAPE.sub(_mend, body))
    except (ValueError, RecursionError) as error:
        raise BodyInvalid(reason=f"it is not OTLP in JSON: {error}") from None


def _mend(escape: re.Match[bytes]) -> bytes:
    return escape[0] if escape[1] is None else b"\\ufffd"


def _scope(part: Any) -> Scope:
    scope = part.scope or shapes.Scope()
    attributes = frame_attributes("scope", lambda: _attributes(scope.attributes))
    return Scope(scope.name or "", scope.version or "", attributes, part.schema_url or "")


# ── spans ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _span(text: msgspec.Raw) -> Span:
    span = shapes.span.decode(text)
    status = span.status or shapes.Status()
    start_ns, end_ns = _whole(span.start_time_unix_nano), _whole(span.end_time_unix_nano)
    made = Span(
        trace_id=_id("trace id", span.trace_id, NO_TRACE),
        span_id=_id("span id", span.span_id, NO_SPAN),
        name=span.name or "",
        start_ns=start_ns,
        end_ns=end_ns,
        parent_span_id=_optional_id("parent span id", span.parent_span_id, NO_SPAN),
        kind=shapes.enum(span.kind, shapes.SPAN_KINDS),
        status=shapes.enum(status.code, shapes.STATUS_CODES),
        status_message=status.message or "",
        attributes=_attributes(span.attributes),
        events=[
            SpanEvent(event.name or "", _time(event.time_unix_nano), _attributes(event.attributes))
            for event in span.events or ()
        ],
        links=[
            Link(_hex("link", link.trace_id), _hex("link", link.span_id), _attributes(link.attributes))
            for link in span.links or ()
        ],
        flags=_whole(span.flags),
        trace_state=span.trace_state or "",
        dropped=_whole(span.dropped_attributes_count)
        + _whole(span.dropped_events_count)
        + _whole(span.dropped_links_count),
    )
    check_times(start_ns, end_ns)
    return made


# ── log records ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _log(text: msgspec.Raw) -> LogRecord:
    record = shapes.log_record.decode(text)
    return LogRecord(
        time_ns=_time(record.time_unix_nano) or _time(record.observed_time_unix_nano),
        event_name=record.event_name or "",
        severity=shapes.enum(record.severity_number, shapes.SEVERITIES),
        severity_text=record.severity_text or "",
        body=None if record.body is None else _value(record.body, 0),
        attributes=_attributes(record.attributes),
        trace_id=_optional_id("trace id", record.trace_id, NO_TRACE),
        span_id=_optional_id("span id", record.span_id, NO_SPAN),
        dropped=_whole(record.dropped_attributes_count),
    )


# ── metrics ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _metric(text: msgspec.Raw) -> Metric:
    metric = shapes.metric.decode(text)
    for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary"):
        data = getattr(metric, kind)
        if data is not None:
            break
    else:
        raise ValueError("it has no data that is known here")
    has_temporality = kind in ("sum", "histogram", "exponential_histogram")
    temporality = shapes.enum(data.aggregation_temporality, shapes.TEMPORALITIES) if has_temporality else 0
    return Metric(
        name=metric.name or "",
        kind=kind,
        description=metric.description or "",
        unit=metric.unit or "",
        temporality=_TEMPORALITIES.get(temporality),
        monotonic=bool(data.is_monotonic) if kind == "sum" else None,
        points=[_point(kind, point) for point in data.data_points or ()],
    )


def _point(kind: str, point: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "start_ns": _time(point.start_time_unix_nano),
        "time_ns": _time(point.time_unix_nano),
        "attributes": _attributes(point.attributes),
    }
    if kind in ("gauge", "sum"):
        made["value"] = _measured(point)
    else:
        made["count"] = _whole(point.count)
        made["sum"] = _float(point.sum) if kind == "summary" else _maybe_float(point.sum)
        _DISTRIBUTIONS[kind](point, made)
    if _whole(point.flags):
        made["flags"] = _whole(point.flags)
    if point.exemplars:
        made["exemplars"] = [_exemplar(exemplar) for exemplar in point.exemplars]
    return made


def _histogram(point: Any, made: dict[str, Any]) -> None:
    made["min"], made["max"] = _maybe_float(point.min), _maybe_float(point.max)
    made["bucket_counts"] = [_whole(count) for count in point.bucket_counts or ()]
    made["explicit_bounds"] = [_float(bound) for bound in point.explicit_bounds or ()]


def _exponential(point: Any, made: dict[str, Any]) -> None:
    made["min"], made["max"] = _maybe_float(point.min), _maybe_float(point.max)
    made["scale"] = _int(point.scale)
    made["zero_count"] = _whole(point.zero_count)
    made["zero_threshold"] = _float(point.zero_threshold)
    for side in ("positive", "negative"):
        buckets = getattr(point, side) or shapes.Buckets()
        counts = [_whole(count) for count in buckets.bucket_counts or ()]
        made[side] = {"offset": _int(buckets.offset), "bucket_counts": counts}


def _summary(point: Any, made: dict[str, Any]) -> None:
    made["quantiles"] = [
        {"quantile": _float(one.quantile), "value": _float(one.value)} for one in point.quantile_values or ()
    ]


_DISTRIBUTIONS: dict[str, Callable[[Any, dict[str, Any]], None]] = {
    "histogram": _histogram,
    "exponential_histogram": _exponential,
    "summary": _summary,
}


def _exemplar(exemplar: Any) -> dict[str, Any]:
    return {
        "time_ns": _time(exemplar.time_unix_nano),
        "value": _measured(exemplar),
        "attributes": _attributes(exemplar.filtered_attributes),
        "trace_id": _optional_id("trace id", exemplar.trace_id, NO_TRACE),
        "span_id": _optional_id("span id", exemplar.span_id, NO_SPAN),
    }


def _measured(point: Any) -> float | str | None:
    if point.as_int is not None:
        return _int(point.as_int)
    return _maybe_float(point.as_double)


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _attributes(pairs: list[shapes.KeyValue] | None, depth: int = 0) -> dict[str, Any]:
    return {pair.key or "": None if pair.value is None else _value(pair.value, depth) for pair in pairs or ()}


def _value(value: shapes.Value, depth: int) -> Any:
    if value.string_value is not None:
        return value.string_value
    if value.int_value is not None:
        return _int(value.int_value)
    if value.bool_value is not None:
        return value.bool_value
    if value.double_value is not None:
        return _float(value.double_value)
    if value.bytes_value is not None:
        return b64encode(_bytes(value.bytes_value)).decode()
    if value.array_value is None and value.kvlist_value is None:
        return None
    if depth >= VALUE_DEPTH_MAX:
        raise too_deep()
    if value.kvlist_value is not None:
        return _attributes(value.kvlist_value.values, depth + 1)
    items = value.array_value.values if value.array_value is not None else None
    return [None if item is None else _value(item, depth + 1) for item in items or ()]


def _id(what: str, given: str | None, zeros: str) -> str:
    digits = _hex(what, given)
    if len(digits) != len(zeros) or digits == zeros:
        raise wrong_id(what, digits, len(zeros))
    return digits


def _optional_id(what: str, given: str | None, zeros: str) -> str | None:
    digits = _hex(what, given)
    return None if not digits or digits == zeros else _id(what, digits, zeros)


def _hex(what: str, given: str | None) -> str:
    digits = (given or "").lower()
    if not _HEX.issuperset(digits):
        raise ValueError(f"its {what} {given!r:.80} is not hex")
    return digits


def _time(given: int | str | None) -> int:
    return check_time(_int(given, UINT64_MAX))


def _whole(given: int | str | None) -> int:
    """A number that counts something."""
    number = _int(given, UINT64_MAX)
    if number < 0:
        raise ValueError(f"{number} is negative")
    return number


def _int(given: int | str | None, most: int = INT64_MAX) -> int:
    try:
        number = int(given or 0)
    except ValueError:
        raise ValueError(f"{given!r:.80} is not a whole number") from None
    if not -INT64_MAX - 1 <= number <= most:
        raise ValueError(f"{number} does not fit in 64 bits")
    return number


def _float(given: float | str | None) -> float | str:
    if isinstance(given, str):
        if given in _FLOATS:
            return given
        try:
            return plain_number(float(given))
        except ValueError:
            raise ValueError(f"{given!r:.80} is not a number") from None
    return plain_number(float(given or 0.0))


def _maybe_float(given: float | str | None) -> float | str | None:
    return None if given is None else _float(given)


def _bytes(given: str) -> bytes:
    """Base64 of either alphabet, padded or not."""
    text = given.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise ValueError("a value of bytes is not base64") from None
