"""What the SDK has in hand, as `ingest/otlp` reads it: the same as if it had gone through OTLP and come out again."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from flightlog.ingest.otlp.decoded import plain_number
from flightlog.ingest.otlp.model import PARENT_REMOTE, PARENT_REMOTE_KNOWN, Link, LogRecord, Scope, Span, SpanEvent

DEPTH_MAX = 24  # as of values that come by OTLP; what lies deeper is text


def span_of(span: ReadableSpan) -> Span:
    """A finished span."""
    context, parent, status = span.get_span_context(), span.parent, span.status
    assert context is not None
    flags = PARENT_REMOTE_KNOWN | (PARENT_REMOTE if parent is not None and parent.is_remote else 0)
    made = Span(
        f"{context.trace_id:032x}",
        f"{context.span_id:016x}",
        str(span.name),
        span.start_time or 0,
        span.end_time or span.start_time or 0,
        f"{parent.span_id:016x}" if parent is not None and parent.span_id else None,
        span.kind.value + 1,
        status.status_code.value,
        status.description or "",
        attributes_of(span.attributes),
        [],
        [],
        flags,
        context.trace_state.to_header() if context.trace_state else "",
        span.dropped_attributes + span.dropped_events + span.dropped_links,
    )
    if span.events:
        made.events = [SpanEvent(event.name, event.timestamp, attributes_of(event.attributes)) for event in span.events]
    if span.links:
        made.links = [
            Link(f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}", attributes_of(link.attributes))
            for link in span.links
        ]
    return made


def log_of(readable: ReadableLogRecord) -> LogRecord:
    """A log record."""
    record = readable.log_record
    return LogRecord(
        record.timestamp or record.observed_timestamp or 0,
        record.event_name or "",
        record.severity_number.value if record.severity_number is not None else 0,
        record.severity_text or "",
        plain(record.body),
        attributes_of(record.attributes),
        f"{record.trace_id:032x}" if record.trace_id else None,
        f"{record.span_id:016x}" if record.span_id else None,
        readable.dropped_attributes,
    )


def scope_of(scope: InstrumentationScope | None) -> Scope:
    """The instrumentation that made a record."""
    if scope is None:
        return Scope()
    return Scope(scope.name, scope.version or "", attributes_of(scope.attributes), scope.schema_url or "")


def attributes_of(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    """Attributes with plain values."""
    if not attributes:
        return {}
    return {
        key: value if type(value) is str or type(value) is int or type(value) is bool else plain(value)
        for key, value in attributes.items()
    }


def plain(value: Any, depth: int = 0) -> Any:
    """A value as it comes out of OTLP.

    >>> plain((1, b"ab", float("nan"), {"a": None}))
    [1, 'YWI=', 'NaN', {'a': None}]
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return plain_number(value)
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if depth < DEPTH_MAX and isinstance(value, Mapping):
        return {str(key): plain(inner, depth + 1) for key, inner in value.items()}
    if depth < DEPTH_MAX and isinstance(value, Sequence):
        return [plain(inner, depth + 1) for inner in value]
    return str(value)
