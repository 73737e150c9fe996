"""What a finished OpenTelemetry span says of itself by its type, so that its event does not repeat it."""

from __future__ import annotations

from typing import Any

_KINDS = {"llm_response": "client"}
_KIND = "internal"


def usual_kind(type_: str) -> str:
    """The kind of a span whose event names none."""
    return _KINDS.get(type_, _KIND)


def usual_name(type_: str, name: str | None, operation: Any) -> str | None:
    """The name of a span whose event names none: as OpenTelemetry's conventions have it, of `name`, the event's own.

    >>> usual_name("llm_response", "gpt-4o", "chat"), usual_name("tool_result", "add", None)
    ('chat gpt-4o', 'execute_tool add')
    """
    if type_ == "llm_response":
        return f"{operation} {name}"
    return f"execute_tool {name}" if type_ == "tool_result" else name
