"""Recording a tool call: what the tool was asked, what it gave, how long it took."""

from __future__ import annotations

from types import TracebackType
from typing import TypeVar

from flightlog.events.payload import describe_error
from flightlog.recorder.helpers.base import Emits, Pair, as_text, without_nones
from flightlog.recorder.helpers.output import whole_lines_before

T = TypeVar("T")

# Of what a generator yields; the rest is counted.
ITEMS_MAX = 100
TEXT_CHARS_MAX = 64 * 1024

_NOTHING = object()


class ToolCall:
    """One call of a tool; made by `tool_call`. Use it in a `with` block and hand it the `result`.

    An exception that leaves the block is recorded and goes on.
    """

    def __init__(self, emits: Emits, tool: str, arguments: object = None, call_id: str | None = None) -> None:
        self.tool = as_text(tool)
        self._pair = Pair(emits)
        self._arguments = arguments
        self._call_id = None if call_id is None else as_text(call_id)
        self._result: object = _NOTHING
        self._items: list[object] = []
        self._chars: int | None = 0  # of the items so far, while all of them are texts
        self._yielded = 0

    @property
    def correlation_id(self) -> str:
        """What the call and its result have in common."""
        return self._pair.correlation_id

    def result(self, value: T) -> T:
        """Take what the tool gave, and give it back."""
        self._result = value
        return value

    def item(self, value: T) -> T:
        """Take one of the things that the tool gives one by one, and give it back.

        The first 100 are kept. Texts are kept as one text, up to 64 Ki characters.
        """
        self._yielded += 1
        if isinstance(value, str) and self._chars is not None:
            if self._chars < TEXT_CHARS_MAX:
                self._chars += len(value)
                self._items.append(value)
        else:
            self._chars = None
            if len(self._items) < ITEMS_MAX:
                self._items.append(value)
        return value

    def __enter__(self) -> ToolCall:
        call = {"tool": self.tool, "arguments": self._arguments, "call_id": self._call_id}
        self._pair.begin("tool_call", without_nones(call), name=self.tool)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        payload = without_nones({"tool": self.tool, "call_id": self._call_id})
        if self._yielded:
            payload.update(result=self._told(), yielded=self._yielded)
        if self._result is not _NOTHING:
            payload["returned" if self._yielded else "result"] = self._result
        failed = error is not None and not isinstance(error, GeneratorExit)
        if error is not None:
            payload.update({"error": describe_error(error)} if failed else {"stopped_early": True})
        status, level = ("error", "error") if failed else ("ok", "info")
        self._pair.end("tool_result", payload, name=self.tool, status=status, level=level)

    def _told(self) -> object:
        """The items. Texts are joined: a secret that came in two pieces would not be recognised in a list of them."""
        if self._chars is None:
            return self._items[:ITEMS_MAX]
        text = "".join(str(item) for item in self._items)
        if len(self._items) == self._yielded:
            return text
        return whole_lines_before(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
