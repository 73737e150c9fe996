"""OpenTelemetry's own conventions: the current names, and those up to version 1.36.

Names: open-telemetry/semantic-conventions-genai `model/gen-ai/registry.yaml`; those before it in
open-telemetry/semantic-conventions `model/gen-ai/deprecated/registry-deprecated.yaml`. Input tokens include cached ones, output
tokens include reasoning.
"""

from __future__ import annotations

from typing import Any

from flightlog.ingest.otlp.mapping.declare import Dialect, Take
from flightlog.ingest.otlp.mapping.messages import arguments, messages_of, system_of, tools_of
from flightlog.ingest.otlp.mapping.values import (
    a_list,
    amount,
    anything,
    count,
    finish_reasons,
    loose,
    number,
    provider,
    seconds,
    text,
    texts,
    yes_no,
)

_OLD_OPERATIONS = {"completion": "text_completion", "embedding": "embeddings"}


def _operation(value: Any) -> str | None:
    word = text(value)
    return _OLD_OPERATIONS.get(word, word) if word else None


def prompt_messages(value: Any) -> Any:
    """Messages, or one text that a user said."""
    given = loose(value)
    if type(given) is str:
        return [{"role": "user", "content": given}] if given else None
    return messages_of(given)


def answer_messages(value: Any) -> Any:
    """Messages, or one text that the model said."""
    given = loose(value)
    if type(given) is str:
        return [{"role": "assistant", "content": given}] if given else None
    return messages_of(given)


def given(value: Any) -> Any:
    """An object where the text is one; else as it came."""
    return None if value is None else arguments(value)


def found(value: Any) -> list[Any] | None:
    """Documents, each an object."""
    listed = a_list(value)
    return listed if listed and all(type(entry) is dict for entry in listed) else None


GENAI = Dialect(
    "genai",
    "OpenTelemetry GenAI semantic conventions",
    "1.44, and the names up to 1.36",
    {
        "gen_ai.operation.name": Take("operation", _operation),
        "gen_ai.provider.name": Take("provider", provider),
        "gen_ai.request.model": Take("request_model", text),
        "gen_ai.response.model": Take("model", text),
        "gen_ai.response.id": Take("response_id", text),
        "gen_ai.response.finish_reasons": Take("finish_reasons", finish_reasons),
        "gen_ai.response.time_to_first_chunk": Take("time_to_first_chunk_ns", seconds),
        "gen_ai.request.stream": Take("streamed", yes_no),
        "gen_ai.usage.input_tokens": Take("input_tokens", count),
        "gen_ai.usage.output_tokens": Take("output_tokens", count),
        "gen_ai.usage.cache_read.input_tokens": Take("cached_input_tokens", count),
        "gen_ai.usage.cache_creation.input_tokens": Take("cache_write_tokens", count),
        "gen_ai.usage.reasoning.output_tokens": Take("reasoning_tokens", count),
        "gen_ai.input.messages": Take("messages", messages_of),
        "gen_ai.output.messages": Take("output_messages", messages_of),
        "gen_ai.system_instructions": Take("system", system_of),
        "gen_ai.tool.definitions": Take("tools", tools_of),
        "gen_ai.request.choice.count": Take("parameters.n", count),
        "gen_ai.request.encoding_formats": Take("parameters.encoding_formats", texts),
        "gen_ai.request.frequency_penalty": Take("parameters.frequency_penalty", number),
        "gen_ai.request.max_tokens": Take("parameters.max_tokens", number),
        "gen_ai.request.presence_penalty": Take("parameters.presence_penalty", number),
        "gen_ai.request.seed": Take("parameters.seed", number),
        "gen_ai.request.stop_sequences": Take("parameters.stop_sequences", texts),
        "gen_ai.request.temperature": Take("parameters.temperature", number),
        "gen_ai.request.top_k": Take("parameters.top_k", number),
        "gen_ai.request.top_p": Take("parameters.top_p", number),
        "gen_ai.output.type": Take("parameters.output_type", text),
        "gen_ai.embeddings.dimension.count": Take("parameters.dimensions", count),
        "gen_ai.tool.name": Take("tool", text),
        "gen_ai.tool.call.id": Take("call_id", text),
        "gen_ai.tool.call.arguments": Take("arguments", given),
        "gen_ai.tool.call.result": Take("result", loose),
        "gen_ai.retrieval.documents": Take("documents", found),
        "gen_ai.retrieval.query.text": Take("input", text),
        "openai.request.service_tier": Take("parameters.service_tier", text),
        # up to 1.36
        "gen_ai.system": Take("provider", provider),
        "gen_ai.usage.prompt_tokens": Take("input_tokens", count),
        "gen_ai.usage.completion_tokens": Take("output_tokens", count),
        "gen_ai.prompt": Take("messages", prompt_messages),
        "gen_ai.completion": Take("output_messages", answer_messages),
        "gen_ai.openai.request.seed": Take("parameters.seed", number),
        "gen_ai.openai.request.response_format": Take("parameters.response_format", anything),
        "gen_ai.openai.request.service_tier": Take("parameters.service_tier", text),
        "gen_ai.openai.response.service_tier": Take("attributes.openai.response.service_tier", text),
        "gen_ai.openai.response.system_fingerprint": Take("attributes.openai.response.system_fingerprint", text),
        # in wide use, in no convention
        "gen_ai.usage.cost": Take("cost_usd", amount),
        "gen_ai.usage.total_tokens": Take("total_tokens", count),
    },
)
