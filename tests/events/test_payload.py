"""Any object becomes the JSON of an object, and nothing is lost silently."""

# ruff: noqa: DTZ001  times without a zone are among the things that hosts record

from __future__ import annotations

import array
import collections
import dataclasses
import datetime as dt
import enum
import io
import json
import math
import sys
import threading
import types
import uuid
import weakref
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from unittest.mock import MagicMock

import attrs
import msgspec
import numpy as np
import pydantic
import pydantic.v1
import pytest

from flightlog.events.envelope import FLAG_TRUNCATED
from flightlog.events.payload import enc_hook, encode_any, encode_payload, is_plain
from tests.events import nasty
from tests.events.strict import read, read_object


def shown(value: object) -> Any:
    """What becomes of the value inside a payload, when nothing is cut."""
    encoded = encode_payload({"v": value})
    assert encoded.flags == 0
    return read_object(encoded.data)["v"]


# ── the object around it ─────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_an_empty_object() -> None:
    assert encode_payload(None) == (b"{}", 0)
    assert encode_payload({}) == (b"{}", 0)


@pytest.mark.parametrize("value", ["text", 5, 1.5, True, [1, 2], []])
def test_what_is_no_object_is_put_under_value(value: object) -> None:
    assert read_object(encode_payload(value).data) == {"value": value}


def test_what_shows_itself_as_an_object_is_the_payload() -> None:
    assert read_object(encode_payload(Point(1, [2])).data) == {"x": 1, "y": [2]}
    assert read_object(encode_payload(ValueError("no")).data)["kind"] == "ValueError"
    assert read_object(encode_payload({1, 2}).data) == {"value": [1, 2]}


def test_any_value_can_be_encoded_without_the_object_around_it() -> None:
    assert [read(encode_any(value)) for value in (None, "a", b"a", [1], {"a": 1})] == [None, "a", "a", [1], {"a": 1}]


# ── plain data ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_plain_data_comes_back_as_it_was() -> None:
    value = {
        "t": "ü \0 \u2028 😀",
        "i": [0, -1, 2**64 - 1, -(2**63)],
        "f": [1e300, -0.0, 0.1],
        "n": None,
        "b": [True, False],
    }
    assert is_plain(value)
    assert read_object(encode_payload(value).data) == value
    assert math.copysign(1, read_object(encode_payload({"z": -0.0}).data)["z"]) == -1


def test_both_ways_write_the_same_bytes() -> None:
    value = {"a": [1, 2.5, "ü", None, True, {}, [], {"b": [1e22, 1e-7]}], "c": '\x01\x7f"\\/', "": 0}
    assert is_plain(value)
    whole = [value, {"forces the careful way": b"x"}]
    assert read_object(encode_payload(whole).data)["value"][0] == value
    assert (
        encode_payload(whole).data == b'{"value":[' + encode_payload(value).data + b',{"forces the careful way":"x"}]}'
    )


@pytest.mark.parametrize(
    "value",
    [
        b"b",
        math.nan,
        math.inf,
        2**64,
        -(2**63) - 1,
        (1,),
        {1},
        {1: 2},
        np.float64(1),
        np.int64(1),
        enum.IntEnum("E", "A").A,
        nasty.LyingText("a"),
        msgspec.Raw(b"1"),
        dt.datetime(2020, 1, 1),
        uuid.UUID(int=1),
        collections.OrderedDict(a=1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_msgspec_would_write_otherwise_is_not_plain(value: object) -> None:
    assert not is_plain({"a": {"b": [value]}})
    assert not is_plain(value)


def test_what_is_deeper_or_longer_than_allowed_is_not_plain() -> None:
    assert is_plain({"a": {"b": {}}}, depth_max=3)
    assert not is_plain({"a": {"b": {}}}, depth_max=2)
    assert is_plain({"a": [1, 2]}, items_max=2)
    assert not is_plain({"a": [1, 2, 3]}, items_max=2)


def test_a_hook_for_msgspec_takes_plain_data_and_refuses_the_rest() -> None:
    encoder = msgspec.json.Encoder(enc_hook=enc_hook)
    assert encoder.encode({"a": [1]}) == b'{"a":[1]}'
    with pytest.raises(TypeError, match="object takes the careful way"):
        encoder.encode({"a": object()})


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_numbers_that_json_lacks_are_named() -> None:
    assert shown([math.nan, math.inf, -math.inf]) == ["NaN", "Infinity", "-Infinity"]
    assert shown([np.float32("nan"), np.array([math.inf])]) == ["NaN", ["Infinity"]]


def test_integers_beyond_64_bits_are_text() -> None:
    assert shown([2**64 - 1, 2**64, -(2**63), -(2**63) - 1]) == [
        2**64 - 1, "18446744073709551616", -(2**63), "-9223372036854775809",
    ]  # fmt: skip


def test_integers_of_absurd_size_are_hexadecimal_text() -> None:
    assert int(shown(10**5_000), 16) == 10**5_000
    assert int(shown(-(7**100_000)), 16) == -(7**100_000)


def test_numbers_of_other_kinds() -> None:
    assert shown([Decimal("1.10"), Decimal("sNaN"), Fraction(1, 3), 1 + 2j]) == ["1.10", "sNaN", "1/3", "(1+2j)"]
    assert shown([nasty.LyingInteger(7), True]) == [7, True]


# ── text and bytes ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_halves_of_surrogate_pairs_are_joined_or_written_out() -> None:
    assert shown(["\ud83d\ude00", "a\ud800", "caf\udce9"]) == ["😀", "a\\ud800", "caf\\udce9"]
    assert read_object(encode_payload({"\ud800": {"\udc00": 1}}).data) == {"\\ud800": {"\\udc00": 1}}


def test_bytes_that_are_text_are_text() -> None:
    assert shown([b"caf\xc3\xa9", bytearray(b"x"), memoryview(b"yy")[::-1]]) == ["café", "x", "yy"]


def test_bytes_that_are_not_text_are_base64() -> None:
    assert shown(b"\x00\xff\x01") == {"base64": "AP8B", "bytes": 3}


@pytest.mark.parametrize("around", [b"\xff\xfe%s\x80", b"\x00%s\x00", b"\x89PNG\r\n\x1a\n%s\xff"])
def test_a_secret_among_bytes_stays_visible_to_redaction(around: bytes) -> None:
    secret = b"ghp_016C7e9f4b2a8d3c5e6f7a8b9c0d1e2f3a4b"
    for value in (around % secret, bytearray(around % secret), memoryview(around % secret), np.bytes_(around % secret)):
        assert secret in encode_payload({"v": value}).data


def test_lying_text_is_read_as_it_is_stored() -> None:
    assert read_object(encode_payload({nasty.LyingText("k"): nasty.LyingText("v")}).data) == {"k": "v"}


# ── times, ids, paths, enums ─────────────────────────────────────────────────────────────────────────────────────────


def test_times_are_iso_8601() -> None:
    east = dt.timezone(dt.timedelta(hours=2))
    aware = [dt.datetime(2026, 1, 2, tzinfo=zone) for zone in (dt.UTC, east)]
    assert shown([dt.datetime(2026, 1, 2, 3, 4, 5, 6), *aware]) == [
        "2026-01-02T03:04:05.000006", "2026-01-02T00:00:00Z", "2026-01-02T00:00:00+02:00",
    ]  # fmt: skip
    assert shown([dt.date(2026, 1, 2), dt.time(3, 4), dt.timedelta(days=1, seconds=2.5)]) == [
        "2026-01-02",
        "03:04:00",
        "P1DT2.5S",
    ]


def test_a_time_zone_that_raises_does_not_matter() -> None:
    class Lost(dt.tzinfo):
        def utcoffset(self, when: dt.datetime | None) -> dt.timedelta:
            raise OSError

        def __repr__(self) -> str:
            return "Lost"

    assert "2026, 1, 2" in shown(dt.datetime(2026, 1, 2, tzinfo=Lost()))


def test_ids_and_paths_are_text() -> None:
    assert shown([uuid.UUID(int=1), Path("/a/b"), PurePosixPath("caf\udce9")]) == [
        "00000000-0000-0000-0000-000000000001", "/a/b", "caf\\udce9",
    ]  # fmt: skip


class Color(enum.Enum):
    RED = "red"
    RAW = b"raw"
    NESTED = ("a", 1)


class Bits(enum.Flag):
    A = 1
    B = 2


def test_an_enum_stands_for_its_value() -> None:
    assert shown([Color.RED, Color.RAW, Color.NESTED, Bits.A | Bits.B]) == ["red", "raw", ["a", 1], 3]
    assert shown(enum.StrEnum("S", {"A": "a"}).A) == "a"


# ── containers ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_containers_of_the_library() -> None:
    assert shown([(1, 2), {3, 1, 2}, frozenset("ba"), collections.deque([1]), array.array("d", [1.5])]) == [
        [1, 2], [1, 2, 3], ["a", "b"], [1], [1.5],
    ]  # fmt: skip
    assert shown([collections.OrderedDict(b=1), collections.defaultdict(int, a=1), collections.Counter("aab")]) == [
        {"b": 1}, {"a": 1}, {"a": 2, "b": 1},
    ]  # fmt: skip
    assert (
        shown([types.MappingProxyType({"a": 1}), collections.ChainMap({"a": 1}), types.SimpleNamespace(a=1)])
        == [{"a": 1}] * 3
    )
    assert shown([{"a": 1}.keys(), {"a": 1}.values(), {"a": 1}.items(), collections.UserList([1])]) == [
        ["a"],
        [1],
        [["a", 1]],
        [1],
    ]


def test_keys_become_text() -> None:
    keys = {
        None: 1,
        True: 2,
        1.5: 3,
        (1, 2): 4,
        b"k": 5,
        math.nan: 6,
        Color.RED: 7,
        2**70: 8,
        dt.date(2026, 1, 2): 9,
        10**5_000: 10,
    }
    assert list(read_object(encode_payload(keys).data)) == [
        "null", "true", "1.5", "(1, 2)", "k", "NaN", "red", str(2**70), "2026-01-02", hex(10**5_000),
    ]  # fmt: skip


def test_keys_that_become_equal_are_told_apart() -> None:
    assert read_object(encode_payload({1: "a", "1": "b", "1 (2)": "c", "null": 1, None: 2}).data) == {
        "1": "a", "1 (2)": "b", "1 (2) (2)": "c", "null": 1, "null (2)": 2,
    }  # fmt: skip
    halves = read_object(encode_payload({"\ud800": 1, "\\ud800": 2}).data)
    assert sorted(halves.values()) == [1, 2]


def test_many_equal_keys_take_linear_time() -> None:
    keys = {nasty.ReprIsNoText(): number for number in range(3_000)}
    assert len(read_object(encode_payload(keys).data)) == 3_000


def test_an_exception_can_be_a_key() -> None:
    assert shown({ValueError("no"): 1, KeyError("k"): 2}) == {"ValueError: no": 1, "KeyError: 'k'": 2}


def test_a_cycle_is_named_and_a_shared_reference_is_written_twice() -> None:
    cycle: list[Any] = [1]
    cycle.append({"back": cycle})
    shared = [1, 2]
    assert shown(cycle) == [1, {"back": "[cycle]"}]
    assert shown([shared, shared, {"s": shared, "t": (shared,)}]) == [[1, 2], [1, 2], {"s": [1, 2], "t": [[1, 2]]}]
    assert shown([shared, cycle, cycle]) == [[1, 2], *[[1, {"back": "[cycle]"}]] * 2]


def test_a_model_that_dumps_itself_is_a_cycle() -> None:
    assert shown(nasty.DumpsItself()) == {"self": "[cycle]"}


def test_generators_and_files_are_named_and_not_read() -> None:
    numbers = (number for number in range(3))
    file = io.StringIO("text")
    assert shown(numbers).startswith("<generator object")
    assert "StringIO" in shown(file)
    assert list(numbers) == [0, 1, 2]
    assert file.read() == "text"
    assert shown(range(10**12)) == "range(0, 1000000000000)"


def test_a_list_that_changes_while_it_is_read_can_not_end_the_process() -> None:
    changing: list[Any] = []

    class Clears:
        def __repr__(self) -> str:
            changing.clear()
            return "cleared"

    changing.extend([Clears(), *(str(number) * 30 for number in range(2_000))])
    assert shown(changing)[0] == "cleared"


def test_a_dict_that_another_thread_changes_is_encoded() -> None:
    changing: dict[str, Any] = {}
    done = threading.Event()

    def change() -> None:
        number = 0
        while not done.is_set():
            changing[str(number % 700)] = [number, b"bytes"] if number % 3 else number
            changing.pop(str((number * 7) % 700), None)
            number += 1

    thread = threading.Thread(target=change)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        for _ in range(100):
            assert type(shown(changing)) is dict
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(before)


# ── objects of classes and libraries ─────────────────────────────────────────────────────────────────────────────────


@dataclasses.dataclass
class Point:
    x: int
    y: Any = None


@dataclasses.dataclass(slots=True)
class Slotted:
    x: int


class Named(NamedTuple):
    x: int
    y: Any = None


@attrs.define
class Attributes:
    x: int
    y: Any = None


class Tagged(msgspec.Struct, tag="t", rename="camel"):
    long_name: bytes


class Model(pydantic.BaseModel):
    x: int
    at: dt.datetime
    token: pydantic.SecretStr
    child: Model | None = None


class OldModel(pydantic.v1.BaseModel):
    x: int


def test_fields_of_objects() -> None:
    assert shown([Point(1, Point(2)), Slotted(1), Named(1, Named(2)), Attributes(1, {2})]) == [
        {"x": 1, "y": {"x": 2, "y": None}}, {"x": 1}, {"x": 1, "y": {"x": 2, "y": None}}, {"x": 1, "y": [2]},
    ]  # fmt: skip
    assert shown(Tagged(b"raw")) == {"type": "t", "longName": "raw"}


def test_a_field_that_can_not_be_read_says_so() -> None:
    point = Point(1, 2)
    del point.x
    assert shown(point) == {"x": "[unreadable: AttributeError]", "y": 2}


def test_pydantic_models_keep_their_own_secrets() -> None:
    at = dt.datetime(2026, 1, 2)
    model = Model(
        x=1, at=at, token=pydantic.SecretStr("hunter2"), child=Model(x=2, at=at, token=pydantic.SecretStr("x"))
    )
    text = encode_payload(model).data
    assert read_object(text)["child"]["at"] == "2026-01-02T00:00:00"
    assert b"hunter2" not in text
    assert shown(OldModel(x=1)) == {"x": 1}


def test_a_model_that_can_not_be_dumped_shows_its_fields() -> None:
    assert shown(nasty.DumpRaises()) == {"kept": 1}


def test_numpy() -> None:
    assert shown([np.float32(1.5), np.int64(3), np.bool_(True), np.str_("s"), np.complex64(1j), np.longdouble(1.5)]) == [
        1.5, 3, True, "s", "1j", "1.5",
    ]  # fmt: skip
    assert shown([np.arange(3), np.eye(2), np.array(7), np.array(["a", None], dtype=object)]) == [
        [0, 1, 2], [[1.0, 0.0], [0.0, 1.0]], 7, ["a", None],
    ]  # fmt: skip
    assert shown([np.datetime64("2026-01-02T00:00:00.123456789"), np.array(["2026-01-02"], dtype="M8[ns]")]) == [
        "2026-01-02T00:00:00.123456789", ["2026-01-02T00:00:00.000000000"],
    ]  # fmt: skip


def test_a_large_array_is_summed_up() -> None:
    encoded = encode_payload({"a": np.zeros((300, 300))})
    summary = read_object(encoded.data)["a"]
    assert summary["shape"] == [300, 300]
    assert summary["dtype"] == "float64"
    assert len(summary["first"]) + int(summary["[cut]"].split()[0]) == 90_000
    assert encoded.flags == FLAG_TRUNCATED


def test_things_of_the_interpreter_are_named() -> None:
    for thing in (
        threading.Lock(),
        lambda: 1,
        Point,
        json,
        weakref.ref(Point),
        sys._getframe(),
        ...,
        NotImplemented,
        print,
    ):
        assert shown(thing) == repr(thing)


def test_mocks_end() -> None:
    for mock in (MagicMock(), MagicMock(spec=Model), nasty.EveryAttributeIsThere()):
        assert isinstance(shown(mock), str)


def test_raw_json_is_not_trusted() -> None:
    assert shown(msgspec.Raw(b'{"a":[1]}')) == {"a": [1]}
    assert shown(msgspec.Raw(b"{broken")) == "{broken"
    assert shown(msgspec.Raw(b'{"a":1e999,"b":NaN}')) == '{"a":1e999,"b":NaN}'
    assert shown(msgspec.Raw(b'"\xff"')) == '"\\xff"' or shown(msgspec.Raw(b'"\xff"')) == {"base64": "Iv8i", "bytes": 3}
