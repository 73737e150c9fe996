"""What no mapping understood of an event that came by OpenTelemetry, read from its payload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from flightlog.events.envelope import Event
from flightlog.ingest.otlp.mapping.draft import reader_of
from flightlog.journal.projector import Payload

Leftover = tuple[str, str, tuple[str, ...]]  # the scope, or the digest of the source that says it; the keys

_ATTRIBUTES, _OTLP = b'"attributes"', b'"otlp"'


class _Otlp(msgspec.Struct, gc=False):
    scope: str = ""
    resource: str = ""
    mapping: int | None = None


class _Left(msgspec.Struct, gc=False):
    attributes: dict[str, msgspec.Raw] | None = None
    otlp: _Otlp | None = None


class LeftoverLooker:
    """A Looker for what is left over."""

    looks_for = "leftovers"

    def look(self, event: Event, payload: Payload | None = None) -> Leftover | None:
        """What an event has left over."""
        return leftover(event) if payload is None else left_in(payload)

    def pack(self, looks: Sequence[Leftover | None]) -> bytes:
        """Leftovers for another process."""
        return _pack(looks)

    def unpack(self, data: bytes) -> list[Leftover | None]:
        """Leftovers from another process."""
        return _unpack(data)


def leftover(event: Event) -> Leftover | None:
    """Of an event that came by OpenTelemetry its scope, or the digest of the source that says it, and the attributes that no
    mapping understood; None without any."""
    data = bytes(event.payload)
    # From the end, where a mapping puts both: most events are told by their last few bytes.
    if data.rfind(_OTLP) < 0 or (place := data.rfind(_ATTRIBUTES)) < 0:
        return None
    payload = _read(b"{" + data[place:])
    if payload is None or payload.otlp is None:  # attributes of something within the payload, or the last key of it
        payload = _read(data)
    if payload is None or payload.otlp is None or not payload.attributes:
        return None
    keys = not_understood(payload.attributes)
    otlp = payload.otlp
    return (otlp.scope, otlp.resource if otlp.mapping is None else "", keys) if keys else None


def left_in(payload: Payload) -> Leftover | None:
    """The same of a payload that a mapping has just made."""
    keys = not_understood(payload.get("attributes") or {})
    return ("", payload["otlp"]["resource"], keys) if keys else None


def not_understood(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    """Those of an event's attributes that no mapping reads. What is read but has no other place in an event of its type, such as
    the provider of a chain, is under its own name too."""
    return tuple(key for key, value in attributes.items() if not _is_read(key, value))


def _is_read(key: str, value: Any) -> bool:
    reader = reader_of(key)
    if reader is None:
        return False
    try:
        return reader(_decode_any(value) if type(value) is msgspec.Raw else value) is not None
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return False


def _read(data: bytes) -> _Left | None:
    try:
        return _decode(data)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None


_decode = msgspec.json.Decoder(_Left).decode
_decode_any = msgspec.json.Decoder().decode
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[Leftover | None]).decode
