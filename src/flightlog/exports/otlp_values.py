"""Values as OTLP's JSON writes them (opentelemetry-proto, `common.proto`; OTLP/HTTP, "JSON Protobuf Encoding")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

INT64_MAX = 2**63 - 1
DEPTH_MAX = 20  # readers give up soon after; what lies deeper is written as JSON text

_encode = msgspec.json.Encoder().encode


def any_value(value: Any, depth: int = 0) -> dict[str, Any]:
    """An AnyValue. Whole numbers are texts, as in every 64-bit number of protobuf's JSON; one beyond 64 bits is a text.

    >>> any_value({"a": [1, True, None]})["kvlistValue"]["values"][0]["value"]
    {'arrayValue': {'values': [{'intValue': '1'}, {'boolValue': True}, {}]}}
    """
    if value is None:
        return {}
    kind = type(value)
    if kind is str:
        return {"stringValue": value}
    if kind is bool:
        return {"boolValue": value}
    if kind is int:
        return {"intValue": str(value)} if -INT64_MAX - 1 <= value <= INT64_MAX else {"stringValue": str(value)}
    if kind is float:
        return {"doubleValue": value}
    if depth >= DEPTH_MAX:
        return {"stringValue": as_json(value)}
    if kind is dict:
        return {"kvlistValue": {"values": key_values(value, depth + 1)}}
    return {"arrayValue": {"values": [any_value(item, depth + 1) for item in value]}}


def key_values(attributes: Mapping[str, Any], depth: int = 0) -> list[dict[str, Any]]:
    """Attributes; those that are None are left out at the top."""
    return [
        {"key": key, "value": any_value(value, depth)}
        for key, value in attributes.items()
        if value is not None or depth > 0
    ]


def as_json(value: Any) -> str:
    """JSON text, as the GenAI conventions want messages and arguments in attributes of spans."""
    return _encode(value).decode()
