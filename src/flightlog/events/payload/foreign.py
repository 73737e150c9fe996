"""What objects of other libraries are made of. They are told by what their class defines; none is imported."""

from __future__ import annotations

import sys
from collections.abc import Mapping, MappingView, Sequence, Set
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import prod
from numbers import Number
from os import PathLike, fspath
from typing import Any

from flightlog.events.payload.entries import Entries, Instead, Kinds, Shape, View, fields_of, gather, pairs_of
from flightlog.events.payload.text import owns, said

# Items taken of one array; a longer one is summed up by its type, its shape and its first items.
ARRAY_ITEMS_MAX = 4_096

_SCALARS = frozenset({type(None), bool, int, float, complex, str, bytes, datetime, date, time, timedelta, Decimal})
_TIMES = ("datetime64", "timedelta64")


def foreign_view(kind: type) -> View | None:
    """How to look at objects of this class, if it is of a family that is known here."""
    for mark, view in _MARKS:
        if owns(kind, mark):
            return view
    for families, view in _ABSTRACT:
        if issubclass(kind, families):
            return view
    return None


def _dataclass(value: Any, room: int) -> Shape:
    dataclasses = sys.modules["dataclasses"]  # whoever has made one has imported it; it is slow to import
    return fields_of(value, [field.name for field in dataclasses.fields(value)], room)


def _attrs(value: Any, room: int) -> Shape:
    return fields_of(value, [field.name for field in type(value).__attrs_attrs__], room)


def _model(value: Any, room: int) -> Shape:
    """A pydantic model, version 2 or 1, or anything that dumps itself in the same way."""
    try:
        return Instead(_dump(value))
    except Exception:
        return pairs_of(value.__dict__, room)


def _dump(value: Any) -> object:
    if not owns(type(value), "model_dump"):
        return value.dict()
    try:
        return value.model_dump(warnings=False)  # a warning would be printed in the host's name
    except TypeError:
        return value.model_dump()


def _array(value: Any, room: int) -> Shape:
    """numpy arrays and scalars, tensors, and what else has a shape and turns itself into a list."""
    lengths = [int(length) for length in value.shape]
    if not lengths:
        return _scalar(value)
    count, cap = prod(lengths), max(min(room - 4, ARRAY_ITEMS_MAX), 0)
    kind = str(value.dtype)
    taken = value
    if count > cap:
        taken = value.flat[:cap] if owns(type(value), "flat") else value.flatten()[:cap]
    items = (taken.astype(str) if kind.startswith(_TIMES) else taken).tolist()
    if count <= cap:
        return Instead(items)
    return Entries([("dtype", kind), ("shape", lengths), ("first", items)], True, 3 + count - cap)


def _scalar(value: Any) -> Shape:
    if str(value.dtype).startswith(_TIMES):
        return said(value, str)  # .item() would drop the unit
    item = value.item()
    return Instead(item) if type(item) in _SCALARS else said(value, str)


def _listed(value: Any, room: int) -> Shape:
    if len(value) > min(room, ARRAY_ITEMS_MAX):
        return Entries(gather(value, min(room, ARRAY_ITEMS_MAX)), False, len(value))
    return Instead(value.tolist())


def _mapping(value: Any, room: int) -> Shape:
    taken = [entry if _is_pair(entry) else ("[unreadable]", entry) for entry in gather(value.items(), room)]
    return Entries(taken, True, _count(value, taken, room))


def _is_pair(entry: object) -> bool:
    return type(entry) is tuple and len(entry) == 2


def _iterable(value: Any, room: int) -> Shape:
    taken = gather(value, room)
    return Entries(taken, False, _count(value, taken, room))


def _count(value: Any, taken: list[Any], room: int) -> int | None:
    """What the container says it holds, where that can be true."""
    if len(taken) < room:
        return len(taken)
    try:
        count = len(value)
    except Exception:
        return None
    return count if count >= len(taken) else None


def _path(value: Any, room: int) -> Shape:
    return Instead(fspath(value))


_MARKS: tuple[tuple[str, View], ...] = (
    ("__dataclass_fields__", _dataclass),
    ("__attrs_attrs__", _attrs),
    ("model_dump", _model),
    ("__fields_set__", _model),
    ("shape", lambda value, room: _array(value, room) if owns(type(value), "tolist") else said(value)),
    ("tolist", _listed),
)
# These ask the class itself whether it belongs, so they come last.
_ABSTRACT: tuple[tuple[Kinds, View], ...] = (
    (PathLike, _path),
    (Number, lambda value, room: said(value, str)),
    (Mapping, _mapping),
    ((Sequence, Set, MappingView), _iterable),
)
