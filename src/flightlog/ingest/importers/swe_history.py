"""The conversation in a SWE-agent file, handed out turn by turn."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from flightlog.ingest.importers.base import dict_in, list_in, text_in

LOOK_AHEAD_MAX = 3  # answers in the history that belong to no step, before a step is taken to be missing from it
_ISSUE = re.compile(r"(?:^|\n)ISSUE:\n(.*?)(?=\n+INSTRUCTIONS:\n|\Z)", re.DOTALL)


class Turn(NamedTuple):
    """What the model was sent since its last answer, and the answer as the history has it (empty when it has none)."""

    messages: list[dict[str, Any]]
    answer: dict[str, Any]


class History:
    """Hands out the turns in order. A demonstration is part of the prompt, never a turn of this run."""

    def __init__(self, entries: list[Any]) -> None:
        self._entries = [entry for entry in entries if isinstance(entry, dict)]
        self._next = 0

    def issue(self) -> str | None:
        """The task as the first user message states it, without the instructions around it."""
        for entry in self._entries:
            if entry.get("role") == "user" and not entry.get("is_demo"):
                text = _content_text(entry.get("content"))
                found = _ISSUE.search(text)
                return (found.group(1) if found else text).strip() or None
        return None

    def turn(self, step: dict[str, Any]) -> Turn:
        """The messages up to this step's answer; nothing when the history does not go on with this step."""
        messages: list[dict[str, Any]] = []
        others = 0
        for at in range(self._next, len(self._entries)):
            entry = self._entries[at]
            if entry.get("role") == "assistant" and not entry.get("is_demo"):
                if _answers(entry, step):
                    self._next = at + 1
                    return Turn(messages, entry)
                others += 1
                if others == LOOK_AHEAD_MAX:
                    break
            messages.append(chat_message(entry))
        return Turn([], {})


def _answers(entry: dict[str, Any], step: dict[str, Any]) -> bool:
    """Whether this entry of the history is the answer of this step."""
    if "action" in entry:
        return (entry["action"] or "") == (step.get("action") or "")
    return _content_text(entry.get("content")) == (step.get("response") or "")


def chat_message(entry: dict[str, Any]) -> dict[str, Any]:
    """A history entry as a message of an llm_request."""
    message = {"role": text_in(entry, "role") or "user", "content": entry.get("content")}
    if entry.get("is_demo"):
        message["demonstration"] = True
    if calls := list_in(entry, "tool_calls"):
        message["tool_calls"] = [tool_call(call) for call in calls]
    if ids := list_in(entry, "tool_call_ids"):
        message["tool_call_id"] = ids[0]
    return message


def tool_call(call: Any) -> dict[str, Any]:
    """A tool call of the function-calling format as {name, arguments, id}, its arguments decoded if they are JSON.

    >>> tool_call({"id": "c1", "function": {"name": "open", "arguments": '{"line": 3}'}})
    {'name': 'open', 'arguments': {'line': 3}, 'id': 'c1'}
    """
    function = dict_in(call, "function")
    arguments = function.get("arguments")
    decoded = object_in_json(arguments)
    made = {"name": text_in(function, "name") or "unknown", "arguments": arguments if decoded is None else decoded}
    if call_id := text_in(call, "id"):
        made["id"] = call_id
    return made


def object_in_json(value: Any) -> dict[str, Any] | None:
    """An object, also where it is written as JSON text; None for anything else."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def _content_text(content: Any) -> str:
    """The text of a message, which may be a list of parts."""
    if isinstance(content, list):
        return "\n".join(text for part in content if (text := text_in(part, "text")))
    return content if isinstance(content, str) else ""
