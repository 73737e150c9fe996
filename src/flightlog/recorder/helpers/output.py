"""A command's output in bounded memory: both ends are kept, the middle is only counted."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

_BREAK = re.compile(rb"[\r\n]")
_GAP = re.compile(rb"[\s,;]")
_KEY_BEGIN, _KEY_END = b"-----BEGIN ", b"-----END "


class Ends(NamedTuple):
    """What is kept of an output. While nothing is left out, `head` is all of it and `tail` is empty."""

    head: str
    tail: str
    bytes: int
    truncated: bool

    @property
    def text(self) -> str:
        """Both ends as one text, with a note where the middle was."""
        if not self.truncated:
            return self.head
        kept = len(self.head.encode("utf-8", "replace")) + len(self.tail.encode("utf-8", "replace"))
        return f"{self.head}\n… [{max(self.bytes - kept, 0)} bytes left out] …\n{self.tail}"

    def as_payload(self) -> dict[str, Any]:
        """The `stdout` or `stderr` of an exec_result payload."""
        return self._asdict()


class Captured:
    """An output while it comes in. At most about three times `end_bytes_max` is held.

    >>> captured = Captured(6)
    >>> for piece in (b"one\\ntwo\\n", b"three\\nfour\\nfive\\n"): captured.feed(piece)
    >>> captured.ends(6)
    Ends(head='one\\n', tail='five\\n', bytes=24, truncated=True)
    """

    def __init__(self, end_bytes_max: int) -> None:
        self.bytes = 0
        self._max = max(end_bytes_max, 0)
        self._head = bytearray()
        self._tail = bytearray()

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self.bytes += len(data)
        room = self._max - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > 2 * self._max:
            del self._tail[: len(self._tail) - self._max]

    def ends(self, end_bytes_max: int) -> Ends:
        """The first and last bytes as text, at most so many of each (and of what was kept)."""
        limit = max(min(end_bytes_max, self._max), 0)
        held = bytes(self._head + self._tail)
        if self.bytes <= 2 * limit:
            return Ends(held.decode("utf-8", "replace"), "", self.bytes, False)
        head, tail = held[:limit], held[len(held) - limit :]
        return Ends(
            whole_lines_before(head).decode("utf-8", "replace"),
            whole_lines_after(tail).decode("utf-8", "replace"),
            self.bytes,
            True,
        )


# Redaction sees what is kept, not what was there. Half a token, or a value whose key was cut off, would pass it unseen.
# So the cut falls between lines; in very long lines between words; and never inside a PEM block.


def whole_lines_before(data: bytes) -> bytes:
    """The start of an output without the line (or the key) that the cut goes through.

    >>> whole_lines_before(b"first line\\nsecond line\\npassword: hunt")
    b'first line\\nsecond line\\n'
    """
    opened = data.rfind(_KEY_BEGIN)
    if opened > data.rfind(_KEY_END):
        data = data[:opened]
    cut = _last(_BREAK, data)
    if 2 * cut < len(data):
        cut = max(_last(_GAP, data), cut)
    return data[:cut]


def whole_lines_after(data: bytes) -> bytes:
    """The end of an output without the line (or the key) that the cut goes through.

    >>> whole_lines_after(b"er2\\nlast line\\n")
    b'last line\\n'
    """
    opened, closed = data.find(_KEY_BEGIN), data.find(_KEY_END)
    if closed >= 0 and (opened < 0 or closed < opened):
        line_end = _BREAK.search(data, closed)
        return data[line_end.end() :] if line_end else b""
    line = _BREAK.search(data)
    if line and 2 * line.end() <= len(data):
        return data[line.end() :]
    gaps = _GAP.finditer(data)
    next(gaps, None)
    second = next(gaps, None)  # the first whole word may be the value of a key that is gone
    return data[second.end() :] if second else b""


def _last(pattern: re.Pattern[bytes], data: bytes) -> int:
    """Where the last match ends; 0 when there is none."""
    end = 0
    for match in pattern.finditer(data):
        end = match.end()
    return end
