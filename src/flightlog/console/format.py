"""Numbers and times as people read them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from flightlog.clock import NS_PER_SECOND, format_ns

NS_PER_MS = 1_000_000
MINUTE, HOUR, DAY = 60, 3_600, 86_400
NOTHING = "–"
MONEY_DIGITS_MAX = 12


@dataclass(frozen=True)
class Moment:
    """A point in time, as the templates show it."""

    exact: str  # RFC 3339, all digits
    ago: str  # relative to when the page was made


def moment(ns: int, now_ns: int) -> Moment:
    """A point in time seen from `now_ns`."""
    return Moment(format_ns(ns), ago(ns, now_ns))


def ago(ns: int, now_ns: int) -> str:
    """How long ago, roughly; a date when it was more than a week.

    >>> ago(0, 59 * NS_PER_SECOND), ago(0, 7200 * NS_PER_SECOND), ago(0, 9 * DAY * NS_PER_SECOND)
    ('just now', '2 h ago', '1970-01-01')
    """
    seconds = (now_ns - ns) // NS_PER_SECOND
    if seconds < MINUTE:
        return "just now"
    if seconds < HOUR:
        return f"{seconds // MINUTE} min ago"
    if seconds < DAY:
        return f"{seconds // HOUR} h ago"
    if seconds < 8 * DAY:
        return f"{seconds // DAY} d ago"
    return format_ns(ns)[:10]


def duration(ns: int | None) -> str:
    """A length of time in at most two units.

    >>> duration(340_000_000), duration(41 * NS_PER_SECOND), duration(161 * NS_PER_SECOND), duration(3_780 * NS_PER_SECOND)
    ('340 ms', '41.0 s', '2 m 41 s', '1 h 03 m')
    >>> duration(12_400), duration(None)
    ('12 µs', '–')
    """
    if ns is None:
        return NOTHING
    if ns == 0:
        return "0 s"
    if ns < NS_PER_MS:
        return f"{ns // 1_000} µs"
    if ns < NS_PER_SECOND:
        return f"{ns // NS_PER_MS} ms"
    if ns < MINUTE * NS_PER_SECOND:
        return f"{ns // (NS_PER_SECOND // 10) / 10:.1f} s"
    seconds = ns // NS_PER_SECOND
    if seconds < HOUR:
        return f"{seconds // MINUTE} m {seconds % MINUTE:02d} s"
    if seconds < DAY:
        return f"{seconds // HOUR} h {seconds % HOUR // MINUTE:02d} m"
    return f"{seconds // DAY} d {seconds % DAY // HOUR:02d} h"


def offset(ns: int, start_ns: int) -> str:
    """When in a run something happened, by the run's own clock.

    >>> offset(2_310_000_000, 0), offset(123_500_000_000, 0), offset(0, 1_000_000)
    ('+2.31 s', '+2:03.5', '−1 ms')
    """
    ns -= start_ns
    sign, ns = ("+", ns) if ns >= 0 else ("−", -ns)
    if ns < NS_PER_SECOND:
        return f"{sign}{ns // NS_PER_MS} ms"
    seconds, tenths = divmod(ns // (NS_PER_SECOND // 10), 10)
    if seconds < MINUTE:
        return f"{sign}{ns // (NS_PER_SECOND // 100) / 100:.2f} s"
    if seconds < HOUR:
        return f"{sign}{seconds // MINUTE}:{seconds % MINUTE:02d}.{tenths}"
    return f"{sign}{seconds // HOUR}:{seconds % HOUR // MINUTE:02d}:{seconds % MINUTE:02d}"


def count(number: int) -> str:
    """A count with its thousands apart.

    >>> count(1284)
    '1,284'
    """
    return f"{number:,}"


def counted(number: int, one: str, many: str) -> str:
    """A count with its noun.

    >>> counted(1, "file", "files"), counted(1284, "file", "files")
    ('1 file', '1,284 files')
    """
    return f"{count(number)} {one if number == 1 else many}"


def short(number: int) -> str:
    """A large count in few characters.

    >>> short(402), short(8_214), short(121_402), short(1_402_118)
    ('402', '8.2 k', '121 k', '1.4 M')
    """
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.1f} {unit}" if number < 10 * size else f"{number // size} {unit}"
    return str(number)


def money(usd: float) -> str:
    """An amount in US dollars, with as many digits as a small one needs.

    >>> money(1.274), money(0.00042), money(0.00000016), money(0)
    ('$1.27', '$0.00042', '$0.00000016', '–')
    """
    if usd == 0:
        return NOTHING
    if not abs(usd) < 0.01:  # nor where it is no number
        return f"${usd:,.2f}"
    digits = min(1 - math.floor(math.log10(abs(usd))), MONEY_DIGITS_MAX)
    return "$" + f"{usd:.{digits}f}".rstrip("0").rstrip(".")


def size(number: int) -> str:
    """A size in bytes.

    >>> size(512), size(39_117), size(5_242_880)
    ('512 B', '38.2 KiB', '5.0 MiB')
    """
    if number < 1024:
        return f"{number} B"
    return f"{number / 1024:.1f} KiB" if number < 1024**2 else f"{number / 1024**2:.1f} MiB"


def short_id(text: str) -> str:
    """The ends of a long id; its middle tells people nothing.

    >>> short_id("0199f3f0-7a2c-7c1e-9d5e-0c1d2e3f5566"), short_id("r1")
    ('0199f3f0…5566', 'r1')
    """
    return text if len(text) <= 16 else f"{text[:8]}…{text[-4:]}"


def in_full(ns: int) -> str:
    """A point in time with all its digits, for reading.

    >>> in_full(1_700_000_000_123_456_789)
    '2023-11-14 22:13:20.123456789 UTC'
    """
    return format_ns(ns).replace("T", " ").replace("Z", " UTC")
