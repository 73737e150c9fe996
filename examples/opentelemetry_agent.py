"""Spans of OpenTelemetry inside a run of Flightlog, as an instrumentation makes them: one tree, in one folder, without a server.

python examples/opentelemetry_agent.py [FOLDER]
"""

from __future__ import annotations

import sys

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import flightlog
import flightlog.otel


def main(folder: str) -> None:
    """Record one run with an agent, a model call and a tool."""
    with flightlog.open(folder) as rec:
        provider = TracerProvider(resource=Resource.create({"service.name": "weather-shop"}))
        provider.add_span_processor(flightlog.otel.SpanProcessor(rec))
        tracer = provider.get_tracer("by-hand")
        with (
            rec.run("answer a question", actor="example") as run,
            tracer.start_as_current_span("invoke_agent") as agent,
        ):
            agent.set_attribute("gen_ai.operation.name", "invoke_agent")
            with tracer.start_as_current_span("chat small-model") as call:
                call.set_attributes(
                    {
                        "gen_ai.operation.name": "chat",
                        "gen_ai.provider.name": "example",
                        "gen_ai.request.model": "small-model",
                        "gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "Rain?"}]}]',
                        "gen_ai.usage.input_tokens": 12,
                        "gen_ai.usage.output_tokens": 5,
                    }
                )
            with tracer.start_as_current_span("execute_tool forecast") as tool:
                tool.set_attributes({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "forecast"})
                run.note("inside the tool's span")
        print("recorded as run", run.id)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "./flight")
