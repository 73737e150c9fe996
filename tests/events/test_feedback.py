"""What a feedback event says: read whatever it holds, refused at the door with the reason where it makes no sense."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog.events.catalogue import CATALOGUE
from flightlog.events.feedback import GIVERS, KINDS, TARGET_TYPES, fault_of, read_opinion

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    ["target_id", "target_type", "kind", "name", "value", "comment", "given_by", "key", "label", "x"]
)


def test_the_words_are_those_of_the_catalogue() -> None:
    properties = CATALOGUE["feedback"].schema["properties"]
    for field, words in (("kind", KINDS), ("given_by", GIVERS), ("target_type", TARGET_TYPES)):
        assert [word for word in properties[field]["enum"] if word is not None] == list(words)


@given(st.dictionaries(names, json_values | st.sampled_from([*KINDS, *GIVERS, "up", "down"]), max_size=9))
def test_any_payload_is_read_and_judged(payload: dict[str, Any]) -> None:
    opinion, fault = read_opinion(payload), fault_of(payload)
    assert fault is None or fault.isprintable() or fault
    if fault is None:
        assert opinion is not None
        assert opinion.kind in KINDS
        if opinion.kind in ("score", "thumb"):
            assert opinion.number is not None
    if opinion is not None and opinion.number is not None:
        assert opinion.number == opinion.number  # never NaN


@pytest.mark.parametrize(
    ("said", "kind", "number", "text", "comment"),
    [
        ({"value": 3}, "score", 3.0, None, None),
        ({"value": -0.5, "attributes": {"label": "poor"}}, "score", -0.5, "poor", None),
        ({"value": "down", "comment": "no"}, "thumb", 0.0, "down", "no"),
        ({"value": True}, "thumb", 1.0, "up", None),
        ({"value": "spam"}, "label", None, "spam", None),
        ({"kind": "label", "value": "up"}, "label", None, "up", None),
        ({"value": {"a": [1]}}, "correction", None, '{"a":[1]}', None),
        ({"kind": "correction", "value": "42"}, "correction", None, "42", None),
        ({"comment": "so"}, "comment", None, None, "so"),
        ({"kind": "comment", "value": "so"}, "comment", None, None, "so"),
        ({"kind": "score", "value": "high"}, "score", None, "high", None),
        ({"kind": "mood", "value": 1}, "score", 1.0, None, None),
    ],
    ids=str,
)
def test_it_says(said: dict[str, Any], kind: str, number: float | None, text: str | None, comment: str | None) -> None:
    found = read_opinion({"target_id": "t", **said})
    assert found is not None
    assert (found.kind, found.number, found.text, found.comment) == (kind, number, text, comment)


@pytest.mark.parametrize("payload", [{}, {"target_id": ""}, {"target_id": 7}, {"target_id": None}], ids=str)
def test_what_is_about_nothing_says_nothing(payload: dict[str, Any]) -> None:
    assert read_opinion(payload) is None
    assert fault_of({"value": "up", **payload}) is not None
