"""Any Python object becomes the JSON text of an object: valid, strict UTF-8, and without an exception.

Two ways, one result. A payload of exact dicts, lists, texts, numbers, booleans and None (`is_plain`) is written by
msgspec in one call. Everything else takes the careful walk (walk.py).

msgspec's own ways with other objects are not used. It writes bytes as base64, where redaction can't see a secret, and
NaN as null; and a hook that runs Python code while msgspec reads a list lets that list change under it, which ends the
process with a segmentation fault. So no hook ever returns anything here.
"""

from __future__ import annotations

from typing import NamedTuple, Never

import msgspec

from flightlog.events.envelope import FLAG_INVALID, FLAG_TRUNCATED
from flightlog.events.payload.clip import TEXT_CHARS_MAX
from flightlog.events.payload.faults import describe_error
from flightlog.events.payload.plain import DEPTH_LIMIT, DEPTH_MAX, NODES_MAX, budget_left, is_plain
from flightlog.events.payload.text import type_name
from flightlog.events.payload.walk import Walk

__all__ = ["Encoded", "describe_error", "enc_hook", "encode_any", "encode_payload", "is_plain"]

_encode = msgspec.json.Encoder().encode


class Encoded(NamedTuple):
    """The JSON text of an object, and the envelope's flags that go with it."""

    data: bytes
    flags: int


_EMPTY = Encoded(b"{}", 0)


def encode_payload(value: object, *, depth_max: int = DEPTH_MAX, items_max: int | None = None) -> Encoded:
    """The payload for any object. Never raises an Exception; KeyboardInterrupt and its like pass.

    None is `{}`; what is not an object is put under "value". `depth_max` levels are kept (at most 100), and up to
    `items_max` entries of each list or object; FLAG_TRUNCATED says that some were left out. Should encoding itself
    fail, the payload is `{"encode_failed": …}` with FLAG_INVALID.

    >>> encode_payload({"at": {"b", "a"}, "raw": b"text", "share": float("nan")}).data
    b'{"at":["a","b"],"raw":"text","share":"NaN"}'
    >>> encode_payload([1, 2]).data
    b'{"value":[1,2]}'
    """
    if value is None:
        return _EMPTY
    try:
        whole = value if type(value) is dict else {"value": value}
        depth = depth_max if depth_max < DEPTH_LIMIT else DEPTH_LIMIT  # noqa: FURB136  twice as fast as min()
        if budget_left(whole, depth, TEXT_CHARS_MAX, NODES_MAX if items_max is None else items_max) >= 0:
            return Encoded(_encode(whole), 0)
    except Exception:  # noqa: S110  half a surrogate pair, or another thread changed it meanwhile
        pass
    try:
        data, cut = _walk(value, depth_max, items_max)
        return Encoded(data if data.startswith(b"{") else b'{"value":' + data + b"}", FLAG_TRUNCATED if cut else 0)
    except Exception as error:
        return Encoded(_failed(error), FLAG_INVALID | FLAG_TRUNCATED)


def encode_any(value: object, *, depth_max: int = DEPTH_MAX, items_max: int | None = None) -> bytes:
    """The JSON text of any object, not put under "value". Never raises an Exception.

    >>> encode_any(b"text"), encode_any(None)
    (b'"text"', b'null')
    """
    try:
        return _walk(value, depth_max, items_max)[0]
    except Exception as error:
        return _failed(error)


def enc_hook(value: object) -> Never:
    """For `msgspec.json.Encoder(enc_hook=enc_hook)`: refuses, so that the caller takes the careful way.

    It does not convert, because a hook that runs Python code inside msgspec can end the process (see the top).
    """
    raise TypeError(f"{type_name(value)} takes the careful way: encode_payload()")


def _walk(value: object, depth_max: int, items_max: int | None) -> tuple[bytes, bool]:
    walk = Walk(max(1, min(depth_max, DEPTH_LIMIT)), items_max)
    return walk.write(value), walk.cut


def _failed(error: Exception) -> bytes:
    return _encode({"encode_failed": type_name(error)})
