"""OpenLLMetry (Traceloop): its own names beside the GenAI ones, and the indexed form of its versions before 0.50.

Names: traceloop/openllmetry `opentelemetry-semantic-conventions-ai/opentelemetry/semconv_ai/__init__.py`. Its instrumentations add
Anthropic's cached tokens to the input themselves.
"""

from __future__ import annotations

from flightlog.ingest.otlp.mapping.declare import Dialect, Family, Take
from flightlog.ingest.otlp.mapping.indexed import functions, openllmetry_messages
from flightlog.ingest.otlp.mapping.messages import tools_of
from flightlog.ingest.otlp.mapping.values import (
    count,
    finish_reasons,
    loose,
    number,
    one_of,
    text,
    texts,
    yes_no,
)

OPENLLMETRY = Dialect(
    "openllmetry",
    "OpenLLMetry",
    "0.62, and the indexed form before",
    {
        "gen_ai.is_streaming": Take("streamed", yes_no),
        "gen_ai.usage.reasoning_tokens": Take("reasoning_tokens", count),
        "gen_ai.usage.cache_read_input_tokens": Take("cached_input_tokens", count),
        "gen_ai.usage.cache_creation_input_tokens": Take("cache_write_tokens", count),
        "gen_ai.openai.system_fingerprint": Take("attributes.openai.response.system_fingerprint", text),
        "gen_ai.task.input": Take("input", loose),
        "gen_ai.task.output": Take("output", loose),
        "traceloop.entity.input": Take("input", loose),
        "traceloop.entity.output": Take("output", loose),
        "traceloop.span.kind": Take(
            "operation",
            one_of(
                {
                    "workflow": "invoke_workflow",
                    "task": "execute_task",
                    "agent": "invoke_agent",
                    "tool": "execute_tool",
                }
            ),
        ),
        "llm.request.type": Take(
            "operation",
            one_of(
                {
                    "chat": "chat",
                    "completion": "text_completion",
                    "embedding": "embeddings",
                    "rerank": "rerank",
                }
            ),
        ),
        "llm.is_streaming": Take("streamed", yes_no),
        "llm.usage.total_tokens": Take("total_tokens", count),
        "llm.response.finish_reason": Take("finish_reasons", finish_reasons),
        "llm.response.stop_reason": Take("finish_reasons", finish_reasons),
        "llm.top_k": Take("parameters.top_k", number),
        "llm.frequency_penalty": Take("parameters.frequency_penalty", number),
        "llm.presence_penalty": Take("parameters.presence_penalty", number),
        "llm.chat.stop_sequences": Take("parameters.stop_sequences", texts),
        "llm.request.repetition_penalty": Take("parameters.repetition_penalty", number),
        "llm.user": Take("parameters.user", text),
        "llm.request.functions": Take("tools", tools_of),
    },
    {
        "gen_ai.prompt.": Family("messages", openllmetry_messages("user")),
        "gen_ai.completion.": Family("output_messages", openllmetry_messages("assistant")),
        "llm.request.functions.": Family("tools", functions),
    },
)
