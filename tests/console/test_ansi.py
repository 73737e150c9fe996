"""The colours of a terminal: what is text stays text, what is an escape sequence is gone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog.console.ansi import coloured, plain

texts = st.text(st.characters(exclude_characters="\x1b\x07"), max_size=20)
codes = st.lists(st.integers(0, 300) | st.just(""), max_size=8)
escapes = st.one_of(
    st.builds(lambda given, sep: f"\x1b[{sep.join(map(str, given))}m", codes, st.sampled_from(";:")),
    st.sampled_from(["\x1b[2K", "\x1b[10;20H", "\x1b[?25l", "\x1b[1A", "\x1b(B", "\x1b7", "\x1bc", "\x1b[38;5;196m"]),
    st.builds(lambda url: f"\x1b]8;;{url}\x1b\\", st.text("abc:/.", max_size=9)),
    st.just("\x1b]0;a title\x07"),
)


@given(st.lists(st.tuples(texts, escapes), max_size=8))
def test_the_text_is_what_is_left_without_its_escapes(parts: list[tuple[str, str]]) -> None:
    whole = "".join(text + escape for text, escape in parts)
    assert "".join(piece.text for piece in coloured(whole)) == "".join(text for text, _ in parts)
    assert plain(whole) == "".join(text for text, _ in parts)


@given(st.text(st.sampled_from("\x1b[]0123456789;:mKPX^_\\\x07\n <>&ab"), max_size=60) | st.text())
def test_anything_at_all_comes_out_as_text_without_escapes(text: str) -> None:
    made = coloured(text)
    assert "".join(piece.text for piece in made) == plain(text)
    assert "\x1b" not in plain(text)
    for piece in made:
        assert set(piece.mark) <= set("abcdefghijklmnopqrstuvwxyz0123456789- ")


@pytest.mark.parametrize(
    ("codes", "mark"),
    [
        ("31", "sgr ink-1"),
        ("1;31", "sgr bold ink-1"),
        ("97", "sgr ink-15"),
        ("41", "sgr paper-1"),
        ("38;5;9", "sgr ink-9"),
        ("38;5;196", "sgr ink-1"),
        ("38;5;244", "sgr ink-8"),
        ("38;2;14;190;120", "sgr ink-2"),
        ("48;2;255;255;255", "sgr paper-15"),
        ("4;7;9", "sgr lined turned struck"),
        ("1;22;31", "sgr ink-1"),
        ("31;39", ""),
        ("31;0", ""),
        ("", ""),
        ("38", ""),
        ("38;5", "sgr ink-0"),
        ("99999999999999999999", ""),
    ],
)
def test_a_sequence_says_what_the_next_letters_look_like(codes: str, mark: str) -> None:
    assert [piece.mark for piece in coloured(f"\x1b[{codes}mx")] == [mark]


def test_a_look_lasts_until_it_is_changed() -> None:
    made = coloured("a\x1b[32mb\x1b[2Kc\x1b[0md")
    assert [(piece.text, piece.mark) for piece in made] == [
        ("a", ""),
        ("b", "sgr ink-2"),
        ("c", "sgr ink-2"),
        ("d", ""),
    ]


def test_a_string_that_does_not_end_hides_nothing() -> None:
    assert plain("\x1b]0;never ended\nthe next line") == "0;never ended\nthe next line"


def test_many_escapes_are_read_in_a_moment() -> None:
    assert plain("\x1b]" * 100_000) == ""
    assert plain("\x1b[" + "1;" * 100_000) == "[" + "1;" * 100_000
