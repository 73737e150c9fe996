"""Recording a model call: the request as it goes out, the response as it comes back, streamed or whole."""

from __future__ import annotations

import math
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

import msgspec

from flightlog.events.payload import describe_error
from flightlog.recorder.health import Degradation
from flightlog.recorder.helpers.assembly import Assembly
from flightlog.recorder.helpers.base import Emits, Pair, as_text, attempt, without_nones
from flightlog.recorder.helpers.opinions import feedback_fields, feedback_payload
from flightlog.recorder.helpers.responses import read_response
from flightlog.recorder.helpers.streams import AsyncStream, Stream

T = TypeVar("T")


class Streamed:
    """What is known of one streamed answer while its chunks pass."""

    def __init__(self, call: LLMCall) -> None:
        self.assembly = Assembly()
        self.ended = False
        self.whole = False
        self.error: dict[str, Any] | None = None
        self.first_chunk_ns: int | None = None
        self._call: LLMCall | None = call

    def chunk_came(self, chunk: object) -> None:
        """The stream gave a chunk."""
        if self._call is None:
            return
        if self.first_chunk_ns is None:
            self.first_chunk_ns = self._call.elapsed_ns()
        self.assembly.add(chunk)

    def stream_ended(self, error: BaseException | None, whole: bool) -> None:
        """The stream is over: to its end, with an error, or because nobody reads on."""
        call, self._call = self._call, None
        if call is None:
            return
        self.ended, self.whole = True, whole
        if error is not None:
            self.error = describe_error(error)
        call.stream_ended(self)

    def fields(self) -> dict[str, Any]:
        """The answer as far as it came."""
        early = None if self.whole or self.error else True
        self._call = None  # whatever comes now is not recorded
        whole, _ = attempt(self.assembly.response)
        fields = {
            "chunks": self.assembly.chunks,
            "time_to_first_chunk_ns": self.first_chunk_ns,
            "stopped_early": early,
            "error": self.error,
        }
        return {**read_safely(whole), **without_nones(fields)}


class LLMCall:
    """One call of a model; made by `llm`. Use it in a `with` or `async with` block, or `start` and `finish` it.

    Hand it the answer (`record`) or the stream of it (`stream`, `astream`). An exception that leaves the block is
    recorded and goes on. When the block is left before the first chunk of a stream was taken (`return call.stream(…)`),
    the response is recorded at the end of the stream instead.
    """

    def __init__(self, emits: Emits, model: str, provider: str | None, request: dict[str, Any]) -> None:
        self.model = as_text(model)
        self.provider = provider
        self.persistence: Degradation | None = None
        self._emits = emits
        self._pair = Pair(emits)
        self._run_id: str | None = None
        self._request = request
        self._streamed: Streamed | None = None
        self._waits_for_stream = False
        self._fields: dict[str, Any] = {}
        self._cost_usd: float | None = None
        self._error: dict[str, Any] | None = None

    @property
    def correlation_id(self) -> str:
        """What the request and the response have in common."""
        return self._pair.correlation_id

    @property
    def generation_id(self) -> str:
        """The id of the generation that this call is: hand it to whoever may have something to say about the answer."""
        run_id = self._run_id if self._pair.begun else self._emits.run_id
        return self.correlation_id if run_id is None else f"{run_id}-{self.correlation_id}"

    @property
    def as_target(self) -> tuple[str, str]:
        """What feedback on it is about."""
        return self.generation_id, "generation"

    # ── what user code does ──────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> LLMCall:
        """Record `llm_request`. Called by the `with` block."""
        request = {"model": self.model, "provider": self.provider, **self._request}
        if not self._pair.begun:
            self._run_id = self._emits.run_id
        self._pair.begin("llm_request", without_nones(request), name=self.model)
        return self

    def record(self, response: T) -> T:
        """Take the answer, in the SDK's shape or as text, and give it back. A later answer replaces it."""
        self._streamed = None
        self._fields = read_safely(response)
        return response

    def stream(self, chunks: Iterable[T]) -> Stream[T]:
        """The same chunks, unchanged, watched as they pass; the answer is put together from them."""
        self._streamed = Streamed(self)
        return Stream(chunks, self._streamed)

    def astream(self, chunks: AsyncIterable[T]) -> AsyncStream[T]:
        """`stream` for chunks that are awaited."""
        self._streamed = Streamed(self)
        return AsyncStream(chunks, self._streamed)

    def cost(self, usd: float) -> None:
        """Say what the call cost, in US dollars. What is not a finite number is left out."""
        amount, _ = attempt(float, usd)
        if amount is not None and math.isfinite(amount):
            self._cost_usd = amount

    def finish(self, error: BaseException | None = None) -> None:
        """Record `llm_response`. Called at the end of the `with` block; only the first call counts."""
        if self._pair.ended:
            return
        if self._streamed is not None:
            self._fields = self._streamed.fields()
        if error is not None:
            self._error = describe_error(error)
        elif "error" in self._fields:
            self._error = self._fields["error"]
        status = self._status()
        level = "info" if status == "ok" else "error"
        self._pair.end("llm_response", self._response(), name=self.model, status=status, level=level)
        self.persistence, _ = attempt(self._emits.degradation)

    def result(self) -> dict[str, Any]:
        """The response as recorded, with `status`, and with the signal of degraded persistence (or None)."""
        signal = None if self.persistence is None else msgspec.to_builtins(self.persistence)
        return {**self._response(), "status": self._status(), "persistence": signal}

    def feedback(
        self,
        *,
        value: object = None,
        kind: str | None = None,
        name: str | None = None,
        comment: str | None = None,
        given_by: str | None = None,
        key: str | None = None,
        **extra: Any,
    ) -> str:
        """Record what somebody thinks of this call, now or later; as `feedback` of a recorder. Gives the event's id."""
        said = {"value": value, "kind": kind, "name": name, "comment": comment, "given_by": given_by, "key": key}
        payload = feedback_payload(self, None, extra, **said)
        return self._emits.emit("feedback", payload, **feedback_fields(payload))

    def __enter__(self) -> LLMCall:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, GeneratorExit):
            error = None  # the block is in a generator, and its reader has had enough
        elif error is None and self._streamed is not None and not self._streamed.assembly.chunks:
            self._waits_for_stream = True
            if not self._streamed.ended:
                return
        self.finish(error)

    async def __aenter__(self) -> LLMCall:
        return self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    # ── what its stream asks and tells ───────────────────────────────────────────────────────────────────────────

    def elapsed_ns(self) -> int:
        """Nanoseconds since the request."""
        return self._pair.elapsed_ns()

    def stream_ended(self, streamed: Streamed) -> None:
        """A stream of this call is over."""
        if self._waits_for_stream and streamed is self._streamed:
            self.finish()

    def _status(self) -> str:
        return "ok" if self._error is None else "error"

    def _response(self) -> dict[str, Any]:
        known = {"model": self.model, "provider": self.provider, **self._fields, "cost_usd": self._cost_usd}
        return without_nones({**known, "streamed": self._streamed is not None, "error": self._error})


def read_safely(response: object) -> dict[str, Any]:
    """The fields of a response; the response itself where reading it fails."""
    fields, unread = attempt(read_response, response)
    return fields if unread is None else {"response": response, "unread": unread["message"]}


def llm_call(
    emits: Emits,
    model: str,
    *,
    provider: str | None,
    messages: object,
    parameters: object,
    tools: Sequence[object] | None,
    operation: str,
) -> LLMCall:
    """The call that `Instruments.llm` describes."""
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    elif messages is not None and not isinstance(messages, list | tuple):
        messages = [messages]
    if parameters is not None and not isinstance(parameters, Mapping):
        parameters = {"value": parameters}
    if tools is not None and not isinstance(tools, list | tuple):
        tools = [tools]
    request = {"operation": as_text(operation), "messages": messages, "parameters": parameters, "tools": tools}
    return LLMCall(emits, model, None if provider is None else as_text(provider), request)
