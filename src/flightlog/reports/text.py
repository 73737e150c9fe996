"""Anybody's text, made fit for a page: nothing unseen in it, and no more of it than a reader wants."""

from __future__ import annotations

import re

from flightlog.console import format as fmt
from flightlog.console.ansi import plain
from flightlog.reports.model import Text

LINE_CHARS_MAX = 300
HEAD_LINES = 6

# Controls, and the marks that make text read in another order than it stands in.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufffe\uffff]"
)


def clean(text: str) -> str:
    r"""The text without a terminal's colours; signs that would not be seen, or would change the order of others, as their numbers.

    >>> clean("\x1b[31mred\x1b[0m\r\nnext\x00"), clean("a\u202eb")
    ('red\nnext[U+0000]', 'a[U+202E]b')
    """
    text = plain(text).replace("\r\n", "\n").replace("\r", "\n")
    return _UNSEEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)


def line(text: str, chars_max: int = LINE_CHARS_MAX) -> str:
    """One line of at most so many characters.

    >>> line("two\\n  lines"), line("abcdef", 4)
    ('two lines', 'abc…')
    """
    made = " ".join(clean(text[: 4 * chars_max]).split())
    return made if len(made) <= chars_max else made[: chars_max - 1] + "…"


def excerpt(text: str, lines_max: int, chars_max: int) -> Text:
    """The beginning and, more of it, the end of a text: how a command ended stands in its last lines.

    >>> excerpt("one\\ntwo\\n", 20, 1_000)
    Text(text='one\\ntwo', left_out='')
    >>> excerpt("\\n".join(map(str, range(40))), 10, 1_000).left_out
    '30 lines'
    """
    lines = clean(text).strip("\n").split("\n")
    short = [one.rstrip() if len(one) <= chars_max // 4 else one[: chars_max // 4] + "…" for one in lines]
    kept_max = lines_max
    while kept_max > 1 and _size(short, kept_max) > chars_max:
        kept_max -= 1
    if len(short) <= kept_max:
        return Text("\n".join(short))
    head = min(HEAD_LINES, kept_max // 3)
    missing = len(short) - kept_max
    gap = fmt.counted(missing, "line", "lines")
    return Text("\n".join([*short[:head], f"[… {gap} not shown …]", *short[head + missing :]]), gap)


def beginning(text: str, lines_max: int, chars_max: int) -> Text:
    """The beginning of a text, by lines and by characters."""
    made = clean(text).strip("\n")
    lines = made.split("\n")
    kept = "\n".join(lines[:lines_max])[:chars_max]
    if len(kept) == len(made):
        return Text(kept)
    missing = len(lines) - kept.count("\n") - 1
    said = (
        fmt.counted(missing, "line", "lines")
        if missing
        else fmt.counted(len(made) - len(kept), "character", "characters")
    )
    return Text(kept, said)


def _size(lines: list[str], lines_max: int) -> int:
    if len(lines) <= lines_max:
        return sum(map(len, lines)) + len(lines)
    head = min(HEAD_LINES, lines_max // 3)
    return sum(map(len, lines[:head])) + sum(map(len, lines[len(lines) - lines_max + head :])) + lines_max
