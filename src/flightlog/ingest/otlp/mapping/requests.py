"""Requests and answers as a provider's API has them, where a sender gives them whole: `input.value`, `mlflow.spanInputs`, …

What is read becomes the same fields as attributes do. What has no field makes the reader give up, so that the whole stays in
the event.
"""

from __future__ import annotations

from typing import Any

from flightlog.ingest.otlp.mapping.messages import messages_of, tools_of
from flightlog.ingest.otlp.mapping.values import amount, count, finish_reason, loose, text

Fields = dict[str, Any]

_COUNTS = {
    "input_tokens": "input_tokens",
    "prompt_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "completion_tokens": "output_tokens",
    "total_tokens": "total_tokens",
    "cache_read_input_tokens": "cached_input_tokens",
    "cached_input_tokens": "cached_input_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
    "reasoning_tokens": "reasoning_tokens",
}
_DETAILS = {
    "prompt_tokens_details": {"cached_tokens": "cached_input_tokens", "cache_write_tokens": "cache_write_tokens"},
    "input_tokens_details": {"cached_tokens": "cached_input_tokens", "cache_write_tokens": "cache_write_tokens"},
    "completion_tokens_details": {"reasoning_tokens": "reasoning_tokens"},
    "output_tokens_details": {"reasoning_tokens": "reasoning_tokens"},
}
_SAID_ELSEWHERE = frozenset({"object", "created", "index", "type"})  # what it is, and when: the span says it


def parameters_of(given: Fields) -> Fields:
    """The fields in the parameters of a call: the model, whether it streams, tools, and the rest one by one.

    >>> parameters_of({"model": "gpt-4o", "stream": True, "temperature": 0.2})
    {'request_model': 'gpt-4o', 'streamed': True, 'parameters.temperature': 0.2}
    """
    fields: Fields = {}
    for key, value in given.items():
        if value is None or value == [] or value == {}:
            continue
        if key in ("model", "model_name") and text(value):
            fields.setdefault("request_model", value)
        elif key == "stream" and type(value) is bool:
            fields["streamed"] = value
        elif key == "tools" and (tools := tools_of(value)):
            fields["tools"] = tools
        elif type(key) is str:
            fields[f"parameters.{key}"] = value
    return fields


def request_of(value: Any) -> Fields | None:
    """The fields of a request: messages, or what else was asked, and its parameters. None for what is no request.

    >>> request_of('{"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}')
    {'request_model': 'gpt-4o', 'messages': [{'role': 'user', 'content': 'Hi'}]}
    """
    value = loose(value)
    if type(value) is list:
        messages = messages_of(value)
        return {"messages": messages} if messages else None
    if type(value) is not dict:
        return None
    if "role" in value:
        messages = messages_of(value)
        return {"messages": messages} if messages else None
    rest = dict(value)
    if type(rest.get("messages")) is list:
        messages = messages_of(rest.pop("messages"))
        if messages is None:
            return None
        said: Fields = {"messages": messages}
    elif type(rest.get("input")) in (str, list):
        asked = rest.pop("input")
        messages = messages_of(asked) if type(asked) is list else None
        said = {"messages": messages} if messages else {"asked": asked}
    elif "prompt" in rest:
        said = {"asked": rest.pop("prompt")}
    else:
        return None
    return parameters_of(rest) | said


def answer_of(value: Any) -> Fields | None:
    """The fields of an answer: messages, finish reasons, usage, ids. None for what is no answer, or has more to say."""
    value = loose(value)
    if type(value) is list:
        messages = messages_of(value)
        return {"output_messages": messages} if messages else None
    if type(value) is not dict:
        return None
    if type(value.get("data")) is list:
        return _embedding(value)
    fields: Fields = {}
    choices = value.get("choices")
    if type(choices) is list and choices:
        if not _choices(choices, fields):
            return None
    elif type(value.get("content")) in (str, list) and "role" in value:
        messages = messages_of([{"role": value["role"], "content": value["content"], **_calls(value)}])
        if not messages:
            return None
        fields["output_messages"] = messages
        if reason := finish_reason(value.get("stop_reason")):
            fields["finish_reasons"] = [reason]
    else:
        return None
    handled = {"choices", "content", "role", "stop_reason", "tool_calls", "function_call"}
    return fields if _envelope(value, handled, fields) else None


def usage_of(value: Any, beside: bool = False) -> Fields | None:
    """The fields of a usage object, by any provider's names; None where it counts what we have no field for.

    Anthropic's API counts what it read from and wrote to its cache beside the input: with `beside`, that is added.

    >>> usage_of({"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 2}})
    {'input_tokens': 3, 'output_tokens': 4, 'cached_input_tokens': 2}
    """
    value = loose(value)
    if type(value) is not dict or not value:
        return None
    fields: Fields = {}
    for key, given in value.items():
        if not given and given != 0:
            continue
        field = _COUNTS.get(key)
        if field is not None and (number := count(given)) is not None:
            fields.setdefault(field, number)
        elif key in _DETAILS and type(given) is dict:
            for part, amount_ in given.items():
                inner = _DETAILS[key].get(part)
                if inner is not None and (number := count(amount_)) is not None:
                    fields.setdefault(inner, number)
                elif amount_:
                    return None
        elif given:
            return None
    if beside and "input_tokens" in value and "input_tokens" in fields:
        for key in ("cache_read_input_tokens", "cache_creation_input_tokens"):
            fields["input_tokens"] += count(value.get(key)) or 0
    return fields


def cost_of(*keys: str) -> Any:
    """A reader of an object of costs: the total, by any of these names."""

    def read(value: Any) -> float | int | None:
        given = loose(value)
        if type(given) is not dict:
            return None
        return next((known for key in keys if (known := amount(given.get(key))) is not None), None)

    return read


def _choices(choices: list[Any], fields: Fields) -> bool:
    messages: list[Any] = []
    reasons: list[str] = []
    for choice in choices:
        if type(choice) is not dict:
            return False
        raw = choice.get("message")
        if raw is None and type(choice.get("text")) is str:
            raw = {"role": "assistant", "content": choice["text"]}
        if type(raw) is not dict or choice.get("logprobs"):
            return False
        found = messages_of([{"role": "assistant", **raw}])
        if not found:
            return False
        messages += found
        if reason := finish_reason(choice.get("finish_reason")):
            reasons.append(reason)
    fields["output_messages"] = messages
    if reasons:
        fields["finish_reasons"] = reasons
    return True


def _calls(value: Fields) -> Fields:
    return {key: value[key] for key in ("tool_calls", "function_call") if value.get(key)}


def _envelope(value: Fields, handled: set[str], fields: Fields) -> bool:
    """What an answer says about itself. False where it says something that has no field."""
    for key, given in value.items():
        if key in handled or key in _SAID_ELSEWHERE or not given:
            continue
        if key == "id" and text(given):
            fields["response_id"] = given
        elif key == "model" and text(given):
            fields["model"] = given
        elif key == "usage":
            used = usage_of(given, beside=True)
            if used is None:
                return False
            fields |= used
        elif key in ("system_fingerprint", "service_tier"):
            fields[f"attributes.openai.response.{key}"] = given
        else:
            return False
    return True


def _embedding(value: Fields) -> Fields | None:
    vectors = []
    for entry in value["data"]:
        if type(entry) is not dict or not entry.keys() <= {"embedding", "index", "object"} or "embedding" not in entry:
            return None
        vectors.append(entry["embedding"])
    fields: Fields = {"vectors": vectors}
    return fields if vectors and _envelope(value, {"data"}, fields) else None
