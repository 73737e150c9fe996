"""Recorded calls, told by three instrumentations that know nothing of each other, come out the same."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import msgspec
import pytest

from flightlog.events.catalogue import check_event
from flightlog.events.envelope import EMPTY_PAYLOAD, FLAG_ROOT, Event
from flightlog.ingest.otlp.mapping import map_span, origin_of
from tests.ingest.otlp.mapped import payload_of, sample, sample_events

DIALECTS = ("genai", "openinference", "openllmetry")
REPLAYS = [
    ("genai", "traces"),
    ("genai", "logs"),
    ("openinference", "traces"),
    ("openinference", "agent_traces"),
    ("openllmetry", "traces"),
    ("openllmetry", "agent_traces"),
]


@pytest.mark.parametrize(("dialect", "name"), REPLAYS)
def test_both_encodings_give_the_same_events_and_the_journal_would_take_them(dialect: str, name: str) -> None:
    events = sample_events(dialect, name)
    assert events
    for event in events:
        check_event(event)
        assert "mapping_failed" not in payload_of(event)["otlp"]
    assert list(map(whole, sample_events(dialect, name, "pb"))) == list(map(whole, events))


def test_the_same_calls_mean_the_same_in_every_dialect() -> None:
    told = {dialect: calls_by_case(dialect) for dialect in DIALECTS}
    assert len(told["genai"]) == 6
    assert sum(map(len, told["genai"].values())) == 11
    for dialect in DIALECTS[1:]:
        assert told[dialect] == told["genai"], dialect


def test_a_recorded_call_is_whole() -> None:
    (asked, answered) = calls_by_case("genai")["case test_chat_completion_tool_calls_with_content"]
    assert asked == {
        "type": "llm_response",
        "name": "gpt-4o-mini",
        "status": "ok",
        "model": "gpt-4o-mini-2024-07-18",
        "provider": "openai",
        "operation": "chat",
        "request_model": "gpt-4o-mini",
        "messages": [
            {"role": "system", "content": "You're a helpful assistant."},
            {"role": "user", "content": "What's the weather in Seattle and San Francisco today?"},
        ],
        "message": {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": "call_JpNb8OiAkbIbHzDggfpdDHpi",
                    "name": "get_current_weather",
                    "arguments": {"location": "Seattle, WA"},
                },
                {
                    "id": "call_vaFQc3zK6hHTRZKXRI5Eo2cJ",
                    "name": "get_current_weather",
                    "arguments": {"location": "San Francisco, CA"},
                },
            ],
        },
        "choices": None,
        "finish_reasons": ["tool_calls"],
        "response_id": "chatcmpl-ASYMU9Ntix7ePttk0MSuerJstef6U",
        "tokens": [75, 51, 0, 0, 0],
        "error": None,
    }
    assert [message["role"] for message in answered["messages"]] == ["system", "user", "assistant", "tool", "tool"]
    assert answered["messages"][3] == {
        "role": "tool",
        "content": "50 degrees and raining",
        "tool_call_id": "call_JpNb8OiAkbIbHzDggfpdDHpi",
    }


def test_a_call_that_failed_says_what_and_how_in_every_dialect() -> None:
    for dialect in DIALECTS:
        (call,) = calls_by_case(dialect)["case test_chat_completion_404"]
        assert (call["status"], call["request_model"], call["model"]) == ("error", "this-model-does-not-exist", None)
        assert call["error"] == (
            "NotFoundError",
            "openai.NotFoundError",
            "Error code: 404 - The model `this-model-does-not-exist` does not exist or you do not have access to it.",
        )


def test_what_was_embedded_is_the_request_s_input() -> None:
    inputs = {}
    for dialect in DIALECTS:
        (event,) = [event for event in sample_events(dialect, "traces") if event.name == "text-embedding-3-small"]
        payload = payload_of(event)
        assert payload["operation"] == "embeddings"
        assert payload["usage"]["input_tokens"] == 8
        inputs[dialect] = payload["request"].get("input")
    said = "This is a test for embeddings with dimensions"
    assert inputs == {"genai": None, "openinference": said, "openllmetry": said}


def test_the_content_in_log_records_is_what_the_spans_say() -> None:
    spans = {event.span_id: payload_of(event) for event in sample_events("genai", "traces")}
    logs = sample_events("genai", "logs")
    assert len(logs) == 10
    for event in logs:
        payload, span = payload_of(event), spans[str(event.span_id)]
        assert payload["request"]["messages"] == span["request"]["messages"]
        assert payload.get("message") == span.get("message")
        assert payload.get("finish_reasons") == span.get("finish_reasons")


@pytest.mark.parametrize(("dialect", "name"), [replay for replay in REPLAYS if replay[1] != "logs"])
def test_every_attribute_is_in_the_event(dialect: str, name: str) -> None:
    for span, scope, resource in sample(dialect, name):
        (event,) = map_span(span, scope, origin_of(resource, "", "default"))
        payload = payload_of(event)
        said = leaves(payload) | {str(event.status), str(event.actor), str(event.correlation_id)}
        for key, value in span.attributes.items():
            if key in payload.get("attributes", {}) or key in WORDS:
                continue
            lost = leaves(opened(value)) - said - SAID_BY_THE_SPAN
            assert not lost, (span.name, key, lost)


def test_an_agent_s_spans_are_agents_workflows_tools_and_calls() -> None:
    kinds = [(event.type, event.name, payload_of(event).get("operation")) for event in agent("openllmetry")]
    assert sorted(kinds, key=str) == [
        ("llm_response", "gpt-4o-mini", "chat"),
        ("llm_response", "gpt-4o-mini", "chat"),
        ("span_finished", "LangGraph.workflow", "invoke_agent"),
        ("span_finished", "create_agent agent", "create_agent"),
        ("span_finished", "execute_task model", "execute_task"),
        ("span_finished", "execute_task model", "execute_task"),
        ("span_finished", "execute_task tools", "execute_task"),
        ("span_finished", "execute_task tools", "execute_task"),
        ("span_finished", "invoke_agent LangGraph", "invoke_agent"),
        ("tool_result", "get_current_weather", None),
        ("tool_result", "get_current_weather", None),
    ]
    kinds = [(event.type, event.name, payload_of(event).get("operation")) for event in agent("openinference")]
    assert sorted(kinds, key=str) == [
        ("llm_response", "gpt-4o-mini", "chat"),
        ("llm_response", "gpt-4o-mini", "chat"),
        ("span_finished", "LangGraph", "chain"),
        ("span_finished", "model", "chain"),
        ("span_finished", "model", "chain"),
        ("span_finished", "tools", "chain"),
        ("span_finished", "tools", "chain"),
        ("tool_result", "get_current_weather", None),
        ("tool_result", "get_current_weather", None),
    ]


@pytest.mark.parametrize("dialect", DIALECTS[1:])
def test_an_agent_s_tools_answer_the_calls_of_its_model(dialect: str) -> None:
    events = agent(dialect)
    asked = {call["id"] for event in events for call in payload_of(event).get("message", {}).get("tool_calls", ())}
    tools = [event for event in events if event.type == "tool_result"]
    assert {event.correlation_id for event in tools} == asked
    for event in tools:
        payload = payload_of(event)
        assert payload["call_id"] == event.correlation_id
        assert "degrees" in json.dumps(payload["result"])
        assert ", CA" in json.dumps(payload["arguments"]) or ", WA" in json.dumps(payload["arguments"])


@pytest.mark.parametrize("dialect", DIALECTS[1:])
def test_an_agent_s_run_is_its_trace_and_begins_at_its_root(dialect: str) -> None:
    by_run: dict[str | None, list[Event]] = defaultdict(list)
    for event in agent(dialect):
        by_run[event.run_id].append(event)
    for run_id, events in by_run.items():
        (root,) = [event for event in events if event.flags & FLAG_ROOT]
        assert root.trace_id == run_id
        assert root.parent_span_id is None
        assert payload_of(root)["otlp"]["name"]


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────

# Attributes whose value is a word for what the event is, and numbers that the event leaves out because others say them.
WORDS = {
    "openinference.span.kind",
    "traceloop.span.kind",
    "gen_ai.operation.name",
    "error.type",
    "llm.token_count.total",
    "gen_ai.usage.total_tokens",
    "input.mime_type",
    "output.mime_type",
}
# What parts are, and who says what is embedded: the shapes say it. The numbers are totals.
SAID_BY_THE_SPAN = {"function", "tool_call", "tool_call_response", "text", "user"} | {
    "126",
    "124",
    "98",
    "85",
    "52",
    "53",
}
ABOUT_ITSELF = {"created", "object", "index"}  # of a whole answer, which the span says better


def agent(dialect: str) -> list[Event]:
    return sample_events(dialect, "agent_traces")


def whole(event: Event) -> tuple[Event, bytes]:
    return msgspec.structs.replace(event, payload=EMPTY_PAYLOAD), bytes(event.payload)


def calls_by_case(dialect: str) -> dict[str, list[dict[str, Any]]]:
    """What each recorded case came to: the meaning of its calls, in their order."""
    events = sample_events(dialect, "traces")
    cases = {event.span_id: str(event.name) for event in events if event.type == "span_finished"}
    told: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        if event.type == "llm_response":
            told[cases[event.parent_span_id]].append(meaning(event))
    return told


def meaning(event: Event) -> dict[str, Any]:
    payload = payload_of(event)
    used, error, request = payload.get("usage", {}), payload.get("error"), payload.get("request", {})
    counted = ("input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "reasoning_tokens")
    return {
        "type": event.type,
        "name": event.name,
        "status": event.status,
        "request_model": request.get("model") or event.name,
        "messages": request.get("messages"),
        "tokens": [used.get(field, 0) for field in counted],
        "error": error and (error["kind"], error["type"], error["message"]),
        **{
            key: payload.get(key)
            for key in ("model", "provider", "operation", "message", "choices", "finish_reasons", "response_id")
        },
    }


def opened(value: Any) -> Any:
    """The value with every JSON text in it decoded."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return opened(json.loads(value))
        except ValueError:
            return value
    if isinstance(value, dict):
        return {key: opened(inner) for key, inner in value.items()}
    return [opened(inner) for inner in value] if isinstance(value, list) else value


def leaves(value: Any) -> set[str]:
    """All that is said in a value, as texts."""
    value = opened(value)
    if isinstance(value, dict):
        return set().union(*(leaves(inner) for key, inner in value.items() if key not in ABOUT_ITSELF))
    if isinstance(value, list):
        return set().union(*map(leaves, value))
    return {str(value)} if value not in (None, "", False, 0) else set()
