"""What the events of a span say: exceptions, the chunks of a stream, messages (up to version 1.36), evaluations."""

from __future__ import annotations

from typing import Any

from flightlog.ingest.otlp.mapping.dialects.genai import answer_messages, prompt_messages
from flightlog.ingest.otlp.mapping.draft import RAW_RANK, Draft
from flightlog.ingest.otlp.mapping.messages import Message, message_of
from flightlog.ingest.otlp.mapping.values import loose
from flightlog.ingest.otlp.model import STATUS_OK, Span, SpanEvent

DETAILS = "gen_ai.client.inference.operation.details"
EVALUATION = "gen_ai.evaluation.result"
CHOICE = "gen_ai.choice"
ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_CHUNKS = frozenset({"gen_ai.content.completion.chunk", "llm.content.completion.chunk"})
_FIRST_CHUNKS = frozenset({"First Token Stream Event", "ai.stream.firstChunk"})
_CHUNK_KEYS = frozenset({"ai.response.msToFirstChunk", "ai.stream.msToFirstChunk"})
_EXCEPTION_KEYS = frozenset({"exception.type", "exception.message", "exception.stacktrace", "exception.escaped"})
_MARKS = frozenset({"gen_ai.system", "gen_ai.provider.name", "event.name", "gen_ai.message.index"})
_FROM_EVENTS = ""  # the attribute that no attribute is


class Moments:
    """The events of one span, sorted by what they say. `left` are those that nothing reads."""

    __slots__ = (
        "answered",
        "asked",
        "attributes",
        "chunks",
        "evaluations",
        "exception",
        "first_chunk_ns",
        "left",
        "spoken",
    )

    def __init__(self, span: Span) -> None:
        self.attributes = span.attributes
        self.exception: SpanEvent | None = None
        self.evaluations: list[SpanEvent] = []
        self.left: list[SpanEvent] = []
        self.spoken: list[SpanEvent] = []
        self.asked: list[Message] = []
        self.answered: list[Message] = []
        self.chunks = 0
        self.first_chunk_ns: int | None = None
        for event in span.events:
            self._sort(event, span)

    def _sort(self, event: SpanEvent, span: Span) -> None:
        name = event.name
        if name == "exception" and span.status != STATUS_OK:
            if self.exception is not None:
                self.left.append(self.exception)
            self.exception = event
        elif name in _CHUNKS and not event.attributes:
            self.chunks += 1
            self._first_chunk(event, span)
        elif name in _FIRST_CHUNKS and event.attributes.keys() <= _CHUNK_KEYS:
            self._first_chunk(event, span)
        elif name == DETAILS:
            own = self.attributes
            if any(key in own and own[key] != value for key, value in event.attributes.items()):
                self.left.append(event)
            self.attributes = {**event.attributes, **own}
        elif name == EVALUATION:
            self.evaluations.append(event)
        elif (said := said_in(name, event.attributes)) is not None:
            self.spoken.append(event)
            (self.answered if said[0] else self.asked).extend(said[1])
        else:
            self.left.append(event)

    def _first_chunk(self, event: SpanEvent, span: Span) -> None:
        since = event.time_ns - span.start_ns
        if since >= 0 and (self.first_chunk_ns is None or since < self.first_chunk_ns):
            self.first_chunk_ns = since

    def tell(self, draft: Draft) -> None:
        """Give the draft what the attributes have not said."""
        if self.first_chunk_ns is not None:
            for field, known in (("time_to_first_chunk_ns", self.first_chunk_ns), ("streamed", True)):
                if field not in draft.values:
                    draft.put(field, known, (RAW_RANK, _FROM_EVENTS))
        differs = False
        for field, said in (("messages", self.asked), ("output_messages", self.answered)):
            if said and field not in draft.values:
                draft.put(field, said, (RAW_RANK, _FROM_EVENTS))
            elif said and draft.values[field] != said:
                differs = True
        if differs:
            self.left += self.spoken

    def unsaid(self, draft: Draft) -> list[dict[str, Any]]:
        """The events that no other key holds, once the draft's fields were taken."""
        left = self.left
        for field in ("messages", "output_messages"):
            if field in draft.values and draft.sources[field][1] == _FROM_EVENTS:
                left = [*left, *(event for event in self.spoken if event not in left)]
        found = [shown(event) for event in left]
        if self.exception is not None:
            rest = {key: value for key, value in self.exception.attributes.items() if key not in _EXCEPTION_KEYS}
            if rest:
                found.append({"name": "exception", "time_ns": self.exception.time_ns, "attributes": rest})
        return found


def said_in(name: str, content: dict[str, Any]) -> tuple[bool, list[Message]] | None:
    """Whether it is an answer, and the messages, of an event by one of the names up to 1.36; else None.

    `content` is the body of a log record, or the attributes of a span event.
    """
    if name == "gen_ai.content.prompt":
        found = prompt_messages(content.get("gen_ai.prompt"))
        return (False, found) if found and len(content) == 1 else None
    if name == "gen_ai.content.completion":
        found = answer_messages(content.get("gen_ai.completion"))
        return (True, found) if found and len(content) == 1 else None
    role = "assistant" if name == CHOICE else ROLES.get(name)
    if role is None:
        return None
    held = content.get("gen_ai.event.content", content)
    raw = loose(held)
    if type(raw) is str:
        raw = {"content": raw}
    if type(raw) is not dict:
        return None
    raw = {key: value for key, value in raw.items() if key not in _MARKS}
    if name == CHOICE:
        raw.pop("index", None)
        inner = loose(raw.pop("message", None))
        if type(inner) is str:
            inner = {"content": inner}
        if type(inner) is dict:
            raw = {**inner, **raw}
    if type(raw.get("tool_calls")) is str:
        raw["tool_calls"] = loose(raw["tool_calls"])
    if role == "tool" and "id" in raw:
        raw["tool_call_id"] = raw.pop("id")
    if not raw:
        return None
    return name == CHOICE, message_of({"role": role, **raw})


def shown(event: SpanEvent) -> dict[str, Any]:
    said: dict[str, Any] = {"name": event.name, "time_ns": event.time_ns}
    if event.attributes:
        said["attributes"] = event.attributes
    return said
