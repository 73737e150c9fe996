"""Durations and ages as people write them."""

from __future__ import annotations

import re

from flightlog.clock import NS_PER_SECOND, parse_ns

NS_MAX = 2**63 - 1
_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": NS_PER_SECOND,
    "m": 60 * NS_PER_SECOND,
    "h": 3_600 * NS_PER_SECOND,
    "d": 86_400 * NS_PER_SECOND,
    "w": 604_800 * NS_PER_SECOND,
}
_NUMBER = r"\d{1,15}(?:\.\d{1,9})?"
_DURATION = re.compile(rf"(?:{_NUMBER}(?:ns|us|µs|ms|s|m|h|d|w))+", re.ASCII)
_PART = re.compile(rf"({_NUMBER})(ns|us|µs|ms|s|m|h|d|w)", re.ASCII)


def duration_ns(text: str) -> int:
    """Nanoseconds. Raises ValueError.

    >>> duration_ns("1m30s"), duration_ns("150ms")
    (90000000000, 150000000)
    """
    if not _DURATION.fullmatch(text):
        raise ValueError(text)
    total = sum(round(float(number) * _UNITS_NS[unit]) for number, unit in _PART.findall(text))
    if total > NS_MAX:
        raise ValueError(text)
    return total


def time_ns(text: str, now_ns: int) -> int:
    """Nanoseconds since 1970: of an RFC 3339 time, of a number of them, or of an age. Raises ValueError.

    >>> time_ns("15m", 3600 * NS_PER_SECOND) == 2700 * NS_PER_SECOND
    True
    """
    if _DURATION.fullmatch(text):
        return max(0, now_ns - duration_ns(text))
    return parse_ns(text)
