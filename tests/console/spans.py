"""Finished spans as an OpenTelemetry receiver hands them over: one event each, in the order in which they ended."""

from __future__ import annotations

from typing import Any

import msgspec

from flightlog.events.envelope import FLAG_ROOT, Event
from tests.api.serving import SECOND, START

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ASK = {"role": "user", "content": "Where is my parcel 4711?"}
SYSTEM = {"role": "system", "content": "You help with parcels."}
CALL = {"id": "call_1", "name": "find_parcel", "arguments": {"number": 4711}}
FOUND = "It left Hamburg this morning."


def span(
    type_: str, span_id: str, parent: str | None, began: float, ended: float, /, payload: dict[str, Any], **fields: Any
) -> Event:
    """A span that lasted from `began` to `ended`, in seconds from START."""
    given: dict[str, Any] = {
        "event_id": f"{TRACE}-{span_id}",
        "type": type_,
        "created_at": START + int(ended * SECOND),
        "duration_ns": int((ended - began) * SECOND),
        "run_id": TRACE,
        "trace_id": TRACE,
        "span_id": span_id,
        "parent_span_id": parent,
        "source": "parcel-agent",
        "status": "ok",
    }
    origin = {"name": f"{type_} {span_id}", "kind": "client", "dialect": "genai", "mapping": 1, "resource": "9b2e6f0c"}
    told = {**payload, "otlp": {**origin, **payload.get("otlp", {})}}
    return Event(**{**given, **fields, "payload": msgspec.Raw(msgspec.json.encode(told))})


def llm(
    span_id: str, parent: str | None, began: float, ended: float, messages: list[Any], message: Any, /, **fields: Any
) -> Event:
    """A model call: what was asked and what was answered, in one event."""
    payload = {
        "model": "gpt-4o-mini-2024-07-18",
        "provider": "openai",
        "operation": "chat",
        "request": {"model": "gpt-4o-mini", "messages": messages, "parameters": {"temperature": 0.2}},
        "message": message,
        "finish_reasons": ["tool_calls" if message and message.get("tool_calls") else "stop"],
        "usage": {"input_tokens": 120, "output_tokens": 20, "cached_input_tokens": 64},
        "cost_usd": 0.0003,
        "time_to_first_chunk_ns": 200_000_000,
        **fields.pop("payload", {}),
    }
    return span("llm_response", span_id, parent, began, ended, payload, **{"name": "gpt-4o-mini", **fields})


def log(number: int, span_id: str, at: float, payload: dict[str, Any], **fields: Any) -> Event:
    """A log record of a span."""
    return Event(
        event_id=f"log-{number}",
        type="log",
        created_at=START + int(at * SECOND),
        **{"run_id": TRACE, "trace_id": TRACE, "span_id": span_id, **fields},
        payload=msgspec.Raw(msgspec.json.encode(payload)),
    )


def parcel_trace() -> list[Event]:
    """An agent that looks something up, asks a model, calls a tool and asks again. Its own span comes last."""
    asked = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    answer = {"role": "tool", "content": FOUND, "tool_call_id": "call_1"}
    said = {"role": "assistant", "content": "Your parcel left Hamburg this morning."}
    documents = [{"id": "faq-7", "content": "Parcels take two days.", "score": 0.91}]
    return [
        span(
            "span_finished",
            "b1",
            "a0",
            1,
            2,
            {"operation": "retrieval", "input": "parcel 4711", "documents": documents},
            name="search faq",
        ),
        llm("b2", "a0", 2, 4, [SYSTEM, ASK], asked),
        span(
            "tool_result",
            "b3",
            "a0",
            4,
            5,
            {"tool": "find_parcel", "arguments": {"number": 4711}, "result": FOUND, "call_id": "call_1"},
            name="find_parcel",
            correlation_id="call_1",
        ),
        log(1, "b4", 5.5, {"body": "retrying after 429", "severity": "WARN"}, level="warn"),
        llm("b4", "a0", 5, 8, [SYSTEM, ASK, asked, answer], said, payload={"attributes": {"acme.tier": "gold"}}),
        span(
            "span_finished",
            "a0",
            None,
            0,
            9,
            {"operation": "invoke_agent", "input": [ASK], "output": said["content"]},
            name="answer about parcels",
            flags=FLAG_ROOT,
        ),
    ]
