"""OpenInference (Arize Phoenix): spec `Arize-ai/openinference spec/semantic_conventions.md`.

`llm.token_count.prompt` includes its `prompt_details`, `completion` includes its `completion_details`.
"""

from __future__ import annotations

from typing import Any

from flightlog.ingest.otlp.mapping.declare import MANY, Dialect, Family, Fields, Take
from flightlog.ingest.otlp.mapping.indexed import (
    completions,
    documents,
    embeddings,
    inner_texts,
    judgements,
    openinference_messages,
    openinference_tools,
)
from flightlog.ingest.otlp.mapping.requests import parameters_of
from flightlog.ingest.otlp.mapping.values import (
    amount,
    an_object,
    anything,
    count,
    finish_reasons,
    loose,
    one_of,
    provider,
    text,
)

_KINDS = {
    "llm": "chat",
    "embedding": "embeddings",
    "chain": "chain",
    "retriever": "retrieval",
    "reranker": "rerank",
    "tool": "execute_tool",
    "agent": "invoke_agent",
    "guardrail": "guardrail",
    "evaluator": "evaluate",
    "prompt": "prompt",
}


def _invocation(value: Any) -> Fields | None:
    given = an_object(value)
    return parameters_of(given) if given else None


OPENINFERENCE = Dialect(
    "openinference",
    "OpenInference",
    "spec of 2026",
    {
        "openinference.span.kind": Take("operation", one_of(_KINDS)),
        "llm.provider": Take("provider", provider),
        "llm.system": Take("provider", provider),
        "llm.request.model_name": Take("request_model", text),
        "llm.response.model_name": Take("model", text),
        "llm.model_name": Take("model", text),
        "llm.invocation_parameters": Take(MANY, _invocation),
        "llm.finish_reason": Take("finish_reasons", finish_reasons),
        "llm.token_count.prompt": Take("input_tokens", count),
        "llm.token_count.completion": Take("output_tokens", count),
        "llm.token_count.total": Take("total_tokens", count),
        "llm.token_count.prompt_details.cache_read": Take("cached_input_tokens", count),
        "llm.token_count.prompt_details.cache_write": Take("cache_write_tokens", count),
        "llm.token_count.completion_details.reasoning": Take("reasoning_tokens", count),
        "llm.cost.total": Take("cost_usd", amount),
        "input.value": Take("input", anything),
        "input.mime_type": Take("input_mime", text),
        "output.value": Take("output", anything),
        "output.mime_type": Take("output_mime", text),
        "embedding.model_name": Take("request_model", text),
        "embedding.invocation_parameters": Take(MANY, _invocation),
        "embedding.text": Take("asked", text),
        "reranker.model_name": Take("attributes.gen_ai.request.model", text),
        "reranker.query": Take("input", text),
        "tool.name": Take("tool", text),
        "tool.id": Take("call_id", text),
        "tool.description": Take("attributes.gen_ai.tool.description", text),
        "tool_call.id": Take("call_id", text),
        "tool_call.function.name": Take("tool", text),
        "tool_call.function.arguments": Take("arguments", loose),
        "agent.name": Take("attributes.gen_ai.agent.name", text),
        "metadata": Take("attributes.metadata", an_object),
    },
    {
        "llm.input_messages.": Family("messages", openinference_messages),
        "llm.output_messages.": Family("output_messages", openinference_messages),
        "llm.tools.": Family("tools", openinference_tools),
        "llm.prompts.": Family("asked", inner_texts("prompt")),
        "llm.choices.": Family("output_messages", completions),
        "retrieval.documents.": Family("documents", documents),
        "reranker.input_documents.": Family("attributes.reranker.input_documents", documents),
        "reranker.output_documents.": Family("documents", documents),
        "embedding.embeddings.": Family(MANY, embeddings),
        "evaluations.": Family("evaluations", judgements("evaluation")),
        "annotations.": Family("evaluations", judgements("annotation")),
        "trace.evaluations.": Family("run_evaluations", judgements("evaluation")),
        "trace.annotations.": Family("run_evaluations", judgements("annotation")),
    },
)
