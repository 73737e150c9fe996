"""Logfire and Pydantic AI: `pydantic/logfire logfire/_internal/constants.py`, `pydantic_ai/models/instrumented.py`.

Pydantic AI before its version 2 of the format writes the conversation as a list of events in one attribute.
"""

from __future__ import annotations

from typing import Any

from flightlog.ingest.otlp.mapping.declare import MANY, Dialect, Fields, Take
from flightlog.ingest.otlp.mapping.messages import messages_of
from flightlog.ingest.otlp.mapping.requests import answer_of, request_of
from flightlog.ingest.otlp.mapping.values import a_list, amount, count, loose, text

_MARKS = frozenset({"event.name", "gen_ai.message.index", "gen_ai.system"})


def conversation(value: Any) -> Fields | None:
    """`events` and `all_messages_events`: messages, and after them the choices."""
    given = a_list(value)
    if not given or not all(type(event) is dict for event in given):
        return None
    asked: list[Any] = []
    answered: list[Any] = []
    for event in given:
        inner = event.get("message") if event.get("event.name") == "gen_ai.choice" else None
        raw = inner if type(inner) is dict else event
        if not ("role" in raw or "content" in raw):
            return None
        raw = {("tool_call_id" if key == "id" else key): part for key, part in raw.items() if key not in _MARKS}
        (asked if inner is None else answered).append(raw)
    fields: Fields = {}
    for name, raws in (("messages", asked), ("output_messages", answered)):
        if raws:
            messages = messages_of(raws)
            if messages is None:
                return None
            fields[name] = messages
    return fields


def _agent_s_conversation(value: Any) -> Fields | None:
    """Only the span of an agent's run has all of them; old versions do not name its operation."""
    fields = conversation(value)
    return None if fields is None else {"operation": "invoke_agent", **fields}


def _agent_s_messages(value: Any) -> Fields | None:
    messages = messages_of(value)
    return None if messages is None else {"operation": "invoke_agent", "messages": messages}


def _request(value: Any) -> Fields | None:
    given = loose(value)
    return request_of(given) if type(given) is dict else None


def _answer(value: Any) -> Fields | None:
    given = loose(value)
    if type(given) is not dict:
        return None
    if type(given.get("message")) is dict and given.keys() <= {"message", "usage"}:
        given = {"choices": [{"message": given["message"]}], "usage": given.get("usage")}
    return answer_of(given)


LOGFIRE = Dialect(
    "logfire",
    "Logfire and Pydantic AI",
    "4 and 1",
    {
        "events": Take(MANY, conversation),
        "all_messages_events": Take(MANY, _agent_s_conversation),
        "pydantic_ai.all_messages": Take(MANY, _agent_s_messages),
        "request_data": Take(MANY, _request),
        "response_data": Take(MANY, _answer),
        "gen_ai.usage.details.cache_read_tokens": Take("cached_input_tokens", count),
        "gen_ai.usage.details.cache_write_tokens": Take("cache_write_tokens", count),
        "gen_ai.usage.details.reasoning_tokens": Take("reasoning_tokens", count),
        "operation.cost": Take("cost_usd", amount),
        "tool_arguments": Take("arguments", loose),
        "tool_response": Take("result", loose),
        "final_result": Take("output", loose),
        "agent_name": Take("attributes.gen_ai.agent.name", text),
    },
)
