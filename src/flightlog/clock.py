"""Time is handed in, so that leases, gaps and heartbeats are tested in microseconds."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

NS_PER_SECOND = 1_000_000_000


class Clock(Protocol):
    """Where the code takes its time from."""

    def now_ns(self) -> int:
        """Wall time in nanoseconds since 1970, UTC. It may jump, also backwards."""

    def monotonic_ns(self) -> int:
        """Nanoseconds from an arbitrary start that never go backwards; for durations."""


class SystemClock:
    """The machine's clock."""

    now_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.monotonic_ns)


class FakeClock:
    """A clock that stands still until told to move.

    >>> clock = FakeClock(1_000)
    >>> clock.advance(seconds=2)
    >>> clock.now_ns()
    2000001000
    """

    def __init__(self, start_ns: int = 1_700_000_000 * NS_PER_SECOND) -> None:
        self._now = start_ns
        self._monotonic = 0

    def now_ns(self) -> int:
        return self._now

    def monotonic_ns(self) -> int:
        return self._monotonic

    def advance(self, seconds: float = 0.0, ns: int = 0) -> None:
        """Let time pass."""
        step = int(seconds * NS_PER_SECOND) + ns
        self._now += step
        self._monotonic += step

    def jump(self, seconds: float) -> None:
        """Set the wall clock forwards or backwards, as NTP or a person does; monotonic time does not notice."""
        self._now += int(seconds * NS_PER_SECOND)


def format_ns(ns: int) -> str:
    """RFC 3339 in UTC with all nine digits, so that nothing is rounded on the way out.

    >>> format_ns(1_700_000_000_123_456_789)
    '2023-11-14T22:13:20.123456789Z'
    """
    seconds, rest = divmod(ns, NS_PER_SECOND)
    try:
        day = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        day, rest = datetime.fromtimestamp(0, UTC), 0
    return f"{day.replace(tzinfo=None).isoformat(timespec='seconds')}.{rest:09d}Z"


def parse_ns(text: str) -> int:
    """Nanoseconds since 1970 from RFC 3339 text, or from an integer written as text. Raises ValueError.

    >>> parse_ns("2023-11-14T22:13:20.123456789Z")
    1700000000123456789
    >>> parse_ns("1700000000123456789")
    1700000000123456789
    """
    text = text.strip()
    if text.lstrip("-").isdigit():
        return int(text)
    head, dot, tail = text.partition(".")
    digits = ""
    if dot:
        digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
        head += tail[len(digits) :]
    moment = datetime.fromisoformat(head)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    whole = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    return whole * NS_PER_SECOND + int((digits + "000000000")[:9])
