"""A payload that is too large becomes a preview of itself, and says of each cut what it took."""

from __future__ import annotations

import hashlib
import json
import re
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flightlog.recorder.redact import RULES
from flightlog.recorder.truncate import REST, truncate
from tests.recorder.secrets import event, redactor

CUT = re.compile(r"^(.*)…\[cut (\d+) of (\d+) bytes, sha256:([0-9a-f]{64})\]…(.*)$", re.DOTALL)


def cut(payload: object, bytes_max: int = 65_536, **given: int) -> Any:
    data = payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode()
    limits = {"string_bytes_min": 1_024, "items_max": 1_000, "depth_max": 32, **given}
    made = truncate(data, bytes_max=bytes_max, **limits)
    assert len(made) <= bytes_max
    read = json.loads(made.decode("utf-8"))
    assert isinstance(read, dict)
    return read


def test_what_fits_comes_back_as_it_is() -> None:
    data = b'{"b" : 1.50, "a":[1,2,3]}'
    assert truncate(data, bytes_max=len(data), string_bytes_min=1, items_max=1, depth_max=1) is data


def test_a_cut_string_keeps_head_and_tail_and_names_size_and_digest_of_the_whole() -> None:
    text = "".join(f"line {number} é\n" for number in range(20_000))
    read = cut({"stdout": text, "exit_code": 1}, 4_096)
    found = CUT.match(read["stdout"])
    assert found is not None
    head, gone, whole, digest, tail = found.groups()
    assert text.startswith(head)
    assert text.endswith(tail)
    assert min(len(head), len(tail)) > 1_500
    assert int(whole) == len(text.encode())
    assert int(gone) == len(text.encode()) - len(head.encode()) - len(tail.encode())
    assert digest == hashlib.sha256(text.encode()).hexdigest()
    assert read["exit_code"] == 1


def test_small_values_stay_and_large_ones_share_the_room_fairly() -> None:
    payload = {
        "huge": "h" * 500_000,
        "model": "m",
        "large": "l" * 90_000,
        "middle": "m" * 10_000,
        "usage": {"tokens": [1, 2]},
    }
    read = cut(payload)
    assert list(read) == list(payload)
    assert (read["model"], read["middle"], read["usage"]) == (payload["model"], payload["middle"], payload["usage"])
    assert abs(len(read["huge"]) - len(read["large"])) < 32
    assert len(json.dumps(read, ensure_ascii=False).encode()) > 65_000, "the room is used"


def test_strings_shorter_than_the_minimum_stay_whole_while_there_is_room() -> None:
    payload = {"big": "x" * 100_000, **{f"k{number}": "y" * 1_000 for number in range(40)}}
    read = cut(payload)
    assert all(read[f"k{number}"] == "y" * 1_000 for number in range(40))


def test_a_long_list_keeps_both_ends_and_says_how_many_are_gone() -> None:
    messages = [{"role": "user", "content": f"{number} " + "x" * 3_000} for number in range(500)]
    read = cut({"messages": messages, "model": "m"})
    kept = read["messages"]
    (note,) = [item for item in kept if isinstance(item, str)]
    found = re.fullmatch(r"…\[cut (\d+) of 500 items\]…", note)
    assert found is not None
    assert int(found[1]) == 500 - (len(kept) - 1)
    assert kept[0]["content"].startswith("0 ")
    assert kept[-1]["content"].startswith("499 ")
    assert all(set(item) == {"role", "content"} and len(item["content"]) > 800 for item in kept if item is not note)
    assert read["model"] == "m"


def test_lists_and_objects_keep_at_most_so_many_items() -> None:
    read = cut(
        {"list": list(range(5_000)), "object": {f"k{n}": n for n in range(5_000)}, "text": "x" * 70_000}, items_max=10
    )
    assert read["list"] == [0, 1, 2, 3, 4, "…[cut 4990 of 5000 items]…", 4995, 4996, 4997, 4998, 4999]
    assert read["object"] == {**{f"k{n}": n for n in range(10)}, REST: "[cut 4990 of 5000 keys]"}


def test_nesting_ends_at_the_depth_and_says_so() -> None:
    deep: object = "bottom"
    for _ in range(50):
        deep = [deep]
    wide: object = {"bottom": 1}
    for _ in range(50):
        wide = {"a": wide}
    read = cut({"deep": deep, "wide": wide, "text": "x" * 70_000}, depth_max=5)
    assert read["deep"] == [[[["…[cut 100 bytes, nested deeper than 5 levels]…"]]]]
    assert read["wide"] == {"a": {"a": {"a": {"a": "…[cut 335 bytes, nested deeper than 5 levels]…"}}}}


@pytest.mark.parametrize(
    "payload",
    [
        {f"k{number}": number for number in range(100_000)},
        {"x" * 100_000: 1, "y" * 100_000: 2},
        {"n": 10**80_000},
        {"list": [[[]] * 30_000, {"a": "b"}]},
        {"a": {"b": {"c": "x" * 100_000, "d": ["y" * 5_000] * 50}}},
        {f"k{number}": {"a": "x" * 2_000} for number in range(200)},
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' + b'{"b":' * 20_000 + b"1" + b"}" * 20_000 + b"}",
        b'{"half":"' + b"\\ud800" * 20_000 + b'"}',
        b'{"pairs":"' + b"\\ud83d\\ude00" * 20_000 + b'"}',
        b'{"spaced" :  "' + b" " * 100_000 + b'" }  ',
    ],
    ids=range(11),
)
@pytest.mark.parametrize("bytes_max", [2, 9, 27, 64, 200, 1_000, 65_536])
def test_every_payload_gets_under_every_limit(payload: object, bytes_max: int) -> None:
    if isinstance(payload, dict) and "n" in payload:
        payload = b'{"n":1' + b"0" * 80_000 + b"}"
    cut(payload, bytes_max)


def test_short_values_go_first_when_not_even_the_keys_have_room() -> None:
    read = cut({"a": "x" * 3_000, "tool": "grep", "b": ["y" * 3_000], "ok": True}, 64)
    assert read == {"tool": "grep", "ok": True, REST: "[cut 2 of 4 keys]"}


def test_a_redaction_is_never_cut_in_two() -> None:
    mark = "[REDACTED:github-fine-grained:0123abcd]"
    for length in range(600, 700):
        read = cut({"text": "a" * (length % 53) + mark * 40}, length)
        kept = re.sub(r"…\[cut [^]]*\]…", "|", read["text"]).lstrip("a")
        assert kept.replace(mark, "").strip("|") == ""


def test_no_letter_is_cut_in_two() -> None:
    for bytes_max in range(150, 190):
        for text in ("é" * 500, "😀" * 500, "aé😀" * 200, "\n" * 500, '\\"' * 300, "\x01é" * 300):
            for data in (json.dumps({"t": text}).encode(), json.dumps({"t": text}, ensure_ascii=False).encode()):
                found = CUT.match(cut(data, bytes_max)["t"])
                assert found is not None
                assert text.startswith(found[1])
                assert text.endswith(found[5])


def test_a_secret_is_gone_before_its_string_is_cut() -> None:
    secret = next(rule for rule in RULES if rule.name == "github").secret()
    data = event({"text": "x" * 50_000 + secret + "y" * 50_000})
    payload = json.loads(redactor().redact(data).data)["payload"]
    for bytes_max in (300, 3_000, 65_536):
        assert secret[:12] not in json.dumps(cut(payload, bytes_max))


def test_cutting_twice_is_cutting_once() -> None:
    data = json.dumps({"a": "x" * 9_000, "b": ["y" * 900] * 30}).encode()
    once = truncate(data, bytes_max=4_096, string_bytes_min=64, items_max=10, depth_max=9)
    assert truncate(once, bytes_max=4_096, string_bytes_min=64, items_max=10, depth_max=9) is once


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=400),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=12), inner, max_size=8),
    max_leaves=25,
)


@given(
    st.dictionaries(st.text(max_size=12), json_values, max_size=12),
    st.integers(2, 3_000),
    st.integers(0, 300),
    st.integers(1, 12),
    st.integers(1, 6),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_any_object_becomes_an_object_within_any_limits(
    payload: dict[str, Any], bytes_max: int, string_bytes_min: int, items_max: int, depth_max: int, ascii_only: bool
) -> None:
    data = json.dumps(payload, ensure_ascii=ascii_only).encode()
    made = truncate(
        data, bytes_max=bytes_max, string_bytes_min=string_bytes_min, items_max=items_max, depth_max=depth_max
    )
    assert len(made) <= bytes_max
    read = json.loads(made.decode("utf-8"))
    assert isinstance(read, dict)
    if len(data) > bytes_max:
        _check(read, payload, items_max, depth_max)


def _check(read: Any, original: Any, items_max: int, depth_left: int) -> None:
    """What is left is part of the original, of the same kind, within the limits."""
    if isinstance(read, dict) and isinstance(original, dict):
        assert depth_left > 0 or not read
        assert len(set(read) - {REST}) <= items_max
        for key, value in read.items():
            if key in original:
                _check(value, original[key], items_max, depth_left - 1)
    elif isinstance(read, list) and isinstance(original, list):
        assert len(read) <= items_max + 1
    elif isinstance(original, list | dict):
        assert depth_left == 0
        assert isinstance(read, str)
    elif isinstance(original, str):
        found = CUT.match(read)
        if found is not None and found[4] == hashlib.sha256(original.encode()).hexdigest():
            assert original.startswith(found[1])
            assert original.endswith(found[5])
        else:
            assert read in (original, "", "…", f"…[cut {len(original.encode())} bytes]…")
    elif isinstance(original, bool | None):
        assert read is original or read == 0
    else:
        assert type(read) is type(original) or read == 0


def test_time_grows_no_faster_than_the_payload() -> None:
    def seconds(count: int) -> float:
        data = json.dumps({"m": [{"a": ["x" * 40, {"b": n}]} for n in range(count)], "t": "é\n" * count * 20}).encode()

        def once() -> float:
            start = time.thread_time()
            truncate(data, bytes_max=65_536, string_bytes_min=1_024, items_max=1_000, depth_max=32)
            return time.thread_time() - start

        return min(once() for _ in range(3))

    seconds(1_000)
    assert seconds(32_000) < max(seconds(4_000), 0.001) * 8 * 4
