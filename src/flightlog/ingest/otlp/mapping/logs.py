"""A log record becomes one event."""

from __future__ import annotations

from typing import Any

from flightlog.events.envelope import Event
from flightlog.ingest.otlp.mapping.making import digest_of, encoded, fitted, moment, named
from flightlog.ingest.otlp.mapping.version import MAPPING_VERSION
from flightlog.ingest.otlp.model import LogRecord, Origin, Scope


def map_log(record: LogRecord, scope: Scope, origin: Origin, ordinal: int = 0) -> list[Event]:
    """The event of a log record. `ordinal` counts equal records of one request, so that none of them is lost."""
    payload: dict[str, Any] = {}
    if record.body is not None:
        payload["body"] = record.body
    if record.event_name:
        payload["event_name"] = record.event_name
    if record.severity_text:
        payload["severity"] = record.severity_text
    if record.attributes:
        payload["attributes"] = record.attributes
    otlp: dict[str, Any] = {"mapping": MAPPING_VERSION}
    if scope.name:
        otlp["scope"] = scope.label
    if origin.digest:
        otlp["resource"] = origin.digest
    if record.dropped:
        otlp["dropped"] = record.dropped
    payload["otlp"] = otlp
    data, flags = encoded(payload, careful=True)
    return [
        Event(
            event_id="log-" + digest_of(origin.digest, scope.label, scope.attributes, record, ordinal)[:40],
            type="log",
            created_at=moment(record.time_ns),
            project=origin.project,
            run_id=origin.run_id or record.trace_id,
            name=named(record.event_name),
            level=_level(record.severity),
            source=origin.source,
            actor=origin.actor,
            trace_id=fitted(record.trace_id, "trace_id"),
            span_id=fitted(record.span_id, "span_id"),
            task_id=origin.task_id,
            flags=flags,
            payload=data,
        )
    ]


def _level(severity: int) -> str:
    """Ours for OpenTelemetry's number: 1–8 trace and debug, 9–12 info, 13–16 warn, from 17 error and fatal."""
    if severity >= 17:
        return "error"
    if severity >= 13:
        return "warn"
    return "debug" if 0 < severity < 9 else "info"
