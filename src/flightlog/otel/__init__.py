"""OpenTelemetry of this process into the recorder: what instrumentations see is in the spool when a span ends, without a server.

    from opentelemetry.sdk.trace import TracerProvider
    provider = TracerProvider()
    provider.add_span_processor(flightlog.otel.SpanProcessor("./flight"))

Needs the `otel` extra (opentelemetry-sdk). A Flightlog run is the parent of the spans that are started inside it, and a span that
is current the parent of runs, spans and events of Flightlog.
"""

try:
    import opentelemetry.sdk.trace  # noqa: F401
except ImportError as error:
    raise ImportError("flightlog.otel needs opentelemetry-sdk; pip install 'flightlog[otel]' brings it") from error

from flightlog.otel.context import connect
from flightlog.otel.logs import LogRecordExporter, LogRecordProcessor
from flightlog.otel.spans import RunMarker, SpanExporter, SpanProcessor

__all__ = ["LogRecordExporter", "LogRecordProcessor", "RunMarker", "SpanExporter", "SpanProcessor", "connect"]
