"""Langfuse's SDKs: `langfuse/langfuse packages/shared/src/server/otel/attributes.ts`.

`usage_details` has a count for each kind of token that is billed apart, so the parts are beside `input` and `output` and are added
here. `input_tokens` and such, where a sender uses a provider's names instead, are read as the provider means them.
"""

from __future__ import annotations

from typing import Any

from flightlog.clock import parse_ns
from flightlog.ingest.otlp.mapping.declare import MANY, Dialect, Fields, Take
from flightlog.ingest.otlp.mapping.dialects.mlflow import unquoted
from flightlog.ingest.otlp.mapping.requests import cost_of, parameters_of, usage_of
from flightlog.ingest.otlp.mapping.values import an_object, count, one_of, text

_TYPES = {
    "generation": "chat",
    "embedding": "embeddings",
    "agent": "invoke_agent",
    "tool": "execute_tool",
    "chain": "chain",
    "retriever": "retrieval",
    "evaluator": "evaluate",
    "guardrail": "guardrail",
}
_PARTS = {
    "input_cached_tokens": "cached_input_tokens",
    "input_cache_read": "cached_input_tokens",
    "cache_read_input_tokens": "cached_input_tokens",
    "input_cache_creation": "cache_write_tokens",
    "input_cache_write": "cache_write_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
    "output_reasoning_tokens": "reasoning_tokens",
    "output_reasoning": "reasoning_tokens",
}


def usage_details(value: Any) -> Fields | None:
    """The fields of Langfuse's counts; None where one of them has no field here.

    >>> usage_details('{"input": 5, "input_cached_tokens": 100, "output": 7}')
    {'cached_input_tokens': 100, 'input_tokens': 105, 'output_tokens': 7}
    """
    given = an_object(value)
    if given is None:
        return None
    if not ({"input", "output"} & given.keys()):
        return usage_of(given)
    fields: Fields = {}
    for key, amount in given.items():
        if key in ("input", "output", "total"):
            continue
        if key not in _PARTS or (number := count(amount)) is None:
            return None
        fields[_PARTS[key]] = fields.get(_PARTS[key], 0) + number
    cached = fields.get("cached_input_tokens", 0) + fields.get("cache_write_tokens", 0)
    for name, parts in (("input", cached), ("output", fields.get("reasoning_tokens", 0))):
        if name in given:
            number = count(given[name])
            if number is None:
                return None
            fields[f"{name}_tokens"] = number + parts
    if (total := count(given.get("total"))) is not None:
        fields["total_tokens"] = total
    return fields


def _parameters(value: Any) -> Fields | None:
    given = an_object(value)
    return parameters_of(given) if given else None


def _moment(value: Any) -> int | None:
    given = text(unquoted(value))
    try:
        at_ns = parse_ns(given) if given else None
    except (ValueError, OverflowError):
        return None
    return count(at_ns)


LANGFUSE = Dialect(
    "langfuse",
    "Langfuse",
    "3",
    {
        "langfuse.observation.type": Take("operation", one_of(_TYPES)),
        "langfuse.observation.input": Take("input", unquoted),
        "langfuse.observation.output": Take("output", unquoted),
        "langfuse.observation.model.name": Take("model", text),
        "langfuse.observation.model.parameters": Take(MANY, _parameters),
        "langfuse.observation.usage_details": Take(MANY, usage_details),
        "langfuse.observation.cost_details": Take("cost_usd", cost_of("total")),
        "langfuse.observation.completion_start_time": Take("first_chunk_at", _moment),
        "langfuse.observation.status_message": Take("error_message", text),
        "langfuse.trace.input": Take("input", unquoted),
        "langfuse.trace.output": Take("output", unquoted),
        "langfuse.user.id": Take("attributes.user.id", text),
        "langfuse.session.id": Take("attributes.session.id", text),
    },
)
