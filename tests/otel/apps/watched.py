"""The calls, watched by one instrumentation: `python -m tests.otel.apps.watched INSTRUMENTATION TARGET APP`.

TARGET is a data folder, which is recorded into, or the URL of a server, which OTLP is sent to.
"""

from __future__ import annotations

import importlib
import sys

from opentelemetry import _logs, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

INSTRUMENTATIONS = {
    "otel": "opentelemetry.instrumentation.openai_v2",
    "openinference": "openinference.instrumentation.openai",
    "openllmetry": "opentelemetry.instrumentation.openai",
}


def main(instrumentation: str, target: str, app: str) -> None:
    """Set up, call, and end."""
    traces, logs = TracerProvider(), LoggerProvider()
    if target.startswith("http"):
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{target}/v1/traces")))
        logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{target}/v1/logs")))
    else:
        import flightlog
        import flightlog.otel

        recorder = flightlog.open(target, drain=False)
        traces.add_span_processor(flightlog.otel.SpanProcessor(recorder))
        logs.add_log_record_processor(flightlog.otel.LogRecordProcessor(recorder))
    trace.set_tracer_provider(traces)
    _logs.set_logger_provider(logs)
    if instrumentation in INSTRUMENTATIONS:
        importlib.import_module(INSTRUMENTATIONS[instrumentation]).OpenAIInstrumentor().instrument()
    importlib.import_module(f"tests.otel.apps.{app}").main()
    traces.shutdown()
    logs.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
