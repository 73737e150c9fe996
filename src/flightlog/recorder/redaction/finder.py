"""Finding secrets in one text: a few RE2 alternations say where one may begin, then each pattern is tried just there.

Time is linear. Every place where a match can be turned down is found with a bounded look ahead; only what is accepted is
followed to its end, and the search goes on behind it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import re2

WINDOW = 256  # bytes of a value that its judge sees

# (text, where the match begins, where the secret starts, where it ends) -> whether it is one
Judge = Callable[[bytes, int, int, int], bool]


class Pattern(NamedTuple):
    """One way to find a secret: its one group.

    `find` is a shorter pattern for the first look, `words` are what a match begins with, `run` follows the secret to its
    end after the judge has accepted its beginning, and `many` finds all secrets of what begins here, and where it ends.
    """

    rule: str
    pattern: str
    judge: Judge | None = None
    find: str = ""
    words: tuple[bytes, ...] = ()
    run: re.Pattern[bytes] | None = None
    many: Callable[[bytes, int], tuple[list[tuple[int, int]], int]] | None = None


class Found(NamedTuple):
    """A secret in a text."""

    rule: str
    start: int
    end: int


def options(*, captures: bool) -> Any:
    """RE2 over bytes."""
    made = re2.Options()
    made.encoding = re2.Options.Encoding.LATIN1
    made.never_capture = not captures
    made.log_errors = False
    return made


def searcher(pattern: bytes, chosen: Any) -> Callable[[bytes, int], tuple[int, int]]:
    """A function that finds the first match at or after a position: its span, or (-1, -1).

    The class behind `re2.compile` is asked directly where that is possible: the wrapper costs as much as a search.
    """
    compiled = re2.compile(pattern, chosen)
    inner = getattr(getattr(compiled, "_regexp", None), "Match", None)
    anchor = getattr(getattr(re2, "_Anchor", None), "UNANCHORED", None)
    if inner is None or anchor is None:
        return lambda text, position: _span(compiled.search(text, position))
    return lambda text, position: inner(anchor, text, position, len(text))[0]


def _span(match: Any) -> tuple[int, int]:
    return match.span() if match else (-1, -1)


class Finder:
    """All secrets that a set of patterns finds in a text."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = tuple(patterns)
        self._compiled: list[Any] = [None] * len(self._patterns)
        joined = "|".join(f"(?:{pattern.find or pattern.pattern})" for pattern in self._patterns)
        self._first = searcher(joined.encode("latin-1"), options(captures=False))
        # Which patterns may match where this byte stands.
        self._by_byte = [
            tuple(
                i
                for i, pattern in enumerate(self._patterns)
                if not pattern.words or any(w[0] == byte for w in pattern.words)
            )
            for byte in range(256)
        ]

    def find(self, text: bytes) -> Iterator[Found]:
        position = 0
        while position <= len(text):
            begin, _ = self._first(text, position)
            if begin < 0:
                return
            found, end = self._at(text, begin)
            yield from found
            position = max(end, begin + 1)

    def _at(self, text: bytes, begin: int) -> tuple[Sequence[Found], int]:
        """What is found where a match begins, and where to go on."""
        for index in self._by_byte[text[begin]]:
            pattern = self._patterns[index]
            if pattern.words and not text.startswith(pattern.words, begin):
                continue
            match = (self._compiled[index] or self._compile(index)).match(text, begin)
            if match is None:
                continue
            start, end = match.span(1)
            if pattern.run is not None:
                end = _end(pattern.run, text, start, start + WINDOW)
            if start >= end or not (pattern.judge is None or pattern.judge(text, begin, start, end)):
                continue
            if pattern.many is not None:
                spans, end = pattern.many(text, start)
                return [Found(pattern.rule, *span) for span in spans], end
            if pattern.run is not None:
                end = _end(pattern.run, text, start, len(text))
            return (Found(pattern.rule, start, end),), end
        return (), begin

    def _compile(self, index: int) -> Any:
        made = re2.compile(self._patterns[index].pattern.encode("latin-1"), options(captures=True))
        self._compiled[index] = made
        return made


def _end(run: re.Pattern[bytes], text: bytes, start: int, limit: int) -> int:
    match = run.match(text, start, limit)
    return match.end() if match else start
