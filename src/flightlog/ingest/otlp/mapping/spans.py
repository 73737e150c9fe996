"""A finished span becomes one event."""

from __future__ import annotations

from typing import Any

from flightlog.events.envelope import FLAG_ROOT, Event
from flightlog.ingest.otlp.mapping.making import encoded, moment, named
from flightlog.ingest.otlp.mapping.version import MAPPING_VERSION
from flightlog.ingest.otlp.model import KINDS, STATUS_ERROR, Origin, Scope, Span


def map_span(span: Span, scope: Scope, origin: Origin) -> list[Event]:
    """The span's own event, and after it the feedback that its evaluations are."""
    payload: dict[str, Any] = {"attributes": span.attributes} if span.attributes else {}
    otlp: dict[str, Any] = {"name": span.name, "mapping": MAPPING_VERSION}
    if 0 < span.kind < len(KINDS):
        otlp["kind"] = KINDS[span.kind]
    if scope.name:
        otlp["scope"] = scope.label
    if origin.digest:
        otlp["resource"] = origin.digest
    payload["otlp"] = otlp
    data, flags = encoded(payload, careful=True)
    failed = span.status == STATUS_ERROR
    run_id = origin.run_id
    if run_id is None and span.is_root:
        flags |= FLAG_ROOT
    end = moment(span.end_ns)
    return [
        Event(
            event_id=f"{span.trace_id}-{span.span_id}",
            type="span_finished",
            created_at=end,
            project=origin.project,
            run_id=run_id or span.trace_id,
            name=named(span.name),
            level="error" if failed else "info",
            source=origin.source,
            actor=origin.actor,
            trace_id=span.trace_id,
            span_id=span.span_id,
            parent_span_id=span.parent_span_id,
            task_id=origin.task_id,
            status="error" if failed else "ok",
            duration_ns=max(0, end - moment(span.start_ns)),
            flags=flags,
            payload=data,
        )
    ]
