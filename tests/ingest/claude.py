"""Lines of a Claude Code session, written by hand."""

from __future__ import annotations

from itertools import count
from typing import Any

SESSION = "11111111-2222-4333-8444-555555555555"


class Transcript:
    """Makes the entries of one session, one second apart, each with its own uuid."""

    def __init__(self, session: str = SESSION, start: str = "2025-06-14T10") -> None:
        self.session = session
        self._start = start
        self._numbers = count()

    def entry(self, kind: str, **fields: Any) -> dict[str, Any]:
        number = next(self._numbers)
        made = {
            "type": kind,
            "uuid": f"{self.session[:4]}-{number}",
            "parentUuid": None,
            "isSidechain": False,
            "sessionId": self.session,
            "version": "2.1.0",
            "cwd": "/repo",
            "timestamp": f"{self._start}:{number // 60:02d}:{number % 60:02d}.000Z",
        }
        return made | fields

    def prompt(self, content: Any = "please", **fields: Any) -> dict[str, Any]:
        return self.entry("user", message={"role": "user", "content": content}, **fields)

    def answer(self, *blocks: Any, message_id: str, output: int = 10, **fields: Any) -> dict[str, Any]:
        message = {
            "id": message_id,
            "role": "assistant",
            "model": fields.pop("model", "claude-x"),
            "content": list(blocks),
            "stop_reason": fields.pop("stop_reason", None),
            "usage": {"input_tokens": 3, "output_tokens": output} | fields.pop("usage", {}),
        }
        return self.entry("assistant", message=message, **fields)

    def result(self, call_id: str, content: Any = "done", detail: Any = None, **fields: Any) -> dict[str, Any]:
        block = {
            "type": "tool_result",
            "tool_use_id": call_id,
            "content": content,
            "is_error": fields.pop("is_error", False),
        }
        return self.entry("user", message={"role": "user", "content": [block]}, toolUseResult=detail, **fields)


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def thinking(words: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": words, "signature": "s"}


def use(call_id: str, name: str = "Bash", **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}
