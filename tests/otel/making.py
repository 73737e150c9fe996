"""A tracer of the SDK over a recorder in memory."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from flightlog.events.envelope import Event
from flightlog.otel import SpanProcessor
from flightlog.testing import MemoryRecorder


def provider_of(recorder: MemoryRecorder, **attributes: Any) -> TracerProvider:
    provider = TracerProvider(resource=Resource({"service.name": "shop", **attributes}), shutdown_on_exit=False)
    provider.add_span_processor(SpanProcessor(recorder))
    return provider


def finished(recorder: MemoryRecorder, name: str) -> Event:
    """The one finished span of this name."""
    [event] = [event for event in recorder.events if event.type == "span_finished" and event.name == name]
    return event
