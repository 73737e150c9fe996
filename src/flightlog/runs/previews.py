"""The beginning of what was asked and answered, as lists show it."""

from __future__ import annotations

from typing import Any

import msgspec

PREVIEW_CHARS_MAX = 96
NOTHING = msgspec.Raw(b"null")
ERRORS = (msgspec.MsgspecError, RecursionError, ValueError)


class ToolCall(msgspec.Struct):
    """A call that a model asks for."""

    name: Any = None
    arguments: msgspec.Raw = NOTHING


class Message(msgspec.Struct):
    """A message, as much of it as a preview needs."""

    role: Any = None
    content: msgspec.Raw = NOTHING
    tool_calls: msgspec.Raw = NOTHING


class Part(msgspec.Struct):
    """A part of a content."""

    type: Any = None
    text: Any = None


_messages = msgspec.json.Decoder(list[Message])
_message = msgspec.json.Decoder(Message)
_parts = msgspec.json.Decoder(list[Part])
_texts = msgspec.json.Decoder(str)
_tool_calls = msgspec.json.Decoder(list[ToolCall])


def of_input(messages: msgspec.Raw, other: msgspec.Raw) -> str | None:
    """The beginning of the last user message, else of the last message, else of what was embedded or drawn."""
    if messages is not NOTHING:
        try:
            found = _messages.decode(messages)
        except ERRORS:
            found = []
        for message in reversed(found):
            if message.role == "user":
                return of_content(message.content)
        if found:
            return of_content(found[-1].content)
    return of_content(other)


def of_answer(message: msgspec.Raw, choices: msgspec.Raw) -> str | None:
    """The beginning of an answer, or of the first of several: of its text, else of the tool calls that it asks for."""
    answer = None
    try:
        if begins(message) == b"{":
            answer = _message.decode(message)
        elif begins(choices) == b"[":
            answer = next(iter(_messages.decode(choices)), None)
    except ERRORS:
        pass
    return None if answer is None else of_content(answer.content) or of_calls(answer.tool_calls)


def of_content(content: msgspec.Raw) -> str | None:
    """The text of a content: a string, a list of parts, or a list of strings."""
    if content is NOTHING:
        return None
    try:
        first = begins(content)
        if first == b'"':
            return of_text(_texts.decode(content))
        if first == b"[":
            try:
                texts = [part.text for part in _parts.decode(content) if part.type != "reasoning"]
            except msgspec.ValidationError:
                texts = msgspec.json.decode(content)
            return of_text(" ".join(text for text in texts if isinstance(text, str)))
    except ERRORS:
        pass
    return None


def of_talk(messages: object) -> str | None:
    """`of_input` of messages that are decoded. Raises ValueError where they are not a list of objects."""
    if type(messages) is not list or not all(type(message) is dict for message in messages):
        raise ValueError("messages are objects")
    for message in reversed(messages):
        if message.get("role") == "user":
            return of_said(message.get("content"))
    return of_said(messages[-1].get("content")) if messages else None


def of_said(content: object) -> str | None:
    """`of_content` of what is decoded."""
    if type(content) is list:
        if all(type(part) is dict for part in content):
            content = [part.get("text") for part in content if part.get("type") != "reasoning"]
        return of_text(" ".join(text for text in content if isinstance(text, str)))
    return of_text(content)


def of_calls(calls: msgspec.Raw) -> str | None:
    """The calls of tools, with the beginning of their arguments."""
    if begins(calls) != b"[":
        return None
    try:
        found = _tool_calls.decode(calls)
    except ERRORS:
        return None
    return of_text(", ".join(f"{call.name}({_arguments(call.arguments)})" for call in found[:5]))


def _arguments(given: msgspec.Raw) -> str:
    text = begins(given, 4 * PREVIEW_CHARS_MAX).decode(errors="ignore")
    return "" if text in ("null", "{}") else text


def begins(raw: msgspec.Raw, length: int = 1) -> bytes:
    """The first bytes of what is not decoded."""
    return bytes(memoryview(raw)[:length])


def of_text(text: object) -> str | None:
    """The first characters on one line; None where there are none."""
    if not isinstance(text, str):
        return None
    head = text[:PREVIEW_CHARS_MAX]
    if "  " not in head and head[:1] != " " and head.isprintable():
        return head.rstrip() or None
    line = " ".join(text[: PREVIEW_CHARS_MAX + 40].split())
    return line[:PREVIEW_CHARS_MAX].rstrip() or None
