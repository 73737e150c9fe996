"""The official OTLP/HTTP exporter as one sender, in a process of its own: `python -m lib.otlp_sender ENDPOINT SPANS`.

Prints one line of JSON: seconds from the first span until all are acknowledged.
"""

from __future__ import annotations

import json
import sys
import time

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

from lib.genai import RESOURCE, SCOPE, SCOPE_VERSION, SPANS_PER_TRACE, Chats


def main() -> None:
    endpoint, spans = sys.argv[1], int(sys.argv[2])
    headers = dict(pair.split("=", 1) for pair in sys.argv[3:])
    exporter = OTLPSpanExporter(endpoint, headers=headers, timeout=60)
    # A queue that holds them all, so that the sender drops none and waits for nobody.
    processor = BatchSpanProcessor(exporter, max_queue_size=spans + 1)
    provider = TracerProvider(resource=Resource(RESOURCE))
    provider.add_span_processor(processor)
    tracer = provider.get_tracer(SCOPE, SCOPE_VERSION)
    chats = Chats()
    ready = [chats.attributes() for _ in range(1_000)]
    begin, number = time.perf_counter(), 0
    while number < spans:
        with tracer.start_as_current_span("agent step", kind=SpanKind.CLIENT, attributes=ready[number % 1_000]):
            number += 1
            for _ in range(min(SPANS_PER_TRACE - 1, spans - number)):
                with tracer.start_as_current_span(
                    "chat gpt-4o-mini", kind=SpanKind.CLIENT, attributes=ready[number % 1_000]
                ):
                    number += 1
    flushed = processor.force_flush(600_000)
    provider.shutdown()
    print(json.dumps({"seconds": time.perf_counter() - begin, "flushed": flushed}))


if __name__ == "__main__":
    main()
