"""From a model's answer, in whichever shape the SDK has it, to the fields of an `llm_response` payload."""

from __future__ import annotations

from typing import Any

from flightlog.recorder.helpers.base import without_nones
from flightlog.recorder.helpers.reading import count, field, items, joined, parsed, text

Fields = dict[str, Any]


def read_response(response: object) -> Fields:
    """The fields of a response: model, response_id, message, finish_reasons, usage, error; those that are known.

    Read are OpenAI chat completions (and all that copy them), the OpenAI Responses API, Anthropic messages, a plain
    text, and a single message with a content. Anything else is kept as it is under `response`.

    >>> read_response("hello")
    {'message': {'role': 'assistant', 'content': 'hello'}}
    """
    if response is None:
        return {}
    if isinstance(response, str):
        return {"message": {"role": "assistant", "content": response}}
    if items(response, "choices") is not None:
        fields = _chat(response)
    elif items(response, "output") is not None and (
        text(response, "object") == "response" or _typed(items(response, "output"))
    ):
        fields = _responses_api(response)
    elif items(response, "content") is not None and (
        text(response, "type") == "message" or _typed(items(response, "content"))
    ):
        fields = _anthropic(response)
    else:
        fields = _single_message(response)
    if error := _error(field(response, "error")):
        fields["error"] = error
    fields = {
        "model": text(response, "model"),
        "response_id": text(response, "id"),
        **fields,
        "usage": read_usage(field(response, "usage") or field(response, "usage_metadata")),
    }
    return without_nones(fields)


def read_usage(usage: object) -> dict[str, int] | None:
    """Token counts by OpenTelemetry's reading: cached tokens are part of the input, reasoning is part of the output.

    Anthropic counts what was read from and written to its cache beside `input_tokens`; here it is added.

    >>> read_usage({"input_tokens": 5, "cache_read_input_tokens": 100, "output_tokens": 7})
    {'input_tokens': 105, 'output_tokens': 7, 'cached_input_tokens': 100}
    """
    read, written = count(usage, "cache_read_input_tokens"), count(usage, "cache_creation_input_tokens")
    plain = count(usage, "input_tokens")
    if plain is not None and (read or written):
        plain += (read or 0) + (written or 0)
    into = field(usage, "prompt_tokens_details") or field(usage, "input_tokens_details")
    out = field(usage, "completion_tokens_details") or field(usage, "output_tokens_details")
    found = {
        "input_tokens": _first(plain, count(usage, "prompt_tokens")),
        "output_tokens": _first(count(usage, "output_tokens"), count(usage, "completion_tokens")),
        "cached_input_tokens": _first(read, count(into, "cached_tokens")),
        "cache_creation_input_tokens": _first(written, count(into, "cache_write_tokens")),
        "reasoning_tokens": _first(count(out, "reasoning_tokens"), count(out, "thinking_tokens")),
    }
    return without_nones(found) or None


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _typed(entries: list[Any] | None) -> bool:
    return bool(entries) and all(text(entry, "type") for entry in entries or [])


def _error(error: object) -> Fields | None:
    message = error if isinstance(error, str) else text(error, "message")
    if not message:
        return None
    kind = text(error, "type") or text(error, "code") or field(error, "code")
    return {"kind": str(kind) if kind else "ModelError", "message": message}


def _chat(response: object) -> Fields:
    choices = items(response, "choices") or []
    messages = [_message(field(choice, "message"), text(choice, "text")) for choice in choices]
    return {
        "message": messages[0] if messages else None,
        "finish_reasons": [r for choice in choices if (r := text(choice, "finish_reason"))] or None,
        "other_messages": messages[1:] or None,
    }


def _message(message: object, content: str | None = None) -> Fields:
    """A message of the chat shape; old ones have one `function_call`, some servers tell their reasoning."""
    calls = [_tool_call(call) for call in items(message, "tool_calls") or []]
    if legacy := field(message, "function_call"):
        calls += [_tool_call(legacy)] if text(legacy, "name") else []
    body = field(message, "content")
    more = {
        "tool_calls": calls or None,
        "refusal": text(message, "refusal"),
        "reasoning": text(message, "reasoning_content") or text(message, "reasoning"),
    }
    return {
        "role": text(message, "role") or "assistant",
        "content": body if isinstance(body, str | list) else content,
        **without_nones(more),
    }


def _tool_call(call: object) -> Fields:
    inner = field(call, "function") or field(call, "custom") or call
    given = [field(inner, name) for name in ("arguments", "input", "args")]
    return without_nones(
        {
            "id": text(call, "call_id") or text(call, "id"),
            "name": text(inner, "name"),
            "arguments": parsed(_first(*given)),
        }
    )


def _responses_api(response: object) -> Fields:
    spoken, refused, thought, calls, parts = [], [], [], [], []
    for item in items(response, "output") or []:
        kind = text(item, "type")
        if kind == "message":
            spoken.append(joined(item, "content", "text"))
            refused.append(joined(item, "content", "refusal"))
        elif kind in ("function_call", "custom_tool_call", "mcp_call"):
            calls.append(_tool_call(item))
        elif kind == "reasoning":
            thought.append(joined(item, "content", "text") or joined(item, "summary", "text"))
        else:
            parts.append(item)
    reason = text(field(response, "incomplete_details"), "reason") or text(response, "status")
    return {
        "message": _assembled(spoken, calls, parts, refusal=refused, reasoning=thought),
        "finish_reasons": [reason] if reason else None,
    }


def _anthropic(response: object) -> Fields:
    spoken, thought, calls, parts = [], [], [], []
    for block in items(response, "content") or []:
        kind = text(block, "type")
        if kind == "text":
            spoken.append(text(block, "text"))
        elif kind == "tool_use":
            calls.append(_tool_call(block))
        elif kind == "thinking":
            thought.append(text(block, "thinking"))
        else:
            parts.append(block)
    reason = text(response, "stop_reason")
    return {
        "message": _assembled(spoken, calls, parts, reasoning=thought),
        "finish_reasons": [reason] if reason else None,
    }


def _assembled(spoken: list[str | None], calls: list[Fields], parts: list[Any], **texts: list[str | None]) -> Fields:
    """One message out of blocks. Blocks that are neither text nor tool call stay as they are, under `parts`."""
    message: Fields = {"role": "assistant", "content": _text_of(spoken)}
    message.update({name: told for name, pieces in texts.items() if (told := _text_of(pieces))})
    if calls:
        message["tool_calls"] = calls
    if parts:
        message["parts"] = parts
    return message


def _text_of(pieces: list[str | None]) -> str | None:
    told = [piece for piece in pieces if piece is not None]
    return "".join(told) if told else None


def _single_message(response: object) -> Fields:
    message = field(response, "message")
    if isinstance(field(message, "content"), str | list):
        reason = text(response, "done_reason") or text(response, "finish_reason")
        return {"message": _message(message), "finish_reasons": [reason] if reason else None}
    if isinstance(field(response, "content"), str | list):
        return {"message": _message(response)}
    if (said := text(response, "output_text") or text(response, "text")) is not None:
        return {"message": {"role": "assistant", "content": said}}
    return {"response": response}
