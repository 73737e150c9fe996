"""The SDK's doors for spans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace.export import SpanExporter as SdkSpanExporter
from opentelemetry.sdk.trace.export import SpanExportResult

from flightlog.otel.context import RUN_ATTRIBUTE, TASK_ATTRIBUTE, connect, scope_at
from flightlog.otel.writing import Target, Writer, is_ours


class RunMarker(sdk.SpanProcessor):
    """Names the Flightlog run (and its task) on each span that is started inside it, whoever exports the span then."""

    def __init__(self) -> None:
        connect()

    def on_start(self, span: sdk.Span, parent_context: Context | None = None) -> None:
        """Called by the SDK. Never raises."""
        try:
            scope = scope_at(parent_context)
            if scope is None or scope.run is None or RUN_ATTRIBUTE in (span.attributes or ()):
                return
            span.set_attribute(RUN_ATTRIBUTE, scope.run.id)
            if scope.run.task_id:
                span.set_attribute(TASK_ATTRIBUTE, scope.run.task_id)
        except Exception:
            return  # a span that does not name its run is still a span of its trace


class SpanProcessor(RunMarker):
    """Records each span when it ends: its bytes are in the kernel before the code that ended it goes on.

    There is no queue and no thread, so that what has ended survives a SIGKILL. `target` is a Recorder, or a folder or URL
    as `flightlog.open` takes it.
    """

    def __init__(self, target: Target) -> None:
        super().__init__()
        self._writer = Writer(target)

    def on_end(self, span: sdk.ReadableSpan) -> None:
        """Called by the SDK. Never raises."""
        if span.context and span.context.trace_flags.sampled and not is_ours():
            self._writer.span(span)

    def shutdown(self) -> None:
        """Called by the SDK at its end: closes the recorder, unless it was handed in."""
        self._writer.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """True: nothing waits here. `Recorder.flush` waits until what is spooled is in the store."""
        return True


class SpanExporter(SdkSpanExporter):
    """The same for a processor of the SDK's own (BatchSpanProcessor, SimpleSpanProcessor), which calls it in its own time."""

    def __init__(self, target: Target) -> None:
        self._writer = Writer(target)

    def export(self, spans: Sequence[sdk.ReadableSpan]) -> SpanExportResult:
        """FAILURE when any of them was dropped, which the recorder has counted then. Never raises."""
        taken = [self._writer.span(span) for span in spans]
        return SpanExportResult.SUCCESS if all(taken) else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Close the recorder, unless it was handed in."""
        self._writer.close()

    def force_flush(self, timeout_millis: int = 30_000) -> Any:
        """True: nothing waits here."""
        return True
