"""What an object is made of: a value that stands for it, its entries, or its text.

Instances are asked as little as possible: what they are is read from their class, what built-in containers hold is read
past their overrides. Nothing is consumed (a generator or a file is only named) and at most `room` entries are taken.
"""

from __future__ import annotations

import base64
import re
from collections import deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import islice
from traceback import format_tb
from types import SimpleNamespace, TracebackType
from typing import Any
from uuid import UUID

import msgspec

from flightlog.events.payload.entries import (
    Entries,
    Instead,
    Kinds,
    Shape,
    View,
    fields_of,
    pairs_of,
    snapshot,
    total_of,
)
from flightlog.events.payload.faults import describe_error
from flightlog.events.payload.foreign import foreign_view
from flightlog.events.payload.text import said

# Classes whose view is remembered; then the memory starts anew, so that classes made at run time are not kept alive.
KNOWN_CLASSES_MAX = 256

# Bytes with a run like this may hold a secret: they are written as text, where redaction sees it, never as base64.
_READABLE = re.compile(rb"[\x20-\x7e]{12}")

_known: dict[type, View] = {}  # how to look at the classes met so far


def shape(value: object, room: int) -> Shape:
    """What to write for any object but the plain ones. Never raises; the last resort is what `repr` says.

    >>> shape({"b", "a"}, 10)
    Entries(taken=['a', 'b'], keyed=False, total=2)
    >>> shape(b"caf\\xe9 au lait, please", 10)
    'caf\\\\xe9 au lait, please'
    """
    try:
        return _view_of(type(value))(value, room)
    except Exception:
        return said(value)  # a value that can't be taken apart still has a text


def _view_of(kind: type) -> View:
    try:
        return _known[kind]
    except Exception:  # noqa: S110  met for the first time, or of a metaclass that can't be hashed
        pass
    view = _find_view(kind)
    try:
        if len(_known) >= KNOWN_CLASSES_MAX:
            _known.clear()
        _known[kind] = view
    except Exception:  # noqa: S110
        pass
    return view


def _find_view(kind: type) -> View:
    for families, view in _FAMILIES:
        if issubclass(kind, families):
            return view
    return foreign_view(kind) or _text


def _bytes(value: Any, room: int) -> Shape:
    """Text where it is text; text with `\\xNN` where a part of it is readable; else base64."""
    data = memoryview(value).tobytes()
    try:
        if b"\0" not in data:
            return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if _READABLE.search(data):
        return data.decode("utf-8", "backslashreplace")
    return Entries([("base64", base64.b64encode(data).decode("ascii")), ("bytes", len(data))], True, 2)


def _text(value: Any, room: int) -> Shape:
    return said(value)


def _items_of(base: Any) -> Callable[[Any, int], Entries]:
    def view(value: Any, room: int) -> Entries:
        taken = snapshot(lambda: base.__iter__(value), room)
        return Entries(taken, False, total_of(taken, room, base.__len__(value)))

    return view


def _tuple(value: Any, room: int) -> Shape:
    names = getattr(type(value), "_fields", None)
    if type(names) is tuple and len(names) == tuple.__len__(value) and all(type(name) is str for name in names):
        return Entries(list(islice(zip(names, tuple.__iter__(value), strict=True), room)), True, len(names))
    return Entries(list(islice(tuple.__iter__(value), room)), False, tuple.__len__(value))


def _set(value: Any, room: int) -> Shape:
    seen = _items_of(set if issubclass(type(value), set) else frozenset)(value, room)
    if {*map(type, seen.taken)} in ({str}, {int}):
        seen.taken.sort()  # so that equal sets look equal
    return seen


def _moment(value: Any, room: int) -> Shape:
    return str.__str__(value.isoformat()).replace("+00:00", "Z")


def _timedelta(value: Any, room: int) -> Shape:
    exact = timedelta(days=value.days, seconds=value.seconds, microseconds=value.microseconds)
    return str(msgspec.to_builtins(exact))


def _raw(value: Any, room: int) -> Shape:
    data = bytes(value)
    try:
        return Instead(msgspec.json.decode(data))
    except (ValueError, RecursionError):
        return _bytes(data, room)


def _struct(value: Any, room: int) -> Shape:
    fields = fields_of(value, value.__struct_fields__, room)
    shown = zip(value.__struct_encode_fields__, (read for _, read in fields.taken), strict=False)
    config = value.__struct_config__
    tag = [] if config.tag_field is None else [(config.tag_field, config.tag)]
    return fields._replace(taken=[*tag, *shown])


# Asked in this order; the first family that the class belongs to decides.
_FAMILIES: tuple[tuple[Kinds, View], ...] = (
    (Enum, lambda value, room: Instead(value._value_)),
    (str, lambda value, room: str.__str__(value)),
    (int, lambda value, room: Instead(int.__int__(value))),
    (float, lambda value, room: Instead(float.__float__(value))),
    ((bytes, bytearray, memoryview), _bytes),
    (dict, pairs_of),
    (list, _items_of(list)),
    (tuple, _tuple),
    ((set, frozenset), _set),
    (deque, _items_of(deque)),
    ((datetime, date, time), _moment),
    (timedelta, _timedelta),
    ((Decimal, UUID), lambda value, room: said(value, str)),
    (BaseException, lambda value, room: Instead(describe_error(value))),
    (TracebackType, lambda value, room: "".join(format_tb(value, limit=-64))),
    (SimpleNamespace, lambda value, room: pairs_of(value.__dict__, room)),
    (msgspec.Raw, _raw),
    (msgspec.Struct, _struct),
    ((type, range), _text),
)
