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
# Places of one text that are looked at closely: one in so many bytes. A text with more is not worth the host's time.
PLACES_MIN, BYTES_A_PLACE = 500, 64

# RE2 gives a sixth of this to the states that a search remembers. When they run out it starts anew, at fifty times the cost;
# a day's text of all kinds takes 2 to 4 MB, and what is not needed is not taken.
SEARCHER_BYTES_MAX, MATCHER_BYTES_MAX = 64 << 20, 2 << 20

Span = tuple[int, int]

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
    many: Callable[[bytes, int], tuple[list[Span], int]] | None = None


class Crowded(Exception):
    """A text has more places that look like secrets than are looked at."""


class Found(NamedTuple):
    """A secret in a text."""

    rule: str
    start: int
    end: int


def options(*, captures: bool) -> Any:
    """RE2 over bytes. What it remembers of a pattern is bounded, and most of it is never needed."""
    made = re2.Options()
    made.max_mem = MATCHER_BYTES_MAX if captures else SEARCHER_BYTES_MAX
    made.encoding = re2.Options.Encoding.LATIN1
    made.never_capture = not captures
    made.log_errors = False
    return made


# The class behind `re2.compile` is asked directly where that is possible: the wrapper around it costs as much as a search.
_Anchor: Any = getattr(re2, "_Anchor", None)
_NOWHERE = (-1, -1)


def searcher(pattern: bytes) -> Callable[[bytes, int], Span]:
    """A function that finds the first match at or after a position: its span, or (-1, -1)."""
    compiled = re2.compile(pattern, options(captures=False))
    inner = _inner(compiled)
    if inner is None:
        return lambda text, position: _span(compiled.search(text, position), 0)
    anchor = _Anchor.UNANCHORED
    return lambda text, position: inner(anchor, text, position, len(text))[0]


def matcher(pattern: bytes) -> Callable[[bytes, int], Span]:
    """A function that matches at a position: the span of the first group, or (-1, -1)."""
    compiled = re2.compile(pattern, options(captures=True))
    inner = _inner(compiled)
    if inner is None:
        return lambda text, position: _span(compiled.match(text, position), 1)
    anchor = _Anchor.ANCHOR_START
    return lambda text, position: inner(anchor, text, position, len(text))[1]


def _inner(compiled: Any) -> Any:
    return getattr(getattr(compiled, "_regexp", None), "Match", None) if _Anchor else None


def _span(match: Any, group: int) -> Span:
    return match.span(group) if match else _NOWHERE


class Finder:
    """All secrets that a set of patterns finds in a text."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = tuple(patterns)
        self._matchers: list[Callable[[bytes, int], Span] | None] = [None] * len(self._patterns)
        joined = "|".join(f"(?:{pattern.find or pattern.pattern})" for pattern in self._patterns)
        self._first = searcher(joined.encode("latin-1"))
        # Which patterns may match where this byte stands.
        self._by_byte: list[list[int]] = [[] for _ in range(256)]
        for index, pattern in enumerate(self._patterns):
            for byte in {word[0] for word in pattern.words} or range(256):
                self._by_byte[byte].append(index)

    def find(self, text: bytes, places_max: int | None = None) -> Iterator[Found]:
        """All secrets in the text. Raises Crowded where there are more places to look at."""
        position = 0
        for _ in range(len(text) + 1 if places_max is None else places_max):
            begin, _ = self._first(text, position)
            if begin < 0:
                return
            found, end = self._at(text, begin)
            yield from found
            position = max(end, begin + 1)
            if position > len(text):
                return
        raise Crowded

    def _at(self, text: bytes, begin: int) -> tuple[Sequence[Found], int]:
        """What is found where a match begins, and where to go on."""
        for index in self._by_byte[text[begin]]:
            pattern = self._patterns[index]
            if pattern.words and not text.startswith(pattern.words, begin):
                continue
            start, end = (self._matchers[index] or self._compile(index))(text, begin)
            if start < 0:
                continue
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

    def _compile(self, index: int) -> Callable[[bytes, int], Span]:
        made = self._matchers[index] = matcher(self._patterns[index].pattern.encode("latin-1"))
        return made


def places_max(text: bytes) -> int:
    """How many places of a text are looked at."""
    return max(PLACES_MIN, len(text) // BYTES_A_PLACE)


def _end(run: re.Pattern[bytes], text: bytes, start: int, limit: int) -> int:
    match = run.match(text, start, limit)
    return match.end() if match else start
