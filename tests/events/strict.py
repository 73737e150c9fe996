"""Reads JSON the way the strictest of its readers do."""

from __future__ import annotations

import json
from typing import Any

import msgspec


def read(data: bytes) -> Any:
    """The value, after every reader took it and all agree: UTF-8 without halves of surrogate pairs, no NaN, no key twice
    in one object, no integer beyond 64 bits, not too deep."""
    text = data.decode("utf-8")
    value = json.loads(text, parse_constant=_refuse, parse_int=_integer, object_pairs_hook=_object)
    assert msgspec.json.decode(data) == value
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    assert _depth(value) <= 102
    return value


def read_object(data: bytes) -> dict[str, Any]:
    value = read(data)
    assert type(value) is dict
    return value


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def _integer(digits: str) -> int:
    number = int(digits)
    assert -(2**63) <= number < 2**64, f"{digits} is beyond 64 bits"
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({key for key, _ in pairs}) == len(pairs), f"a key is there twice: {[key for key, _ in pairs]}"
    return dict(pairs)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0
