"""Payloads of model calls, as little of them as there is need for.

A `Payload` is anybody's, and each of its keys may hold anything. A `Span` and a `GivenSpan` are what nearly every call that comes
by OpenTelemetry is: each key holds what it should, so that nothing has to be looked at twice; decoding or converting others fails.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from flightlog.runs.previews import ERRORS, NOTHING

INT64_MAX = 2**63 - 1
TEXT_CHARS_MAX = 256  # of names that a row takes out of a payload


class Parameters(msgspec.Struct):
    stream: Any = None


class Asked(msgspec.Struct):
    model: Any = None
    messages: msgspec.Raw = NOTHING
    input: msgspec.Raw = NOTHING
    parameters: Parameters | None = None


class Usage(msgspec.Struct):
    input_tokens: Any = None
    output_tokens: Any = None
    cached_input_tokens: Any = None
    cache_write_tokens: Any = None
    reasoning_tokens: Any = None


class Error(msgspec.Struct):
    kind: Any = None
    message: Any = None


class Otlp(msgspec.Struct):
    name: Any = None


class Payload(Asked):
    """An `llm_request`, or an `llm_response` with its request in `request`."""

    provider: Any = None
    operation: Any = None
    request: Asked | None = None
    message: msgspec.Raw = NOTHING
    choices: msgspec.Raw = NOTHING
    finish_reasons: Any = None
    usage: Usage | None = None
    cost_usd: Any = None
    time_to_first_chunk_ns: Any = None
    streamed: Any = None
    error: Error | None = None
    otlp: Otlp | None = None


_Name = Annotated[str, msgspec.Meta(max_length=TEXT_CHARS_MAX)]
_Number = Annotated[int, msgspec.Meta(ge=0, le=INT64_MAX)]


class SpanUsage(msgspec.Struct, frozen=True, gc=False):
    input_tokens: _Number | None = None
    output_tokens: _Number | None = None
    cached_input_tokens: _Number | None = None
    cache_write_tokens: _Number | None = None
    reasoning_tokens: _Number | None = None


class SpanError(msgspec.Struct, gc=False):
    kind: _Name | None = None
    message: str | None = None


class SpanOtlp(msgspec.Struct, gc=False):
    name: str | None = None


class _Span(msgspec.Struct, kw_only=True, gc=False):
    otlp: SpanOtlp
    model: _Name | None = None
    provider: _Name | None = None
    operation: _Name | None = None
    finish_reasons: list[_Name] | None = None
    usage: SpanUsage = SpanUsage()
    cost_usd: float | None = None
    time_to_first_chunk_ns: _Number | None = None
    streamed: bool | None = None
    error: SpanError | None = None


class SpanAsked(msgspec.Struct, frozen=True, gc=False):
    model: _Name | None = None
    messages: msgspec.Raw = NOTHING
    input: msgspec.Raw = NOTHING
    parameters: Parameters | None = None


class SpanMessage(msgspec.Struct, gc=False):
    content: msgspec.Raw = NOTHING
    tool_calls: msgspec.Raw = NOTHING


class Span(_Span, kw_only=True, gc=False):
    """A finished span's call, from bytes."""

    request: SpanAsked = SpanAsked()
    message: SpanMessage | None = None
    choices: msgspec.Raw = NOTHING


class GivenAsked(msgspec.Struct, frozen=True, gc=False):
    model: _Name | None = None
    messages: Any = None
    input: Any = None
    parameters: Parameters | None = None


class GivenMessage(msgspec.Struct, gc=False):
    content: Any = None
    tool_calls: Any = None


class GivenSpan(_Span, kw_only=True, gc=False):
    """The same, from objects."""

    request: GivenAsked = GivenAsked()
    message: GivenMessage | None = None
    choices: Any = None


NO_REQUEST, NO_USAGE, _NO_PAYLOAD = Asked(), Usage(), Payload()
_payloads = msgspec.json.Decoder(Payload)
_anything = msgspec.json.Decoder(dict[str, msgspec.Raw])
_fields = {field.name: msgspec.json.Decoder(field.type) for field in msgspec.structs.fields(Payload)}


def payload_of(payload: msgspec.Raw) -> Payload:
    """What can be read of any payload. Never raises for anything in it."""
    try:
        return _payloads.decode(payload)
    except ERRORS:
        return _decode_odd(payload)


def _decode_odd(payload: msgspec.Raw) -> Payload:
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
    return Payload(**found)
