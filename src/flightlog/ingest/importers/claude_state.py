"""What a session remembers while its lines come in."""

from __future__ import annotations

from typing import Any, NamedTuple

from flightlog.events.envelope import Event
from flightlog.ingest.importers.base import amount_in, text_in
from flightlog.ingest.importers.claude_blocks import raw_usage, read_answer, usage_of

PROVIDER = "anthropic"


class Line(NamedTuple):
    """One line of the file that could be read: its number, the digest of its bytes, its object and its time."""

    number: int
    digest: str
    entry: dict[str, Any]
    at_ns: int


class Answering:
    """A model answer whose lines are still coming in."""

    def __init__(self, message_id: str, asked: list[dict[str, Any]], asked_ns: int | None, at_ns: int) -> None:
        self.message_id = message_id
        self.asked = asked
        self.asked_ns = at_ns if asked_ns is None else min(asked_ns, at_ns)
        self.waited = asked_ns is not None
        self.at_ns = at_ns
        self.digests: list[str] = []
        self.blocks: list[dict[str, Any]] = []
        self.usage: dict[str, int] = {}
        self.cost_usd: float | None = None
        self.model = "unknown"
        self.stop_reason: str | None = None
        self.calls: set[str] = set()
        self.behind: list[Event] = []

    def add(self, line: Line, message: dict[str, Any], blocks: list[dict[str, Any]]) -> None:
        """Take in one more line. The line with the most output tokens has the final usage, and the model it is for."""
        self.digests.append(line.digest)
        self.at_ns = max(self.at_ns, line.at_ns)
        self.blocks += blocks
        self.stop_reason = text_in(message, "stop_reason") or self.stop_reason
        usage = raw_usage(message)
        if not self.usage or usage.get("output_tokens", 0) >= self.usage.get("output_tokens", 0):
            self.usage = usage or self.usage
            self.model = text_in(message, "model") or self.model
            self.cost_usd = amount_in(line.entry, "costUSD") or self.cost_usd

    def request(self) -> dict[str, Any]:
        """The payload of the llm_request: what was new for the model since its last answer."""
        return {"model": self.model, "provider": PROVIDER, "operation": "chat", "messages": self.asked}

    def response(self, before: dict[str, int]) -> dict[str, Any]:
        """The payload of the llm_response. `before` is what was already counted of this message, should it go on."""
        payload: dict[str, Any] = {"model": self.model, "provider": PROVIDER, "response_id": self.message_id}
        payload["message"] = read_answer(self.blocks).as_message()
        if self.stop_reason:
            payload["finish_reasons"] = [self.stop_reason]
        if self.usage:
            payload["usage"] = usage_of({key: max(n - before.get(key, 0), 0) for key, n in self.usage.items()})
        if self.cost_usd is not None and not before:
            payload["cost_usd"] = self.cost_usd
        if before:
            payload["continued"] = True
        return payload


class Chain:
    """One conversation with a model: the session's own, or a subagent's."""

    def __init__(self, key: str, span_id: str, actor: str) -> None:
        self.key = key
        self.span_id = span_id
        self.actor = actor
        self.asked: list[dict[str, Any]] = []
        self.asked_ns: int | None = None
        self.answering: Answering | None = None
        self.counted: dict[str, dict[str, int]] = {}
        self.task_id: str | None = None
        self.started_ns = 0
        self.last_digest = ""
        self.finished = False


class Call(NamedTuple):
    name: str
    arguments: Any
    at_ns: int
