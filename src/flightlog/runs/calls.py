"""What rows want to know of a model call, read from an event's payload once, for the run and for the generation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from flightlog.events.envelope import Event, StoredEvent
from flightlog.events.spans import usual_name
from flightlog.runs.previews import ERRORS, NOTHING, of_answer, of_calls, of_content, of_input, of_text

CALL_TYPES = frozenset({"llm_request", "llm_response"})
NANO = 1_000_000_000
INT64_MAX = 2**63 - 1
_TEXT_CHARS_MAX = 256  # of names that a row takes out of a payload

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

    def look(self, event: Event) -> Call | None:
        """The call that an event tells of which has no place yet: `stored` gives it one. None where it tells of none."""
        return read_call(event) if event.type in CALL_TYPES else None  # type: ignore[arg-type]  # nothing of its place is read

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


def read_call(event: StoredEvent) -> Call:
    """The call that this llm_request or llm_response tells of. Never raises for anything in the payload."""
    if event.type == "llm_response" and bytes(event.payload).rfind(b'"otlp"') >= 0:
        try:
            return _read_span(event, _spans.decode(event.payload))
        except ERRORS:
            pass  # of another producer, or not as it should be
    return _read_any(event)


def _read_any(event: StoredEvent) -> Call:
    payload = _decode(event.payload)
    call = _request(event, payload) if event.type == "llm_request" else _answer(event, payload)
    if payload.otlp is not None:
        said = payload.otlp.name
        call.own_span = True
        call.name = _name(usual_name(event.type, event.name, payload.operation) if said is None else said)
    call.generation_id = generation_id_of(event, call.own_span)
    return call


def _read_span(event: StoredEvent, payload: _Span) -> Call:
    """The commonest call, by the same rules as `_answer`: a finished span where every key holds what it should."""
    request, usage, name, error, otlp = payload.request, payload.usage, event.name, payload.error, payload.otlp
    asked = request.model or name
    streamed = payload.streamed
    if streamed is None and request.parameters is not None:
        streamed = _streams(request.parameters)
    message = payload.message
    said = None if message is None else of_content(message.content) or of_calls(message.tool_calls)
    if said is None and message is None:
        said = of_answer(NOTHING, payload.choices)
    said_name = usual_name("llm_response", name, payload.operation) if otlp.name is None else otlp.name
    key = event.span_id or event.correlation_id or event.event_id
    return Call(
        event=event,
        is_answer=True,
        generation_id=key if event.run_id is None else f"{event.run_id}-{key}",
        own_span=True,
        name=said_name[:_TEXT_CHARS_MAX] or None if said_name else None,
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
        input_preview=of_input(request.messages, request.input),
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


def _request(event: StoredEvent, payload: _Payload) -> Call:
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


def _answer(event: StoredEvent, payload: _Payload) -> Call:
    request = payload.request or _NO_REQUEST
    usage = payload.usage or _NO_USAGE
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


# ── payloads, as little of them as there is need for ─────────────────────────────────────────────────────────────────


class _Parameters(msgspec.Struct):
    stream: Any = None


class _Asked(msgspec.Struct):
    model: Any = None
    messages: msgspec.Raw = NOTHING
    input: msgspec.Raw = NOTHING
    parameters: _Parameters | None = None


class _Usage(msgspec.Struct):
    input_tokens: Any = None
    output_tokens: Any = None
    cached_input_tokens: Any = None
    cache_write_tokens: Any = None
    reasoning_tokens: Any = None


class _Error(msgspec.Struct):
    kind: Any = None
    message: Any = None


class _Otlp(msgspec.Struct):
    name: Any = None


class _Payload(_Asked):
    provider: Any = None
    operation: Any = None
    request: _Asked | None = None
    message: msgspec.Raw = NOTHING
    choices: msgspec.Raw = NOTHING
    finish_reasons: Any = None
    usage: _Usage | None = None
    cost_usd: Any = None
    time_to_first_chunk_ns: Any = None
    streamed: Any = None
    error: _Error | None = None
    otlp: _Otlp | None = None


# The same with what each key should hold, so that nothing has to be looked at twice. What is otherwise is read as above.
_Name = Annotated[str, msgspec.Meta(max_length=_TEXT_CHARS_MAX)]
_Number = Annotated[int, msgspec.Meta(ge=0, le=INT64_MAX)]


class _SpanAsked(msgspec.Struct, frozen=True, gc=False):
    model: _Name | None = None
    messages: msgspec.Raw = NOTHING
    input: msgspec.Raw = NOTHING
    parameters: _Parameters | None = None


class _SpanUsage(msgspec.Struct, frozen=True, gc=False):
    input_tokens: _Number | None = None
    output_tokens: _Number | None = None
    cached_input_tokens: _Number | None = None
    cache_write_tokens: _Number | None = None
    reasoning_tokens: _Number | None = None


class _SpanError(msgspec.Struct, gc=False):
    kind: _Name | None = None
    message: str | None = None


class _SpanOtlp(msgspec.Struct, gc=False):
    name: str | None = None


class _SpanMessage(msgspec.Struct, gc=False):
    content: msgspec.Raw = NOTHING
    tool_calls: msgspec.Raw = NOTHING


_SPAN_ASKED, _SPAN_USAGE = _SpanAsked(), _SpanUsage()


class _Span(msgspec.Struct, gc=False):
    otlp: _SpanOtlp
    model: _Name | None = None
    provider: _Name | None = None
    operation: _Name | None = None
    request: _SpanAsked = _SPAN_ASKED
    message: _SpanMessage | None = None
    choices: msgspec.Raw = NOTHING
    finish_reasons: list[_Name] | None = None
    usage: _SpanUsage = _SPAN_USAGE
    cost_usd: float | None = None
    time_to_first_chunk_ns: _Number | None = None
    streamed: bool | None = None
    error: _SpanError | None = None


_NO_REQUEST, _NO_USAGE, _NO_PAYLOAD = _Asked(), _Usage(), _Payload()
_payloads = msgspec.json.Decoder(_Payload)
_spans = msgspec.json.Decoder(_Span)
_anything = msgspec.json.Decoder(dict[str, msgspec.Raw])
_fields = {field.name: msgspec.json.Decoder(field.type) for field in msgspec.structs.fields(_Payload)}


def _decode(payload: msgspec.Raw) -> _Payload:
    try:
        return _payloads.decode(payload)
    except ERRORS:
        return _decode_odd(payload)


def _decode_odd(payload: msgspec.Raw) -> _Payload:
    """Where one key holds what it should not, the others still count."""
    try:
        given = _anything.decode(payload)
    except ERRORS:
        return _NO_PAYLOAD
    found: dict[str, Any] = {}
    for name in given.keys() & _fields.keys():
        try:
            found[name] = _fields[name].decode(given[name])
        except ERRORS:
            continue
    return _Payload(**found)


def _streams(parameters: _Parameters | None) -> bool | None:
    stream = None if parameters is None else parameters.stream
    return stream if isinstance(stream, bool) else None


def _name(value: object) -> str | None:
    return value[:_TEXT_CHARS_MAX] if isinstance(value, str) and value else None


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


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[Call | None]).decode
