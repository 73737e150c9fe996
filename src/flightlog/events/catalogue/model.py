"""Calls of a model. Names follow OpenTelemetry's `gen_ai.*` attributes, without the prefix."""

from __future__ import annotations

from flightlog.events.catalogue.declare import (
    ATTRIBUTES,
    ERROR,
    FIX_SPAN,
    OTLP,
    ROOT_SPAN,
    EventType,
    anything,
    count,
    example,
    free,
    many,
    number,
    payload,
    record,
    text,
    yes_no,
)

_CALL = "c7f3e2a90b114d58"

_TOOL_CALL = record(
    "A tool call that the model asks for.",
    {
        "id": text("The call's id, which the tool's answer repeats (gen_ai.tool.call.id)."),
        "name": text("The tool (gen_ai.tool.name)."),
        "arguments": anything("What to call it with (gen_ai.tool.call.arguments)."),
    },
)
_CONTENT = anything("Text, or a list of parts.")
_MESSAGE = record(
    "One message of the conversation (gen_ai.input.messages).",
    {
        "role": text("Who speaks: system, user, assistant or tool."),
        "content": _CONTENT,
        "name": text("The speaker's name, where there are several."),
        "tool_calls": many("The tool calls that an assistant message asks for.", _TOOL_CALL),
        "tool_call_id": text("The call that a tool message answers."),
    },
)
_ANSWER = record(
    "The model's answer (gen_ai.output.messages).",
    {
        "role": text("Who speaks: assistant."),
        "content": _CONTENT,
        "tool_calls": many("The tool calls that it asks for.", _TOOL_CALL),
    },
)
_USAGE = record(
    "Tokens, as the provider counted them.",
    {
        "input_tokens": count("All tokens of the input, cached ones included (gen_ai.usage.input_tokens)."),
        "output_tokens": count("All tokens of the output, reasoning included (gen_ai.usage.output_tokens)."),
        "cached_input_tokens": count("Of the input, read from a cache (gen_ai.usage.cache_read.input_tokens)."),
        "cache_write_tokens": count("Of the input, written to a cache (gen_ai.usage.cache_creation.input_tokens)."),
        "reasoning_tokens": count("Of the output, spent on reasoning (gen_ai.usage.reasoning.output_tokens)."),
    },
)

_ASKED = {
    "model": text("The model asked for (gen_ai.request.model)."),
    "messages": many("The conversation so far.", _MESSAGE),
    "input": anything("What was embedded, completed or drawn, where it is no conversation."),
    "parameters": free("temperature, max_tokens, top_p, seed, stop_sequences, … (gen_ai.request.*)."),
    "tools": many("The tools that the model may ask for (gen_ai.tool.definitions)."),
}

LLM = (
    EventType(
        code="FR-EVT-010",
        type="llm_request",
        title="Model asked",
        description="A request goes out to a model; the envelope's name is the model.",
        schema=payload(
            "llm_request",
            {
                "provider": text("Who serves it: openai, anthropic, aws.bedrock, … (gen_ai.provider.name)."),
                "operation": text("chat, text_completion, embeddings, generate_content, … (gen_ai.operation.name)."),
                **_ASKED,
            },
            needs=["model"],
        ),
        example=example(
            5,
            "llm_request",
            2_310,
            {
                "model": "gpt-4o-mini",
                "provider": "openai",
                "operation": "chat",
                "messages": [
                    {"role": "system", "content": "You repair Python code. Answer with one tool call."},
                    {"role": "user", "content": "tests/test_login.py::test_capitals fails. Find out why."},
                ],
                "parameters": {"temperature": 0.2, "max_tokens": 800, "seed": 7},
                "tools": [
                    {
                        "type": "function",
                        "name": "read_file",
                        "description": "The text of a file",
                        "parameters": {"type": "object", "properties": {"path": {"type": "string"}}},
                    }
                ],
            },
            name="gpt-4o-mini",
            span_id=FIX_SPAN,
            parent_span_id=ROOT_SPAN,
            correlation_id=_CALL,
        ),
    ),
    EventType(
        code="FR-EVT-011",
        type="llm_response",
        title="Model answered",
        description="A model's answer, or the error that came instead, with tokens, cost and time.",
        schema=payload(
            "llm_response",
            {
                "model": text("The model that answered (gen_ai.response.model)."),
                "provider": text("Who served it (gen_ai.provider.name)."),
                "response_id": text("The provider's id of the answer (gen_ai.response.id)."),
                "operation": text("chat, text_completion, embeddings, generate_content, … (gen_ai.operation.name)."),
                "request": record(
                    "What was asked, where no llm_request of its own says it.",
                    {**_ASKED, "model": text("The model asked for, where the event's name does not say it.")},
                ),
                "message": _ANSWER,
                "choices": many("All answers, where the model gave more than one.", _ANSWER),
                "finish_reasons": many(
                    "Why the model stopped: stop, length, tool_calls, … (gen_ai.response.finish_reasons).",
                    text("One reason for each choice."),
                ),
                "usage": _USAGE,
                "cost_usd": number("What the call cost, in US dollars."),
                "time_to_first_chunk_ns": count("Until the first chunk (gen_ai.response.time_to_first_chunk, in ns)."),
                "streamed": yes_no("Whether the answer came in chunks (gen_ai.request.stream)."),
                "chunks": count("How many chunks came."),
                "error": ERROR,
                "attributes": ATTRIBUTES,
                "otlp": OTLP,
            },
        ),
        example=example(
            6,
            "llm_response",
            3_987,
            {
                "model": "gpt-4o-mini-2024-07-18",
                "provider": "openai",
                "response_id": "chatcmpl-BqX7u2mPzT0dE5s9",
                "message": {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "call_1", "name": "read_file", "arguments": {"path": "shop/login.py"}}],
                },
                "finish_reasons": ["tool_calls"],
                "usage": {
                    "input_tokens": 1_240,
                    "output_tokens": 96,
                    "cached_input_tokens": 1_024,
                    "reasoning_tokens": 0,
                },
                "cost_usd": 0.000167,
                "time_to_first_chunk_ns": 412_880_310,
                "streamed": True,
                "chunks": 31,
            },
            name="gpt-4o-mini",
            span_id=FIX_SPAN,
            parent_span_id=ROOT_SPAN,
            correlation_id=_CALL,
            status="ok",
            duration_ns=1_677_004_212,
        ),
        answers="llm_request",
        statuses=("ok", "error"),
        timed=True,
    ),
)
