"""Messages of all shapes in one: `role`, `content`, `tool_calls`, `tool_call_id`, `name`.

Read are OpenTelemetry's `parts`, the chat completions of OpenAI and all that copy them, Anthropic's content blocks and the
parts of the AI SDK. `content` is a text where there is only one, else a list of parts; it is left out where there is none. What a
message holds besides stays in it under its own name.
"""

from __future__ import annotations

from typing import Any

import msgspec

from flightlog.ingest.otlp.mapping.values import finish_reason, loose

Message = dict[str, Any]
_encode = msgspec.json.Encoder().encode

_ROLES = {"human": "user", "ai": "assistant", "model": "assistant", "function": "tool"}
_CALLS = frozenset({"tool_call", "tool_use", "tool-call", "function_call"})
_ANSWERS = frozenset({"tool_call_response", "tool_result", "tool-result", "function_call_output"})
_THOUGHTS = frozenset({"reasoning", "thinking", "redacted_thinking"})
_OF_A_CALL = frozenset(
    {"id", "call_id", "toolCallId", "type", "index", "function", "name", "toolName", "arguments", "input", "args"}
)
_OTHER_BODIES = frozenset({"parts", "tool_calls", "function_call"})
_SPOKEN = frozenset({"role", "content"}) | _OTHER_BODIES


def messages_of(value: Any) -> list[Message] | None:
    """The messages in a list (or its JSON text), one message, or a text; None where a part of it is no message.

    >>> messages_of('[{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]')
    [{'role': 'user', 'content': 'Hi'}]
    """
    value = loose(value)
    if type(value) is dict:
        value = [value]
    if type(value) is not list or not value:
        return None
    found: list[Message] = []
    for raw in value:
        if (simple := _simple(raw)) is not None:
            found.append(simple)
            continue
        if type(raw) is not dict or not ("role" in raw or "parts" in raw or "content" in raw):
            return None
        found += message_of(raw)
    return found


def message_of(raw: dict[str, Any], role: str = "user") -> list[Message]:
    """The message that this object is; each tool answer in it is a message of its own.

    >>> message_of({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "ok"}]})
    [{'role': 'tool', 'content': 'ok', 'tool_call_id': 'c1'}]
    """
    given = raw.get("role")
    speaker = _ROLES.get(given, given) if type(given) is str and given else role
    refused = raw.get("refusal")
    if type(raw.get("content")) is str and not refused and not (raw.keys() & _OTHER_BODIES):
        return [{"role": speaker, "content": raw["content"]} | _besides(raw)]
    parts = raw.get("parts")
    body = parts if type(parts) is list else raw.get("content")
    calls: list[dict[str, Any]] = []
    answers: list[Message] = []
    content = _content(body, calls, answers)
    if type(refused) is str and refused:
        raw = {key: value for key, value in raw.items() if key != "refusal"}
        content = [*_as_parts(content), {"type": "refusal", "text": refused}]
    listed = raw.get("tool_calls")
    if type(listed) is list:
        calls += [call for entry in listed if (call := tool_call(entry)) and call not in calls]
    if (old := raw.get("function_call")) and (call := tool_call(old)):
        calls.append(call)
    if answers and speaker == "tool":
        speaker = "user"
    message: Message = {"role": speaker}
    if content is not None and (content != "" or not (calls or answers)):
        message["content"] = content
    if calls:
        message["tool_calls"] = calls
    message |= _besides(raw)
    if answers and "content" not in message and not calls:
        return answers
    return [*answers, message]


def _besides(raw: dict[str, Any]) -> Message:
    """What a message holds beside what is said in it."""
    rest = {
        key: value
        for key, value in raw.items()
        if key not in _SPOKEN and value is not None and value != [] and value != ""
    }
    if "finish_reason" in rest:
        rest["finish_reason"] = finish_reason(rest["finish_reason"]) or rest["finish_reason"]
    return rest


def system_of(value: Any) -> Message | None:
    """System instructions: a text, or a list of parts."""
    value = loose(value)
    if type(value) is dict:
        value = [value]
    if not value or type(value) not in (str, list):
        return None
    calls: list[dict[str, Any]] = []
    content = _content(value, calls, [])
    return {"role": "system", "content": content} if content is not None and not calls else None


def tool_call(raw: Any) -> dict[str, Any] | None:
    """A call that a model asks for: id, name, and arguments as an object where they are one.

    >>> tool_call({"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}})
    {'id': 'c1', 'name': 'add', 'arguments': {'a': 1}}
    """
    if type(raw) is not dict:
        return None
    inner = raw.get("function")
    if type(inner) is not dict:
        inner = raw
    call: dict[str, Any] = {}
    if (given := raw.get("call_id") or raw.get("id") or raw.get("toolCallId")) is not None:
        call["id"] = given
    if (given := inner.get("name") or inner.get("toolName")) is not None:
        call["name"] = given
    if (given := _first(inner, "arguments", "input", "args")) is not None:
        call["arguments"] = arguments(given)
    call |= {key: value for key, value in raw.items() if key not in _OF_A_CALL and value is not None}
    return call or None


def arguments(value: Any) -> Any:
    """What a tool is called with: an object where the text is one."""
    if type(value) is str and value[:1] == "{":
        return loose(value)
    return value


def as_text(value: Any) -> Any:
    """A tool's answer inside a conversation: a text, or a list of parts; other things are their JSON text."""
    if value is None or type(value) is str:
        return value
    if type(value) is list and value and all(type(part) is dict and "type" in part for part in value):
        return _content(value, [], [])
    try:
        return _encode(value).decode()
    except (ValueError, TypeError, OverflowError, RecursionError):
        return value


def tools_of(value: Any) -> list[Any] | None:
    """Tool definitions, each with type, name, description and parameters at one level.

    >>> tools_of([{"type": "function", "function": {"name": "add"}}])
    [{'type': 'function', 'name': 'add'}]
    """
    value = loose(value)
    if type(value) is dict:
        value = [value]
    return [tool_of(entry) for entry in value] if type(value) is list and value else None


def tool_of(value: Any) -> Any:
    """One definition; what is none stays as it is."""
    raw = loose(value)
    if type(raw) is not dict:
        return raw
    inner = raw.get("function")
    flat = {key: part for key, part in raw.items() if key != "function"} | inner if type(inner) is dict else dict(raw)
    for other in ("inputSchema", "input_schema"):
        if other in flat and "parameters" not in flat:
            flat["parameters"] = flat.pop(other)
    return {"type": flat.pop("type", "function"), **flat} if "name" in flat else flat


def _simple(raw: Any) -> Message | None:  # noqa: C901  half the time of a walk by calls
    """OpenTelemetry's commonest messages, without the walk that every other takes; None for the others.

    These are: one text, tool calls with or without it, and one tool answer that is a text.
    """
    if type(raw) is not dict:
        return None
    role, parts = raw.get("role"), raw.get("parts")
    if type(role) is not str or type(parts) is not list or role in _ROLES or not role:
        return None
    message: Message = {"role": role}
    calls: list[dict[str, Any]] = []
    for part in parts:
        if type(part) is not dict:
            return None
        kind = part.get("type")
        if kind == "text":
            said = part.get("content")
            if len(part) != 2 or type(said) is not str or "content" in message or not said:
                return None
            message["content"] = said
        elif kind == "tool_call":
            given = part.get("arguments")
            if len(part) != 4 or type(given) is not dict or not part.get("id") or not part.get("name"):
                return None
            calls.append({"id": part["id"], "name": part["name"], "arguments": given})
        elif kind == "tool_call_response":
            said = part.get("response")
            if len(parts) != 1 or len(part) != 3 or len(raw) != 2 or type(said) is not str or not part.get("id"):
                return None
            return {"role": "tool", "content": said, "tool_call_id": part["id"]}
        else:
            return None
    if calls:
        message["tool_calls"] = calls
    elif len(message) == 1:
        return None
    if len(raw) == 3 and raw.get("finish_reason"):
        message["finish_reason"] = finish_reason(raw["finish_reason"]) or raw["finish_reason"]
    elif len(raw) != 2:
        return None
    return message


# ── parts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _content(body: Any, calls: list[dict[str, Any]], answers: list[Message]) -> Any:
    """What is said: a text, a list of parts, or None. Calls and tool answers among the parts go to their own lists."""
    if body is None or type(body) is str:
        return body
    if type(body) is not list:
        return as_text(body)
    said: list[Any] = []
    for part in body:
        kind = part.get("type") if type(part) is dict else None
        if type(kind) is not str:
            kind = None
        if kind in _CALLS:
            if call := tool_call(part):
                calls.append(call)
        elif kind in _ANSWERS:
            answers.append(_answer(part))
        else:
            said.append(_said(part, kind))
    if not said:
        return None
    if len(said) == 1 and said[0].get("type") == "text" and len(said[0]) == 2:
        return said[0]["text"]
    if calls or answers:
        said = [part for part in said if part != {"type": "text", "text": ""}]
    return said or None


def _as_parts(content: Any) -> list[Any]:
    if type(content) is list:
        return content
    return [{"type": "text", "text": content}] if content else []


def _said(part: Any, kind: Any) -> dict[str, Any]:
    if kind == "text":
        return _text_part(part)
    if kind == "refusal":
        return _refusal(part)
    if kind in _THOUGHTS:
        return _thought(part)
    if type(part) is dict:
        return part
    return {"type": "text", "text": part if type(part) is str else as_text(part)}


def _text_part(part: dict[str, Any]) -> dict[str, Any]:
    if len(part) == 2 and type(part.get("text")) is str:
        return part
    text = _first(part, "text", "content")
    rest = {key: value for key, value in part.items() if key not in ("type", "text", "content") and value is not None}
    return {"type": "text", "text": text if type(text) is str else as_text(text) or "", **rest}


def _refusal(part: dict[str, Any]) -> dict[str, Any]:
    text = _first(part, "text", "content", "refusal")
    if type(text) is not str:
        return part
    rest = {key: value for key, value in part.items() if key not in ("type", "text", "content", "refusal")}
    return {"type": "refusal", "text": text, **rest}


def _thought(part: dict[str, Any]) -> dict[str, Any]:
    text = _first(part, "text", "content", "thinking")
    rest = {
        key: value
        for key, value in part.items()
        if key not in ("type", "text", "content", "thinking") and value is not None
    }
    return {"type": "reasoning", "text": text if type(text) is str else as_text(text) or "", **rest}


def _answer(part: dict[str, Any]) -> Message:
    given = _first(part, "response", "result", "output", "content")
    message: Message = {"role": "tool", "content": as_text(given)}
    if call_id := _first(part, "id", "tool_call_id", "tool_use_id", "toolCallId", "call_id"):
        message["tool_call_id"] = call_id
    if name := _first(part, "name", "toolName"):
        message["name"] = name
    if message["content"] is None:
        del message["content"]
    return message


def _first(raw: dict[str, Any], *keys: str) -> Any:
    for key in keys:
        value = raw.get(key)
        if value is not None:
            return value
    return None
