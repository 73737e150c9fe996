"""The last steps of every event that is mapped: payload to bytes, ids and names that fit the envelope."""

from __future__ import annotations

import hashlib
from math import isfinite
from typing import Any

import msgspec

from flightlog.events.envelope import FIELD_CHARS_MAX
from flightlog.events.payload import encode_payload
from flightlog.events.payload.plain import DEPTH_LIMIT
from flightlog.ingest.otlp.mapping.version import MAPPING_VERSION
from flightlog.ingest.otlp.model import Origin, Place, Scope

INT64_MAX = 2**63 - 1
_encode = msgspec.json.Encoder().encode
_canonical = msgspec.json.Encoder(order="deterministic").encode


def encoded(payload: dict[str, Any]) -> tuple[msgspec.Raw, int]:
    """The bytes of any payload, and the envelope's flags that go with them."""
    data, flags = encode_payload(payload)
    return msgspec.Raw(data), flags


def plainly(payload: dict[str, Any]) -> msgspec.Raw | None:
    """The bytes of a payload whose values are not odd (`is_odd`), in a third of the time: they hold it as it is. None where
    it can't be written so.
    """
    try:
        data = _encode(payload)
        if data.count(b"{") + data.count(b"[") <= DEPTH_LIMIT or not is_deeper(payload, DEPTH_LIMIT):
            return msgspec.Raw(data)
    except (ValueError, TypeError, OverflowError, RecursionError):
        pass  # half a surrogate pair, a number beyond 64 bits, too many levels
    return None


def is_deeper(value: Any, levels: int) -> bool:
    """Whether there are more lists and objects in each other than this."""
    kind = type(value)
    if kind is dict:
        value = value.values()
    elif kind is not list:
        return False
    if levels == 0:
        return True
    return any(is_deeper(inner, levels - 1) for inner in value if type(inner) is dict or type(inner) is list)


def source_of(scope: Scope, origin: Origin, dialect: str) -> dict[str, Any]:
    """Where a record came from: the first key of `payload.otlp`, a digest that the `resource` event of this place has."""
    key: tuple[str, ...] = (scope.name, scope.version, dialect)
    if scope.attributes:
        key = (*key, digest_of(scope.attributes))
    place = origin.places.get(key)
    if place is None:
        said = (origin.digest, scope.label, scope.attributes, dialect, MAPPING_VERSION)
        place = origin.places[key] = Place(digest_of(said)[:16], scope, dialect)
    return {"resource": place.digest}


def is_odd(value: Any) -> bool:
    """Whether a value needs the careful way."""
    kind = type(value)
    if kind is str or kind is int or kind is bool:
        return False
    return kind is not float or not isfinite(value)


def digest_of(value: Any) -> str:
    """64 hex digits of SHA-256 over the value's JSON with sorted keys."""
    try:
        data = _canonical(value)
    except (ValueError, TypeError, OverflowError, RecursionError):
        data = repr(value).encode("utf-8", "backslashreplace")
    return hashlib.sha256(data).hexdigest()


def fitted(text: str | None, field: str) -> str | None:
    """The text, cut to what the envelope's field holds.

    >>> len(fitted("x" * 1000, "source"))
    128
    """
    return text[: FIELD_CHARS_MAX[field]] if text else None


def moment(time_ns: int) -> int:
    """The time, brought into the range of the envelope."""
    return 0 if time_ns < 0 else min(time_ns, INT64_MAX)
