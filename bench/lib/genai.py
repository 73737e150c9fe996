"""Spans as an instrumented chat application sends them: 2.4 KB each in OTLP, ten to a trace, GenAI conventions."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue

from lib.flights import START, text

SPANS_PER_TRACE = 10
SPANS_PER_REQUEST = 512  # what the official exporter sends at once
SCOPE, SCOPE_VERSION = "opentelemetry.instrumentation.openai_v2", "2.1b0"
RESOURCE = {"service.name": "bench", "telemetry.sdk.language": "python", "telemetry.sdk.name": "opentelemetry"}


class Chats:
    """The attributes of one model call after another."""

    def __init__(self, seed: int = 1) -> None:
        self._chance = random.Random(seed)
        self._texts = [text(self._chance, 520) for _ in range(200)]
        self._count = 0

    def attributes(self) -> dict[str, Any]:
        self._count += 1
        chance = self._chance
        asked = [self._message("system"), self._message("user")]
        answered = [{**self._message("assistant"), "finish_reason": "stop"}]
        return {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
            "gen_ai.response.id": f"chatcmpl-{self._count}",
            "gen_ai.request.temperature": 0.2,
            "gen_ai.request.max_tokens": 512,
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.input_tokens": chance.randrange(100, 4_000),
            "gen_ai.usage.output_tokens": chance.randrange(10, 900),
            "server.address": "api.openai.com",
            "server.port": 443,
            "gen_ai.input.messages": json.dumps(asked),
            "gen_ai.output.messages": json.dumps(answered),
        }

    def _message(self, role: str) -> dict[str, Any]:
        return {"role": role, "parts": [{"type": "text", "content": self._chance.choice(self._texts)}]}


def requests(spans: int, seed: int = 1) -> Iterator[tuple[int, bytes]]:
    """Encoded requests with so many spans in all: how many each has, and its bytes."""
    chats, chance = Chats(seed), random.Random(seed)
    trace_id = root = b""
    for first in range(0, spans, SPANS_PER_REQUEST):
        request = ExportTraceServiceRequest()
        group = request.resource_spans.add()
        group.resource.attributes.extend(_pair(key, value) for key, value in RESOURCE.items())
        part = group.scope_spans.add()
        part.scope.name, part.scope.version = SCOPE, SCOPE_VERSION
        count = min(SPANS_PER_REQUEST, spans - first)
        for number in range(first, first + count):
            span = part.spans.add()
            span.span_id = chance.randbytes(8)
            if number % SPANS_PER_TRACE == 0:
                trace_id, root = chance.randbytes(16), span.span_id
            else:
                span.parent_span_id = root
            span.trace_id, span.name, span.kind, span.flags = trace_id, "chat gpt-4o-mini", 3, 0x101
            span.start_time_unix_nano = START + number * 1_000_000
            span.end_time_unix_nano = span.start_time_unix_nano + chance.randrange(10**8, 10**10)
            span.attributes.extend(_pair(key, value) for key, value in chats.attributes().items())
        yield count, request.SerializeToString()


def _pair(key: str, value: Any) -> KeyValue:
    return KeyValue(key=key, value=_value(value))


def _value(value: Any) -> AnyValue:
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[_value(item) for item in value]))
    if isinstance(value, int):
        return AnyValue(int_value=value)
    return AnyValue(double_value=value) if isinstance(value, float) else AnyValue(string_value=value)
