"""Puts the chunks of a streamed answer together again, as a response of the shape that they are pieces of."""

from __future__ import annotations

from typing import Any, Protocol

from flightlog.recorder.helpers.reading import count, field, items, text

PARTS_MAX = 16  # chunks of an unknown shape that are kept

Fields = dict[str, Any]


class Shape(Protocol):
    """One way of cutting an answer into chunks."""

    @staticmethod
    def takes(chunk: object) -> bool:
        """Whether the chunk is cut this way."""
        ...

    def add(self, chunk: object) -> None: ...
    def response(self) -> Any:
        """The whole answer as far as it has come, in a shape that `read_response` reads."""
        ...


class Assembly:
    """An answer that grows chunk by chunk. Chunks of another shape than the first known one are left alone."""

    def __init__(self) -> None:
        self.chunks = 0
        self._shape: Shape | None = None
        self._unknown: list[Any] = []

    def add(self, chunk: object) -> None:
        """Take a chunk. Never raises: what can't be read is counted, and the first few of it are kept."""
        self.chunks += 1
        try:
            if self._shape is None:
                self._shape = next((shape() for shape in SHAPES if shape.takes(chunk)), None)
            if self._shape is not None and self._shape.takes(chunk):
                self._shape.add(chunk)
                return
        except Exception:  # noqa: S110 - below it is kept as unknown
            pass
        if self._shape is None and len(self._unknown) < PARTS_MAX:
            self._unknown.append(chunk)

    def response(self) -> Any:
        """What the chunks so far amount to; None when there were none."""
        if self._shape is not None:
            return self._shape.response()
        return {"parts": self._unknown} if self._unknown else None


class TextChunks:
    """Plain texts, one after the other."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    @staticmethod
    def takes(chunk: object) -> bool:
        return isinstance(chunk, str)

    def add(self, chunk: object) -> None:
        self._pieces.append(str(chunk))

    def response(self) -> str:
        return "".join(self._pieces)


class ChatChunks:
    """OpenAI chat completion chunks: deltas by choice, tool calls by index, the usage in a chunk without choices."""

    def __init__(self) -> None:
        self._top: Fields = {}
        self._choices: dict[int, _Choice] = {}

    @staticmethod
    def takes(chunk: object) -> bool:
        return items(_inner(chunk), "choices") is not None

    def add(self, chunk: object) -> None:
        chunk = _inner(chunk)
        for name in ("id", "model", "usage", "error"):
            if (value := field(chunk, name)) is not None:
                self._top[name] = value
        for choice in items(chunk, "choices") or []:
            self._choices.setdefault(count(choice, "index") or 0, _Choice()).add(choice)

    def response(self) -> Fields:
        return {**self._top, "choices": [self._choices[index].whole() for index in sorted(self._choices)]}


def _inner(chunk: object) -> Any:
    """OpenAI's event stream wraps each raw chunk in an event; its other events repeat what the chunks say."""
    return field(chunk, "chunk") if text(chunk, "type") == "chunk" else chunk


_DELTA_TEXTS = ("content", "refusal", "reasoning_content", "reasoning")


class _Choice:
    def __init__(self) -> None:
        self._role: str | None = None
        self._reason: str | None = None
        self._texts: dict[str, list[str]] = {}
        self._calls: dict[int, _Call] = {}

    def add(self, choice: object) -> None:
        delta = field(choice, "delta")
        self._role = self._role or text(delta, "role")
        self._reason = text(choice, "finish_reason") or self._reason
        for name in _DELTA_TEXTS:
            if piece := text(delta, name):
                self._texts.setdefault(name, []).append(piece)
        if piece := text(choice, "text"):  # the old completions API
            self._texts.setdefault("content", []).append(piece)
        for position, call in enumerate(items(delta, "tool_calls") or []):
            index = count(call, "index")
            self._calls.setdefault(position if index is None else index, _Call()).add(call)
        if legacy := field(delta, "function_call"):
            self._calls.setdefault(0, _Call()).add({"function": legacy})

    def whole(self) -> Fields:
        message: Fields = {"role": self._role, **{name: "".join(told) for name, told in self._texts.items()}}
        if self._calls:
            message["tool_calls"] = [self._calls[index].whole() for index in sorted(self._calls)]
        return {"message": message, "finish_reason": self._reason}


class _Call:
    """A tool call whose name and arguments come in fragments."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._name: str | None = None
        self._arguments: list[str] = []

    def add(self, call: object) -> None:
        inner = field(call, "function") or field(call, "custom")
        self._id = self._id or text(call, "id")
        self._name = self._name or text(inner, "name")
        self._arguments.append(text(inner, "arguments") or text(inner, "input") or "")

    def whole(self) -> Fields:
        return {"id": self._id, "name": self._name, "arguments": "".join(self._arguments)}


_MESSAGE_TYPES = (
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "ping",
    "error",
)
_MESSAGE_GROWS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


class MessageEvents:
    """Anthropic's stream events: blocks by index that grow by deltas, with cumulative usage at the end."""

    def __init__(self) -> None:
        self._top: Fields = {}
        self._usage: Fields = {}
        self._blocks: dict[int, object] = {}
        self._pieces: dict[int, dict[str, list[str]]] = {}

    @staticmethod
    def takes(chunk: object) -> bool:
        return text(chunk, "type") in _MESSAGE_TYPES

    def add(self, chunk: object) -> None:
        kind, index = text(chunk, "type"), count(chunk, "index") or 0
        if kind == "message_start":
            message = field(chunk, "message")
            self._top.update(id=text(message, "id"), model=text(message, "model"))
            self._count(field(message, "usage"))
        elif kind == "content_block_start":
            self._start(index, field(chunk, "content_block"))
        elif kind == "content_block_delta":
            self._grow(index, field(chunk, "delta"))
        elif kind == "message_delta":
            self._top["stop_reason"] = text(field(chunk, "delta"), "stop_reason")
            self._count(field(chunk, "usage"))
        elif kind == "error":
            self._top["error"] = field(chunk, "error")

    def _start(self, index: int, block: object) -> None:
        self._blocks[index] = block
        kind = text(block, "type")
        # Now, not at the end: an SDK may let this very object grow.
        if kind in ("text", "thinking") and (piece := text(block, kind)):
            self._pieces.setdefault(index, {}).setdefault(kind, []).append(piece)

    def _grow(self, index: int, delta: object) -> None:
        name = _MESSAGE_GROWS.get(text(delta, "type") or "")
        if name and (piece := text(delta, name)):
            self._pieces.setdefault(index, {}).setdefault(name, []).append(piece)

    def _count(self, usage: object) -> None:
        for name in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
            if (number := count(usage, name)) is not None:
                self._usage[name] = number
        if (details := field(usage, "output_tokens_details")) is not None:
            self._usage["output_tokens_details"] = details

    def response(self) -> Fields:
        indexes = sorted(self._blocks.keys() | self._pieces.keys())
        return {
            "type": "message",
            **self._top,
            "usage": self._usage,
            "content": [self._block(index) for index in indexes],
        }

    def _block(self, index: int) -> Any:
        block, grown = self._blocks.get(index), self._pieces.get(index, {})
        kind = text(block, "type") or "text"
        if kind == "tool_use":
            arguments = "".join(grown["partial_json"]) if "partial_json" in grown else field(block, "input")
            return {"type": kind, "id": text(block, "id"), "name": text(block, "name"), "input": arguments}
        if kind in ("text", "thinking"):
            return {"type": kind, kind: "".join(grown.get(kind, []))}
        return block


_RESPONSE_GROWS = {
    "response.output_text.delta": ("message", "text"),
    "response.refusal.delta": ("message", "refusal"),
    "response.reasoning_text.delta": ("reasoning", "text"),
    "response.reasoning_summary_text.delta": ("reasoning", "text"),
    "response.function_call_arguments.delta": ("function_call", "arguments"),
    "response.custom_tool_call_input.delta": ("custom_tool_call", "input"),
    "response.mcp_call_arguments.delta": ("mcp_call", "arguments"),
}
_RESPONSE_LAST = frozenset(("response.completed", "response.incomplete", "response.failed"))


class ResponseEvents:
    """The OpenAI Responses API's events. Its last event carries the whole; until then it is made of the deltas."""

    def __init__(self) -> None:
        self._top: Fields = {}
        self._items: dict[int, Fields] = {}
        self._whole: Any = None

    @staticmethod
    def takes(chunk: object) -> bool:
        kind = text(chunk, "type") or ""
        return kind.startswith("response.") or (kind == "error" and text(chunk, "message") is not None)

    def add(self, chunk: object) -> None:
        kind, index = text(chunk, "type") or "", count(chunk, "output_index") or 0
        if kind in _RESPONSE_LAST:
            self._whole = field(chunk, "response")
        elif kind == "response.created":
            response = field(chunk, "response")
            self._top.update(id=text(response, "id"), model=text(response, "model"))
        elif kind in ("response.output_item.added", "response.output_item.done"):
            self._start(index, field(chunk, "item"), done=kind.endswith("done"))
        elif kind in _RESPONSE_GROWS and (piece := text(chunk, "delta")):
            item_kind, name = _RESPONSE_GROWS[kind]
            item = self._items.setdefault(index, {"type": item_kind})
            item.setdefault("grown", {}).setdefault(name, []).append(piece)
        elif kind == "error":
            self._top["error"] = {"message": text(chunk, "message"), "code": text(chunk, "code")}

    def _start(self, index: int, item: object, done: bool) -> None:
        entry = self._items.setdefault(index, {})
        names = ("type", "id", "call_id", "name")
        entry.update({name: value for name in names if (value := text(item, name)) is not None})
        if done:
            entry["done"] = item

    def response(self) -> Any:
        if self._whole is not None:
            return self._whole
        output = [self._item(self._items[index]) for index in sorted(self._items)]
        return {"object": "response", **self._top, "output": output}

    @staticmethod
    def _item(entry: Fields) -> Any:
        if "done" in entry:
            return entry["done"]
        grown = {name: "".join(pieces) for name, pieces in entry.get("grown", {}).items()}
        if entry.get("type") in ("message", "reasoning"):
            return {"type": entry["type"], "content": [grown]}
        return {**{name: value for name, value in entry.items() if name != "grown"}, **grown}


SHAPES: tuple[type[Shape], ...] = (TextChunks, ChatChunks, ResponseEvents, MessageEvents)
