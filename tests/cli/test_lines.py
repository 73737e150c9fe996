"""An event in one line and in a few, whatever is in it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog.cli import lines, words
from flightlog.events.catalogue import CATALOGUE, published

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = sorted({key for kind in CATALOGUE.values() for key in kind.schema.get("properties", {})})
PAYLOAD = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), JSON, max_size=8)


@pytest.mark.parametrize("entry", published(), ids=lambda entry: entry["type"])
def test_every_built_in_type_says_what_happened(entry: dict[str, Any]) -> None:
    event = entry["example"]
    if event["payload"]:
        assert lines.summary(event) not in ("", event["type"])
    assert "{" not in lines.summary(
        {**event, "payload": {k: v for k, v in event["payload"].items() if k != "arguments"}}
    )
    for text, _ in lines.body(event):
        assert "\n" not in text


@given(st.sampled_from([*CATALOGUE, "acme.own"]), PAYLOAD | JSON, st.sampled_from([None, 0, 7, "x", True]))
def test_no_payload_is_too_odd(kind: str, payload: Any, spent: Any) -> None:
    event = {
        "type": kind,
        "payload": payload,
        "created_at": "2026-01-02T03:04:05.000000000Z",
        "flags": [],
        "duration_ns": spent,
    }
    (when, _), *_ = lines.line(event)
    assert when == "2026-01-02 03:04:05.000Z"
    assert len(lines.summary(event)) <= lines.SUMMARY_CHARS_MAX
    for text, style in lines.body(event):
        assert isinstance(text, str)
        assert isinstance(style, str)


@given(st.text())
def test_cleaned_text_holds_nothing_that_steers(text: str) -> None:
    for newlines in (False, True):
        cleaned = words.clean(text, newlines=newlines)
        assert all(char.isprintable() or (newlines and char == "\n") for char in cleaned)


def test_cleaned_text_shows_what_was_there() -> None:
    assert words.clean("a\x1b]0;title\x07b\u202ec\x9b31m\ud800") == "a\\x1b]0;title\\x07b\\u202ec\\x9b31m\\ud800"
    assert words.clean("a\tb\nc\r", newlines=True) == "a    b\nc\\x0d"
    assert words.clean("Brûlée ☃ 你好") == "Brûlée ☃ 你好"


def test_a_withheld_event_says_so() -> None:
    event = {"type": "note", "payload": {"withheld": "redaction failed"}, "flags": ["withheld"]}
    assert lines.summary(event).endswith("[withheld]")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 910 * 10**9),
        ("1.5m", 910 * 10**9),
        ("2w", 0),
        ("1970-01-01T00:00:07Z", 7 * 10**9),
        ("1970-01-01T01:00:07+01:00", 7 * 10**9),
        ("12", 12),
    ],
)
def test_times_are_read_as_people_write_them(text: str, expected: int) -> None:
    assert words.moment("since", text, now_ns=1_000 * 10**9) == expected
