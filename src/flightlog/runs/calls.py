"""What rows want to know of a model call, read from an event's payload once, for the run and for the generation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import convert

from flightlog.events.envelope import Event, StoredEvent
from flightlog.events.spans import usual_name
from flightlog.journal.projector import Payload as Given
from flightlog.runs.call_payloads import INT64_MAX as INT64_MAX
from flightlog.runs.call_payloads import (
    NO_REQUEST,
    NO_USAGE,
    TEXT_CHARS_MAX,
    GivenSpan,
    Parameters,
    Payload,
    Span,
    payload_of,
)
from flightlog.runs.previews import (
    ERRORS,
    NOTHING,
    of_answer,
    of_calls,
    of_content,
    of_input,
    of_said,
    of_talk,
    of_text,
)

CALL_TYPES = frozenset({"llm_request", "llm_response"})
NANO = 1_000_000_000

if TYPE_CHECKING:
    _Event = StoredEvent
else:
    _Event = Any  # nothing, while a Call is packed


class Call(msgspec.Struct, kw_only=True, array_like=True, gc=False):
    """One `llm_request` or `llm_response`, as far as rows want it; what the payload does not say is None.

    `event` has a place in the journal once there is one; a packed Call has none.

    `models` are the names that it goes by, the best one first: that answered, then that was asked. Numbers of tokens are
    whole and not negative. `cost_nano_usd` is what the sender reported, or what pricing found, as `cost_source` says.
    """

    event: _Event
    is_answer: bool
    generation_id: str = ""
    own_span: bool = False  # the event is a finished span, and its span_id is the call's own
    name: str | None = None
    models: tuple[str, ...] = ()
    request_model: str | None = None
    provider: str | None = None
    operation: str | None = None
    is_error: bool = False
    error_kind: str | None = None
    finish_reason: str | None = None
    streamed: bool | None = None
    time_to_first_chunk_ns: int | None = None
    tokens_input: int | None = None
    tokens_output: int | None = None
    tokens_cached_input: int | None = None
    tokens_cache_write: int | None = None
    tokens_reasoning: int | None = None
    cost_nano_usd: int | None = None
    cost_source: str | None = None
    price_id: str | None = None
    input_preview: str | None = None
    output_preview: str | None = None
    covered: bool = False  # another call tells it again, as `coverage` found


class CallLooker:
    """A Looker for calls, without their prices."""

    looks_for = "calls"

    def look(self, event: Event, payload: Given | None = None) -> Call | None:
        """The call that an event tells of which has no place yet: `stored` gives it one. None where it tells of none."""
        if event.type not in CALL_TYPES:
            return None
        return read_call(event, payload)  # type: ignore[arg-type]  # nothing of its place is read

    def pack(self, looks: Sequence[Call | None]) -> bytes:
        """Calls for another process, without their events, which they lose here."""
        for call in looks:
            if call is not None:
                call.event = None  # type: ignore[assignment]
        return _pack(looks)

    def unpack(self, data: bytes) -> list[Call | None]:
        """Calls from another process."""
        return _unpack(data)


def stored(call: Call, event: StoredEvent) -> Call:
    """The same call, which is left as it is, with the event that it is in the journal."""
    made = copy(call)
    made.event = event
    return made


def read_call(event: StoredEvent, given: Given | None = None) -> Call:
    """The call that this llm_request or llm_response tells of. Never raises for anything in the payload.

    `given` is the payload as objects, where somebody has them.
    """
    if event.type == "llm_response":
        try:
            if given is not None and "otlp" in given and (call := _read_given(event, convert(given, GivenSpan))):
                return call
            if bytes(event.payload).rfind(b'"otlp"') >= 0:
                return _read_span(event, _spans.decode(event.payload))
        except ERRORS:
            pass  # of another producer, or not as it should be
    return _read_any(event)


def _read_any(event: StoredEvent) -> Call:
    payload = payload_of(event.payload)
    call = _request(event, payload) if event.type == "llm_request" else _answer(event, payload)
    if payload.otlp is not None:
        said = payload.otlp.name
        call.own_span = True
        call.name = _name(usual_name(event.type, event.name, payload.operation) if said is None else said)
    call.generation_id = generation_id_of(event, call.own_span)
    return call


def _read_span(event: StoredEvent, payload: Span) -> Call:
    """The commonest call, by the same rules as `_answer`: a finished span where every key holds what it should."""
    message = payload.message
    answered = None if message is None else of_content(message.content) or of_calls(message.tool_calls)
    said = of_answer(NOTHING, payload.choices) if message is None else answered
    return _span_call(event, payload, of_input(payload.request.messages, payload.request.input), said)


def _read_given(event: StoredEvent, payload: GivenSpan) -> Call | None:
    """The same without decoding anything; None for what is not so common."""
    message, messages = payload.message, payload.request.messages
    said = None if message is None else of_said(message.content)
    if said is None and (payload.choices is not None or (message is not None and message.tool_calls is not None)):
        return None
    asked = of_talk(messages) if messages else of_said(payload.request.input)
    return _span_call(event, payload, asked, said)


def _span_call(event: StoredEvent, payload: Span | GivenSpan, input_preview: str | None, said: str | None) -> Call:
    request, usage, name, error, otlp = payload.request, payload.usage, event.name, payload.error, payload.otlp
    asked = request.model or name
    streamed = payload.streamed
    if streamed is None and request.parameters is not None:
        streamed = _streams(request.parameters)
    said_name = usual_name("llm_response", name, payload.operation) if otlp.name is None else otlp.name
    key = event.span_id or event.correlation_id or event.event_id
    return Call(
        event=event,
        is_answer=True,
        generation_id=key if event.run_id is None else f"{event.run_id}-{key}",
        own_span=True,
        name=said_name[:TEXT_CHARS_MAX] or None if said_name else None,
        models=_different(payload.model, name, asked),
        request_model=asked,
        provider=payload.provider or None,
        operation=payload.operation or None,
        is_error=event.status == "error" or error is not None,
        error_kind=None if error is None else error.kind or None,
        finish_reason=payload.finish_reasons[0] or None if payload.finish_reasons else None,
        streamed=streamed,
        time_to_first_chunk_ns=payload.time_to_first_chunk_ns,
        tokens_input=usage.input_tokens,
        tokens_output=usage.output_tokens,
        tokens_cached_input=usage.cached_input_tokens,
        tokens_cache_write=usage.cache_write_tokens,
        tokens_reasoning=usage.reasoning_tokens,
        cost_nano_usd=(reported := None if payload.cost_usd is None else _nano(payload.cost_usd)),
        cost_source=None if reported is None else "reported",
        input_preview=input_preview,
        output_preview=said or (None if error is None else of_text(error.message)),
    )


def generation_id_of(event: StoredEvent, own_span: bool) -> str:
    """The generation that an llm_request or llm_response belongs to: request and answer share a correlation id; a finished
    span is a generation by itself, and so is an event that has neither.

    >>> generation_id_of(StoredEvent(event_id="e1", type="llm_request", created_at=1, run_id="r1"), False)
    'r1-e1'
    """
    key = (event.span_id if own_span else None) or event.correlation_id or event.event_id
    return key if event.run_id is None else f"{event.run_id}-{key}"


def _request(event: StoredEvent, payload: Payload) -> Call:
    asked = event.name or _name(payload.model)
    return Call(
        event=event,
        is_answer=False,
        models=(asked,) if asked else (),
        request_model=_name(payload.model) or asked,
        provider=_name(payload.provider),
        operation=_name(payload.operation),
        streamed=_streams(payload.parameters),
        input_preview=of_input(payload.messages, payload.input),
    )


def _answer(event: StoredEvent, payload: Payload) -> Call:
    request = payload.request or NO_REQUEST
    usage = payload.usage or NO_USAGE
    reported = _nano(payload.cost_usd)
    asked = _name(request.model) or event.name
    answered = _name(payload.model)
    reasons = payload.finish_reasons
    return Call(
        event=event,
        is_answer=True,
        models=_different(answered, event.name, asked),
        request_model=asked,
        provider=_name(payload.provider),
        operation=_name(payload.operation),
        is_error=event.status == "error" or payload.error is not None,
        error_kind=None if payload.error is None else _name(payload.error.kind),
        finish_reason=_name(reasons[0]) if isinstance(reasons, list) and reasons else None,
        streamed=payload.streamed if isinstance(payload.streamed, bool) else _streams(request.parameters),
        time_to_first_chunk_ns=_count(payload.time_to_first_chunk_ns),
        tokens_input=_count(usage.input_tokens),
        tokens_output=_count(usage.output_tokens),
        tokens_cached_input=_count(usage.cached_input_tokens),
        tokens_cache_write=_count(usage.cache_write_tokens),
        tokens_reasoning=_count(usage.reasoning_tokens),
        cost_nano_usd=reported,
        cost_source=None if reported is None else "reported",
        input_preview=of_input(request.messages, request.input),
        output_preview=of_answer(payload.message, payload.choices)
        or (None if payload.error is None else of_text(payload.error.message)),
    )


def _different(first: str | None, second: str | None, third: str | None) -> tuple[str, ...]:
    if first and second and second == third:
        return (first,) if first == second else (first, second)
    return tuple(dict.fromkeys(model for model in (first, second, third) if model))


def _streams(parameters: Parameters | None) -> bool | None:
    stream = None if parameters is None else parameters.stream
    return stream if isinstance(stream, bool) else None


def _name(value: object) -> str | None:
    return value[:TEXT_CHARS_MAX] if isinstance(value, str) and value else None


def _count(value: object) -> int | None:
    """The value as a whole number, where it is one that makes sense."""
    if value is None or (type(value) is int and 0 <= value <= INT64_MAX):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= INT64_MAX:
        return None
    return min(round(value), INT64_MAX)


def _nano(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= INT64_MAX:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return min(round(value * NANO), INT64_MAX)


_spans = msgspec.json.Decoder(Span)
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[Call | None]).decode
