"""Ids: UUIDv7 for what we name, W3C Trace Context ids for traces and spans.

Chance comes from a generator that is seeded by the operating system and seeded anew in a forked child.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from typing import Protocol


class Ids(Protocol):
    """Where the code takes its ids from."""

    def event_id(self, now_ns: int) -> str: ...
    def run_id(self, now_ns: int) -> str: ...
    def producer_id(self, now_ns: int) -> str: ...
    def trace_id(self) -> str: ...
    def span_id(self) -> str: ...


_random = random.Random(os.urandom(32))


class _EventIds:
    """Version 7 ids for the hot path: 26 bits of chance and a counter that starts at chance are drawn once a process, so
    that an id costs one addition and one formatting, and ids of one millisecond sort as they were made (RFC 9562, 6.2)."""

    def __init__(self) -> None:
        self.draw()

    def draw(self) -> None:
        self._tail = f"7{_random.getrandbits(12):03x}-{0x8000 | _random.getrandbits(14):04x}-"
        self._next = itertools.count(_random.getrandbits(47)).__next__
        self._at = (-1, "")

    def __call__(self, now_ns: int) -> str:
        ms = now_ns // 1_000_000
        at, head = self._at
        if at != ms:
            head = f"{ms >> 16 & 0xFFFFFFFF:08x}-{ms & 0xFFFF:04x}-{self._tail}"
            self._at = (ms, head)
        return f"{head}{self._next():012x}"


_event_id = _EventIds()


def _draw_anew() -> None:
    _random.seed(os.urandom(32))
    _event_id.draw()


if hasattr(os, "register_at_fork"):
    # A child that kept the parent's state would hand out the parent's ids.
    os.register_at_fork(after_in_child=_draw_anew)


def uuid7(now_ns: int | None = None, random_bits: int | None = None) -> str:
    """A UUID version 7 (RFC 9562, 5.7): milliseconds, then 12 bits of the millisecond's fraction, then chance.

    >>> uuid7(1_700_000_000_123_456_789, 0)
    '018bcfe5-687b-774f-8000-000000000000'
    """
    if now_ns is None:
        now_ns = time.time_ns()
    if random_bits is None:
        random_bits = _random.getrandbits(62)
    ms, rest = divmod(max(0, now_ns), 1_000_000)
    head = f"{ms >> 16 & 0xFFFFFFFF:08x}-{ms & 0xFFFF:04x}-7{(rest << 12) // 1_000_000:03x}"
    return f"{head}-{0x8000 | random_bits >> 48:04x}-{random_bits & 0xFFFFFFFFFFFF:012x}"


class SystemIds:
    """Ids as they are in production."""

    event_id = _event_id

    def run_id(self, now_ns: int) -> str:
        return uuid7(now_ns)

    def producer_id(self, now_ns: int) -> str:
        return uuid7(now_ns)

    def trace_id(self) -> str:
        """32 lower-case hex digits, not all zero (W3C Trace Context)."""
        return f"{_random.getrandbits(128) or 1:032x}"

    def span_id(self) -> str:
        """16 lower-case hex digits, not all zero (W3C Trace Context)."""
        return f"{_random.getrandbits(64) or 1:016x}"


class SequentialIds:
    """Ids that are the same in every run of a test.

    >>> ids = SequentialIds()
    >>> ids.event_id(0), ids.event_id(0)
    ('00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000002')
    """

    def __init__(self) -> None:
        self._last = 0

    def _next(self) -> int:
        self._last += 1
        return self._last

    def event_id(self, now_ns: int) -> str:
        return uuid7(now_ns, self._next())

    run_id = event_id
    producer_id = event_id

    def trace_id(self) -> str:
        return f"{self._next():032x}"

    def span_id(self) -> str:
        return f"{self._next():016x}"
