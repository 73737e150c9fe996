"""The AI SDK of Vercel: docs `vercel/ai content/docs/03-ai-sdk-core/60-telemetry.mdx`, versions 4 to 6.

Only the `doGenerate`, `doStream` and `doEmbed` spans are calls of a model; the spans around them repeat their usage.
"""

from __future__ import annotations

from typing import Any

from flightlog.ingest.otlp.mapping.declare import MANY, Dialect, Fields, Take
from flightlog.ingest.otlp.mapping.messages import messages_of, tool_call, tool_of
from flightlog.ingest.otlp.mapping.requests import request_of
from flightlog.ingest.otlp.mapping.values import (
    a_list,
    anything,
    count,
    finish_reasons,
    loose,
    milliseconds,
    number,
    provider,
    text,
)

_OPERATIONS = {
    "ai.toolCall": "execute_tool",
    "ai.generateText.doGenerate": "chat",
    "ai.generateObject.doGenerate": "chat",
    "ai.streamText.doStream": "chat",
    "ai.streamObject.doStream": "chat",
    "ai.embed.doEmbed": "embeddings",
    "ai.embedMany.doEmbed": "embeddings",
    "ai.generateText": "invoke_agent",
    "ai.generateObject": "invoke_agent",
    "ai.streamText": "invoke_agent",
    "ai.streamObject": "invoke_agent",
    "ai.embed": "embed",
    "ai.embedMany": "embed",
}


def _operation(value: Any) -> Fields | None:
    operation = _OPERATIONS.get(value) if type(value) is str else None
    if operation is None:
        return None
    fields: Fields = {"operation": operation, "attributes.ai.operationId": value}
    if value.endswith(".doStream"):
        fields["streamed"] = True
    return fields


def _prompt(value: Any) -> Fields | None:
    return request_of(value) or ({"asked": value} if text(value) else None)


def _tools(value: Any) -> list[Any] | None:
    given = a_list(value)
    return [tool_of(entry) for entry in given] if given else None


def _calls(value: Any) -> list[Any] | None:
    given = a_list(value)
    calls = [tool_call(entry) for entry in given] if given else []
    return calls if calls and None not in calls else None


VERCEL = Dialect(
    "vercel",
    "Vercel AI SDK",
    "4 to 6",
    {
        "ai.operationId": Take(MANY, _operation),
        "ai.model.id": Take("request_model", text),
        "ai.model.provider": Take("provider", provider),
        "ai.prompt.messages": Take("messages", messages_of),
        "ai.prompt": Take(MANY, _prompt),
        "ai.prompt.tools": Take("tools", _tools),
        "ai.prompt.toolChoice": Take("parameters.tool_choice", loose),
        "ai.settings.maxOutputTokens": Take("parameters.max_tokens", number),
        "ai.settings.maxRetries": Take("parameters.max_retries", number),
        "ai.response.text": Take("answer_text", text),
        "ai.response.object": Take("answer_text", text),
        "ai.response.toolCalls": Take("answer_calls", _calls),
        "ai.response.finishReason": Take("finish_reasons", finish_reasons),
        "ai.response.id": Take("response_id", text),
        "ai.response.model": Take("model", text),
        "ai.response.msToFirstChunk": Take("time_to_first_chunk_ns", milliseconds),
        "ai.usage.inputTokens": Take("input_tokens", count),
        "ai.usage.outputTokens": Take("output_tokens", count),
        "ai.usage.promptTokens": Take("input_tokens", count),
        "ai.usage.completionTokens": Take("output_tokens", count),
        "ai.usage.cachedInputTokens": Take("cached_input_tokens", count),
        "ai.usage.reasoningTokens": Take("reasoning_tokens", count),
        "ai.usage.totalTokens": Take("total_tokens", count),
        "ai.usage.tokens": Take("input_tokens", count),
        "ai.value": Take("asked", loose),
        "ai.values": Take("asked", anything),
        "ai.toolCall.name": Take("tool", text),
        "ai.toolCall.id": Take("call_id", text),
        "ai.toolCall.args": Take("arguments", loose),
        "ai.toolCall.result": Take("result", loose),
        # version 4 and before
        "ai.result.text": Take("answer_text", text),
        "ai.result.object": Take("answer_text", text),
        "ai.result.toolCalls": Take("answer_calls", _calls),
        "ai.finishReason": Take("finish_reasons", finish_reasons),
        "ai.stream.msToFirstChunk": Take("time_to_first_chunk_ns", milliseconds),
    },
)
