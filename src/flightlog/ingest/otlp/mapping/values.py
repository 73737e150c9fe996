"""Readers of one attribute's value. Each gives None where the value is not what the attribute should hold.

An attribute whose value can't be read stays in the event under its own name, so a reader need never guess.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

import msgspec

Reader = Callable[[Any], Any]

INT64_MAX = 2**63 - 1
_decode = msgspec.json.Decoder().decode

# OpenTelemetry's words for a provider where other conventions, or older ones, have their own.
_PROVIDERS = {
    "az.ai.inference": "azure.ai.inference",
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "azure-openai": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "aws": "aws.bedrock",
    "amazon": "aws.bedrock",
    "amazon-bedrock": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google": "gcp.gen_ai",
    "google_genai": "gcp.gen_ai",
    "vertex_ai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
_FINISH = {
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "end_turn": "stop",
    "end": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "safety": "content_filter",
    "refusal": "content_filter",
}
_FINISH_OURS = frozenset(_FINISH.values())


def text(value: Any) -> str | None:
    """A text that says something."""
    return value if type(value) is str and value else None


def count(value: Any) -> int | None:
    """A whole number of at least 0 within 64 bits; digits in a text count too.

    >>> count(3), count(3.0), count("3"), count(-1), count(True), count(2.5)
    (3, 3, 3, None, None, None)
    """
    kind = type(value)
    if kind is float:
        if not value.is_integer():
            return None
        value = int(value)
    elif kind is str:
        if not (0 < len(value) < 19 and value.isascii() and value.isdigit()):
            return None
        value = int(value)
    elif kind is not int:
        return None
    return value if 0 <= value <= INT64_MAX else None


def number(value: Any) -> float | int | None:
    """A finite number."""
    kind = type(value)
    return value if kind is int or (kind is float and isfinite(value)) else None


def amount(value: Any) -> float | int | None:
    """A number of at least 0; digits in a text count too."""
    if type(value) is str:
        try:
            value = float(value)
        except ValueError:
            return None
    value = number(value)
    return value if value is not None and value >= 0 else None


def yes_no(value: Any) -> bool | None:
    """True or false, also in words."""
    if type(value) is bool:
        return value
    return {"true": True, "false": False}.get(value.lower()) if type(value) is str else None


def anything(value: Any) -> Any:
    """The value as it came."""
    return value


def seconds(value: Any) -> int | None:
    """Seconds, as nanoseconds."""
    return _scaled(value, 1e9)


def milliseconds(value: Any) -> int | None:
    """Milliseconds, as nanoseconds."""
    return _scaled(value, 1e6)


def _scaled(value: Any, factor: float) -> int | None:
    given = amount(value)
    return round(given * factor) if given is not None and given * factor <= INT64_MAX else None


def loose(value: Any) -> Any:
    """The list or object that a text is the JSON of; any other value as it came.

    >>> loose('{"a": 1}'), loose("[1"), loose("5")
    ({'a': 1}, '[1', '5')
    """
    if type(value) is str and value[:1] in ("{", "["):
        try:
            return _decode(value)
        except (ValueError, RecursionError):
            return value
    return value


def an_object(value: Any) -> dict[str, Any] | None:
    """An object with entries, or the JSON text of one."""
    value = loose(value)
    return value if type(value) is dict and value else None


def a_list(value: Any) -> list[Any] | None:
    """A list with entries, or the JSON text of one."""
    value = loose(value)
    return value if type(value) is list and value else None


def texts(value: Any) -> list[str] | None:
    """A list of texts; one text is a list of one."""
    value = loose(value)
    if type(value) is str:
        return [value] if value else None
    if type(value) is not list or not value:
        return None
    for entry in value:
        if type(entry) is not str:
            return None
    return value


def provider(value: Any) -> str | None:
    """Who serves the model, in OpenTelemetry's words.

    >>> provider("OpenAI"), provider("azure"), provider("openai.chat"), provider("aws.bedrock")
    ('openai', 'azure.ai.openai', 'openai', 'aws.bedrock')
    """
    if type(value) is not str or not value:
        return None
    name = value.lower()
    if name in _PROVIDERS:
        return _PROVIDERS[name]
    head, dot, tail = name.partition(".")  # the AI SDK adds the kind of interface
    if dot and tail in ("chat", "responses", "messages", "completion", "embedding", "generative-ai"):
        return _PROVIDERS.get(head, head)
    return name


def finish_reason(value: Any) -> str | None:
    """Why a model stopped, in one set of words.

    >>> finish_reason("tool_use"), finish_reason("tool-calls"), finish_reason("STOP"), finish_reason("max_tokens")
    ('tool_calls', 'tool_calls', 'stop', 'length')
    """
    if type(value) is not str or not value:
        return None
    if value in _FINISH_OURS:
        return value
    reason = value.lower().replace("-", "_").rpartition("finishreason.")[2]
    return _FINISH.get(reason, reason)


def finish_reasons(value: Any) -> list[str] | None:
    """One reason for each choice."""
    given = texts(value)
    return [reason for entry in given if (reason := finish_reason(entry))] or None if given else None


def one_of(words: dict[str, str]) -> Reader:
    """A reader that puts one word for another, whatever their case; other words can't be read."""

    def read(value: Any) -> str | None:
        return words.get(value.lower()) if type(value) is str else None

    return read
