"""Times, sizes and counts as people write and read them."""

from __future__ import annotations

import re
import time
import unicodedata

from flightlog.clock import NS_PER_SECOND, parse_ns
from flightlog.errors import FilterInvalid

_AGO = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def moment(name: str, text: str | None, now_ns: int | None = None) -> int | None:
    """Nanoseconds since 1970 for RFC 3339 text or an age. Raises FilterInvalid.

    >>> moment("since", "15m", now_ns=3_600_000_000_000)
    2700000000000
    """
    if text is None:
        return None
    if ago := _AGO.fullmatch(text.strip()):
        now = time.time_ns() if now_ns is None else now_ns
        return max(now - int(float(ago[1]) * _SECONDS[ago[2]] * NS_PER_SECOND), 0)
    try:
        return parse_ns(text)
    except (ValueError, OverflowError):
        raise FilterInvalid(reason=f"--{name} {text!r} is neither an RFC 3339 time nor an age such as 15m") from None


def short_time(rfc3339: str | None) -> str:
    """A time to the millisecond, in UTC.

    >>> short_time("2026-11-21T04:22:27.123456789Z")
    '2026-11-21 04:22:27.123Z'
    """
    return f"{rfc3339[:10]} {rfc3339[11:23]}Z" if rfc3339 else ""


def duration(ns: int | None) -> str:
    """A duration in the unit that suits it.

    >>> duration(1_500_000), duration(2_340_000_000), duration(3_725_000_000_000), duration(None)
    ('1.5 ms', '2.34 s', '1 h 02 min', '')
    """
    if ns is None:
        return ""
    seconds = ns / NS_PER_SECOND
    if seconds < 0.001:
        return f"{ns / 1000:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02d} min"


def size(count: int) -> str:
    """A number of bytes.

    >>> size(900), size(4 * 1024 * 1024)
    ('900 B', '4.0 MiB')
    """
    amount, unit = float(count), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.1f} {_UNITS[unit]}" if unit else f"{count} B"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun.

    >>> count(1, "event"), count(12345, "event")
    ('1 event', '12,345 events')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def clean(text: str, *, newlines: bool = False) -> str:
    """Text that can't move the cursor, colour the screen or hide: what is recorded may come from anywhere.

    >>> clean("a\\x1b[31mb\\nc")
    'a\\\\x1b[31mb⏎c'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char.isprintable() else _visible(char, newlines) for char in text)


def _visible(char: str, newlines: bool) -> str:
    if char == "\n":
        return "\n" if newlines else "⏎"
    if char == "\t":
        return "    " if newlines else " "
    if unicodedata.category(char) == "Zs":
        return " "
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def clip(text: str, chars_max: int) -> str:
    """The text, or its beginning with a mark that something is missing.

    >>> clip("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= chars_max else text[: chars_max - 1] + "…"


def columns(text: str) -> int:
    """How many columns of a terminal the text takes.

    >>> columns("ab"), columns("日本"), columns("e\u0301")
    (2, 4, 1)
    """
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else not unicodedata.combining(char) for char in text)


def quoted(text: str) -> str:
    r"""The text as the language of filters takes it, whatever it holds.

    >>> quoted('say "hi"')
    '"say \\"hi\\""'
    """
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
