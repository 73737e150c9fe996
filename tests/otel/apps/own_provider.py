"""An application that has OpenTelemetry already: its own provider, set late, with its own exporter."""

from __future__ import annotations

import os

import openai
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


def main() -> None:
    """A span before the provider is set, and a call within a span after it; says what its own exporter got."""
    tracer = trace.get_tracer("own")
    with tracer.start_as_current_span("early"):
        pass
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    trace.set_tracer_provider(provider)
    assert trace.get_tracer_provider() is provider
    client = openai.OpenAI(base_url=os.environ["MODEL_URL"], api_key="test", max_retries=0)
    with tracer.start_as_current_span("request"):
        client.chat.completions.create(model="plain", messages=[{"role": "user", "content": "hi"}])
    print([span.name for span in kept.get_finished_spans()])


if __name__ == "__main__":
    main()
