"""Fingerprints: the same for the same failure, whatever ids, numbers, paths and quoted words are in it."""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog.deadletters.fingerprint import HEX_CHARS, fingerprint, normal

WORDS = st.lists(
    st.sampled_from(["cannot", "open", "the", "file", "of", "user", "because", "no", "room", "was", "left"]),
    min_size=1,
    max_size=8,
)
CHANCE = st.one_of(
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.uuids().map(str),
    st.binary(min_size=4, max_size=20).map(bytes.hex),
    st.integers(0, 2**64).map(hex),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
)
PATH = st.lists(st.text(string.ascii_letters + string.digits + "._-", min_size=1), min_size=1, max_size=4).map(
    lambda parts: "/" + "/".join(parts)
)
QUOTED = st.text(
    string.printable.replace('"', "").replace("\n", "").replace("\r", "").replace("\x0b", ""), max_size=20
).map(lambda said: f'"{said}"')


def fill(words: list[str], *between: str) -> str:
    """The words with these between them."""
    gaps = [*between, *[""] * len(words)]
    return " ".join(f"{word} {gap}" for word, gap in zip(words, gaps, strict=False))


@given(words=WORDS, one=CHANCE, two=CHANCE)
def test_it_is_blind_to_ids_and_numbers(words: list[str], one: str, two: str) -> None:
    assert normal(fill(words, one)) == normal(fill(words, two))


@given(words=WORDS, one=PATH, two=PATH)
def test_it_is_blind_to_paths(words: list[str], one: str, two: str) -> None:
    assert normal(fill(words, one)) == normal(fill(words, two))


@given(words=WORDS, one=QUOTED, two=QUOTED)
def test_it_is_blind_to_quoted_text(words: list[str], one: str, two: str) -> None:
    assert normal(fill(words, one)) == normal(fill(words, two))


@given(message=st.text(max_size=300))
def test_it_is_stable_and_short_whatever_is_said(message: str) -> None:
    made = fingerprint("OSError", message, "summarise", "READING")
    assert made == fingerprint("OSError", message, "summarise", "READING")
    assert len(made) == HEX_CHARS
    assert normal(normal(message)) == normal(message)


def test_it_tells_kinds_words_pipelines_and_states_apart() -> None:
    made = {
        fingerprint("OSError", "no room", "summarise", "READING"),
        fingerprint("ValueError", "no room", "summarise", "READING"),
        fingerprint("OSError", "no paper", "summarise", "READING"),
        fingerprint("OSError", "no room", "media", "READING"),
        fingerprint("OSError", "no room", "summarise", "WRITING"),
        fingerprint("OSError", "no room", "summarise"),
    }
    assert len(made) == 6


@pytest.mark.parametrize(
    ("message", "what"),
    [
        ("timeout after 30.5s", "timeout after <n>"),
        ("key 'a b' missing, can't go on", "key <text> missing, can't go on"),
        ("https://a.example/x?id=1 answered 503", "<url> answered <n>"),
        (r"C:\temp\a.txt is locked", "<path> is locked"),
        ("rows [1, 2, 3] and [4]", "rows [<n>] and [<n>]"),
        ("secret [REDACTED:aws-key:1a2b3c4d]", "secret [<n>]"),
        ("", ""),
    ],
)
def test_what_is_left_of_a_message(message: str, what: str) -> None:
    assert normal(message) == what


def test_a_long_message_costs_no_more_than_its_length() -> None:
    began = time.process_time()
    for hostile in ("a" * 200_000, "a-" * 100_000, "'" * 200_000, "a/" * 100_000, "1 " * 100_000):
        normal(hostile)
    assert time.process_time() - began < 3.0
