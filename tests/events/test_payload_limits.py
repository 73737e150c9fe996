"""Objects that misbehave, and payloads without end: what is written stays valid, bounded and honest."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import pytest

from flightlog.events.envelope import FLAG_INVALID, FLAG_TRUNCATED
from flightlog.events.payload import encode_any, encode_payload
from flightlog.events.payload.clip import PREVIEW_CHARS_MAX, TEXT_CHARS_MAX, WORD_CHARS_MAX
from flightlog.events.payload.entries import snapshot
from flightlog.events.payload.plain import NODES_MAX
from flightlog.events.payload.walk import Walk
from tests.events import nasty
from tests.events.strict import read, read_object


class Point(NamedTuple):
    x: Any
    y: Any = None


def shown(value: object) -> Any:
    """What becomes of the value inside a payload, when nothing is cut."""
    encoded = encode_payload({"v": value})
    assert encoded.flags == 0
    return read_object(encoded.data)["v"]


# ── objects that misbehave ───────────────────────────────────────────────────────────────────────────────────────────


MAKERS = (*nasty.MAKERS, *nasty.MAKERS_APART)


@pytest.mark.parametrize("make", MAKERS, ids=range(len(MAKERS)))
def test_nothing_that_misbehaves_raises(make: Any) -> None:
    for value in (make(), [make()], {"k": make()}, (make(), {"d": [make()]}), Point(make())):
        read_object(encode_payload(value).data)
    try:
        keyed = {make(): 1}
    except Exception:
        return
    read_object(encode_payload(keyed).data)


def test_what_can_not_say_what_it_is_gets_a_name() -> None:
    assert shown([nasty.ReprRaises(), nasty.ReprIsNoText(), nasty.ReprRecurses()]) == [
        "[unprintable ReprRaises: RuntimeError]", "[unprintable ReprIsNoText: TypeError]",
        "[unprintable ReprRecurses: RecursionError]",
    ]  # fmt: skip


def test_lying_containers_are_read_as_they_are_stored() -> None:
    assert shown([nasty.LyingDict(a=1), nasty.LyingList([1, 2])]) == [{"a": 1}, [1, 2]]


def test_a_mapping_that_breaks_off_keeps_what_it_gave() -> None:
    assert shown(nasty.BrokenMapping()) == {"1": 10, "2": 20, "[unreadable]": "[broke off: OSError]"}


def test_an_endless_mapping_ends() -> None:
    encoded = encode_payload(nasty.EndlessMapping(), items_max=5)
    assert read_object(encoded.data) == {"0": 0, "1": 1, "2": 2, "3": 3, "4": 4, "[cut]": "more left out"}
    assert encoded.flags == FLAG_TRUNCATED


def test_a_container_that_changes_while_it_is_taken_is_taken_again() -> None:
    tries = iter([RuntimeError("changed size during iteration"), RuntimeError("once more"), None])

    def entries() -> Any:
        yield 1
        if error := next(tries):
            raise error
        yield 2

    assert snapshot(entries, 10) == [1, 2]


class Interrupts:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __repr__(self) -> str:
        raise self.error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)])
def test_an_interrupt_passes(error: BaseException) -> None:
    with pytest.raises(type(error)):
        encode_payload({"v": Interrupts(error)})


def test_a_failure_of_the_encoder_itself_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Walk, value: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(Walk, "write", fail)
    encoded = encode_payload({"v": b"bytes"})
    assert read_object(encoded.data) == {"encode_failed": "MemoryError"}
    assert encoded.flags & FLAG_INVALID
    assert read(encode_any(b"bytes")) == {"encode_failed": "MemoryError"}


def test_encoding_works_near_the_end_of_the_stack() -> None:
    def down(levels: int) -> bytes:
        return down(levels - 1) if levels else encode_payload({"v": [b"bytes", Point(1)]}).data

    here = len([*iter_frames()])
    assert read_object(down(sys.getrecursionlimit() - here - 60)) == {"v": ["bytes", {"x": 1, "y": None}]}


def iter_frames() -> Any:
    frame: Any = sys._getframe()
    while frame:
        yield frame
        frame = frame.f_back


# ── limits ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("make", [lambda inner: [inner], lambda inner: {"a": inner}, lambda inner: (inner,), Point])
def test_what_is_too_deep_is_named(make: Any) -> None:
    deep: Any = "bottom"
    for _ in range(10_000):
        deep = make(deep)
    encoded = encode_payload({"deep": deep}, depth_max=5)
    assert encoded.flags == FLAG_TRUNCATED
    read_object(encoded.data)
    assert encoded.data.count(b"[too deep: " + type(deep).__name__.encode()) == 1


@pytest.mark.parametrize("depth_max", [-1, 0, 1, 2, 31, 32, 100, 10**9])
def test_no_depth_is_beyond_what_readers_take(depth_max: int) -> None:
    deep: list[Any] = []
    for _ in range(500):
        deep = [deep, b"x"]
    read_object(encode_payload({"deep": deep}, depth_max=depth_max).data)


def test_depth_is_counted_alike_on_both_ways() -> None:
    assert encode_payload({"a": {"b": [1]}}, depth_max=3) == (b'{"a":{"b":[1]}}', 0)
    assert encode_payload({"a": {"b": [b"1"]}}, depth_max=3) == (b'{"a":{"b":["1"]}}', 0)
    assert encode_payload({"a": {"b": [1]}}, depth_max=2) == (b'{"a":{"b":"[too deep: list]"}}', FLAG_TRUNCATED)


@pytest.mark.parametrize("item", [1, b"1"])
def test_items_over_the_limit_are_counted(item: object) -> None:
    encoded = encode_payload({"l": [item] * 5, "d": dict.fromkeys("abcde", item)}, items_max=3)
    value = read_object(encoded.data)
    assert value["l"][3] == "2 more left out"
    assert list(value["d"]) == ["a", "b", "c", "[cut]"]
    assert value["d"]["[cut]"] == "2 more left out"
    assert encoded.flags == FLAG_TRUNCATED


def test_a_huge_list_does_not_starve_its_neighbours() -> None:
    encoded = encode_payload({"huge": list(range(1_000_000)), "small": {"a": [1, 2, 3]}, "last": "text"})
    value = read_object(encoded.data)
    assert value["small"] == {"a": [1, 2, 3]}
    assert value["last"] == "text"
    assert value["huge"][-1] == f"{1_000_000 - (len(value['huge']) - 1)} more left out"
    assert len(value["huge"]) > NODES_MAX / 4


def test_references_shared_at_every_level_do_not_multiply() -> None:
    laugh: list[Any] = ["lol"]
    for _ in range(60):
        laugh = [laugh, laugh, laugh]
    encoded = encode_payload({"laugh": laugh})
    assert encoded.flags == FLAG_TRUNCATED
    read_object(encoded.data)
    assert len(encoded.data) < 1_000_000


@pytest.mark.parametrize("kind", [str, str.encode, lambda text: bytearray(text.encode()), nasty.LyingText])
def test_a_text_over_the_budget_is_cut_between_words_with_its_digest(kind: Any) -> None:
    secret = "token-" + "s" * 50
    text = ("word " * 300_000 + secret + " ") * 6
    assert len(text) > TEXT_CHARS_MAX
    encoded = encode_payload({"before": "short", "text": kind(text), "after": "short"})
    value = read_object(encoded.data)
    head, note = value["text"].split("…[")
    assert text.startswith(head)
    assert 0 < len(head) <= PREVIEW_CHARS_MAX
    assert head.endswith(("word ", secret + " "))
    assert f"of {len(text)} " in note
    assert "sha256:" in note
    assert value["after"] == "short"
    assert encoded.flags == FLAG_TRUNCATED


def test_of_a_word_without_end_the_part_that_could_be_half_a_secret_is_left_out() -> None:
    texts = read_object(encode_payload({"v": ["x" * 5_000_000] * 3}).data)["v"]
    assert texts[0] == "x" * 5_000_000
    assert texts[1].split("…")[0] == "x" * (PREVIEW_CHARS_MAX - WORD_CHARS_MAX)


def test_one_large_text_shared_many_times_does_not_fill_the_memory() -> None:
    large = "word " * 200_000
    assert len(encode_payload([large] * 1_000).data) < 3 * TEXT_CHARS_MAX
    assert len(encode_payload({"v": [large.encode()] * 1_000}).data) < 3 * TEXT_CHARS_MAX
