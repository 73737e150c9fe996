"""Payloads as hosts hand them in, and worse: strategies for fuzzing."""

from __future__ import annotations

import collections
import dataclasses
import enum
import io
import types
from typing import Any

import msgspec
import numpy as np
import pydantic
from hypothesis import strategies as st

from tests.events import nasty


@dataclasses.dataclass
class Pair:
    left: Any
    right: Any = None


class Kind(enum.Enum):
    TEXT = "text"
    BYTES = b"\xff"
    NUMBER = 2**70


class Model(pydantic.BaseModel):
    anything: Any = None


class Struct(msgspec.Struct):
    left: Any
    right: Any = None


Named = collections.namedtuple("Named", "left right")

# Every code point, halves of surrogate pairs included.
texts = st.text(st.characters(codec=None, exclude_categories=()), max_size=12)

numbers = st.one_of(
    st.integers(),
    st.integers(-(2**66), 2**66),
    st.sampled_from([2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1]),
    st.integers(4_000, 6_000).map(lambda digits: -(10**digits)),
    st.floats(),
    st.booleans(),
    st.complex_numbers(),
    st.decimals(allow_nan=False),
    st.fractions(),
)

scalars = st.one_of(
    st.floats().map(np.float64),
    st.floats(width=32).map(np.float32),
    st.integers(-(2**63), 2**63 - 1).map(np.int64),
    st.booleans().map(np.bool_),
    st.binary(max_size=6).map(np.bytes_),
    st.integers(-(2**62), 2**62).map(lambda number: np.datetime64(number, "ns")),
)

leaves = st.one_of(
    st.none(),
    texts,
    texts.map(nasty.LyingText),
    numbers,
    scalars,
    st.binary(max_size=30),
    st.binary(max_size=30).map(bytearray),
    st.binary(max_size=30).map(memoryview),
    st.binary(max_size=12).map(msgspec.Raw),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    st.decimals(),
    st.sampled_from(Kind),
    texts.map(ValueError),
    st.integers(0, len(nasty.MAKERS) - 1).map(lambda number: nasty.MAKERS[number]()),
    st.sampled_from(
        [object, int, Pair, io, print, io.StringIO("text"), types, ..., NotImplemented, range(9), np.zeros(3)]
    ),
)

keys = st.one_of(
    texts, texts, numbers, st.none(), st.binary(max_size=6), st.uuids(), st.sampled_from(Kind), st.tuples(texts)
)


def _cycle(inner: Any) -> Any:
    cycle = [inner]
    cycle.append(cycle)
    return cycle


def _array(items: list[Any]) -> Any:
    array = np.empty(len(items), dtype=object)
    for at, item in enumerate(items):
        array[at] = (item,)
    return array


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(inner, max_size=4)
    return st.one_of(
        lists,
        lists.map(tuple),
        lists.map(collections.deque),
        lists.map(nasty.LyingList),
        lists.map(lambda items: [items, items, {"shared": items}]),
        lists.map(_array),
        st.dictionaries(keys, inner, max_size=4),
        st.dictionaries(keys, inner, max_size=4).map(types.MappingProxyType),
        st.dictionaries(keys, inner, max_size=4).map(nasty.LyingDict),
        st.sets(keys, max_size=4),
        st.builds(Pair, inner, inner),
        st.builds(Named, inner, inner),
        st.builds(Struct, inner, inner),
        st.builds(Model.model_construct, anything=inner),
        st.builds(types.SimpleNamespace, left=inner),
        inner.map(lambda value: ExceptionGroup("many", [ValueError(value)])),
        inner.map(_cycle),
    )


payloads = st.recursive(leaves, _containers, max_leaves=8)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
