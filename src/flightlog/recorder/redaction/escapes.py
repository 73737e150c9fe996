"""Text and the text that is written inside it: what a JSON string says once its escapes are read, level by level.

A tool call's `arguments` is JSON inside a JSON string, and an agent that quotes it adds another level. A secret is looked
for at every level, and what is found is mapped back to the bytes of the outermost text.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

from flightlog.errors import RedactionFailed

# Real text nests three or four deep. A run of 2^20 backslashes, or a chain made to nest for ever, does not pass.
LEVELS_MAX = 20

# The escapes of JSON, and `\'` as Python and JavaScript write it. Two halves of a surrogate pair are one escape.
_PAIR = rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(_PAIR + rb"|\\(?:u[0-9a-fA-F]{4}|[\"\\/bfnrt'`])")
_UNICODE = re.compile(_PAIR + rb"|\\u[0-9a-fA-F]{4}")
_SHORT = {b"\\" + bytes([code]): bytes([meant]) for code, meant in zip(b"\"/'`nrtbf", b"\"/'`\n\r\t\b\f", strict=True)}


class _Meant(dict[bytes, bytes]):
    """What an escape means, in UTF-8; half of a surrogate pair alone as the three bytes it would have."""

    def __missing__(self, escape: bytes) -> bytes:
        halves = [int(half, 16) for half in escape.split(b"\\u")[1:]]
        code = halves[0] if len(halves) == 1 else 0x10000 + ((halves[0] - 0xD800) << 10) + (halves[1] - 0xDC00)
        return chr(code).encode("utf-8", "surrogatepass")


_MEANT = _Meant({**_SHORT, rb"\\": b"\\"})
_DENSE = 8  # with more than one backslash in so many bytes, replacing each kind at once is quicker than one by one


def unescape(text: bytes) -> bytes:
    r"""The text with one level of escapes read.

    >>> unescape(rb'{\"a\": \"x\\n\u0026\"}')
    b'{"a": "x\\n&"}'
    """
    if text.count(b"\\") * _DENSE < len(text):
        return unescape_sparse(text)
    return unescape_dense(text)


def unescape_sparse(text: bytes) -> bytes:
    """One escape after the other."""
    return _ESCAPE.sub(lambda found: _MEANT[found[0]], text)


def unescape_dense(text: bytes) -> bytes:
    """One kind of escape after the other, between the escaped backslashes."""
    pieces = text.split(rb"\\")
    for index, piece in enumerate(pieces):
        if b"\\" in piece:
            for written, meant in _SHORT.items():
                piece = piece.replace(written, meant)
            pieces[index] = _UNICODE.sub(lambda found: _MEANT[found[0]], piece) if b"\\u" in piece else piece
    return b"\\".join(pieces)


class Level:
    """One level of a text. `outer(start, end)` is where a span of it stands in the outermost text."""

    def __init__(self, text: bytes, parent: Level | None = None) -> None:
        self.text = text
        self._parent = parent
        self._places: tuple[list[int], list[int]] | None = None

    def inner(self) -> Level | None:
        """The next level, or None when nothing is escaped here."""
        if b"\\" not in self.text:
            return None
        text = unescape(self.text)
        return None if text == self.text else Level(text, self)

    def outer(self, start: int, end: int) -> tuple[int, int]:
        start, end = snap(self.text, start, end)
        if self._parent is None or start >= end:
            return start, max(start, end)
        return self._parent.outer(self._place(start), self._place(end))

    def _place(self, position: int) -> int:
        """Where a position of this text is in the parent's: moved by the escapes that were read before it."""
        if self._places is None:
            made: list[int] = []
            moved = [0]
            for escape in _ESCAPE.finditer(self._parent.text if self._parent else b""):
                made.append(escape.start() - moved[-1])
                moved.append(moved[-1] + len(escape[0]) - len(_MEANT[escape[0]]))
            self._places = made, moved
        made, moved = self._places
        return position + moved[bisect_left(made, position)]


def levels(outermost: Level) -> Iterator[Level]:
    """A level and every one inside it. Raises RedactionFailed where they nest deeper than in any honest text."""
    level: Level | None = outermost
    for _ in range(LEVELS_MAX):
        if level is None:
            return
        yield level
        level = level.inner()
    raise RedactionFailed(reason=f"text is escaped more than {LEVELS_MAX} times")


def snap(text: bytes, start: int, end: int) -> tuple[int, int]:
    """The span, moved so that no letter and no escape of this text is cut in two: that would break the JSON around it."""
    unit = _unit(text, start)
    if unit is not None:
        start = unit[1]
    elif text[start - 1 : start] == b"\\" != text[start : start + 1] and (escape := _ESCAPE.match(text, start - 1)):
        start = escape.end()  # the backslash is escaped itself, but at a deeper level it will not be
    unit = _unit(text, end)
    if unit is not None:
        end = unit[0] if text[unit[0] + 1 : unit[0] + 2] in (b'"', b"'") else unit[1]
    while 0 < start < len(text) and text[start] & 0xC0 == 0x80:
        start -= 1
    while end < len(text) and text[end] & 0xC0 == 0x80:
        end += 1
    return start, end


def _unit(text: bytes, position: int) -> tuple[int, int] | None:
    """The escape that has this position strictly inside it."""
    for begin in range(max(position - 11, 0), position):
        if text[begin] == 0x5C and _backslashes_before(text, begin) % 2 == 0:
            found = _ESCAPE.match(text, begin)
            if found is not None and found.end() > position:
                return found.span()
    return None


def _backslashes_before(text: bytes, position: int) -> int:
    first = position
    while first and text[first - 1] == 0x5C:
        first -= 1
    return position - first
