# ruff: noqa: S608 - only names of columns go in
"""Durations rounded so that they can be counted: percentiles of what is rounded are those of what was, at most 0.8 % off.

A number below 128 is kept. Above, each power of two has 64 stretches of the same width, and a number is taken for the middle of its
stretch. Only whole numbers are calculated with, so DuckDB and Python agree to the last digit, and what was counted in parts can be
added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ERROR_MAX = 1 / 128
NUMBER_MAX = 2**62 - 1  # 146 years in nanoseconds; what is more counts as that
PERCENTS = (50, 90, 95, 99)

_BITS = 7  # so many are kept of a number, but for those that come after


def rounded(number: int) -> int:
    """The middle of the stretch that the number lies in; what is negative counts as nothing.

    >>> rounded(-5), rounded(127), rounded(128), rounded(1_234_567_890)
    (0, 127, 129, 1233125376)
    """
    number = min(max(number, 0), NUMBER_MAX)
    shift = max(0, number.bit_length() - _BITS)
    return (number >> shift << shift) + (1 << shift >> 1)


# ── the same as DuckDB's SQL: which stretch (`shift` and `kept`), to be grouped by, and its middle ────────────────────────

MIDDLE = "(kept << shift) + (1 << shift >> 1)"


def shifts(rows: str, column: str) -> str:
    """The rows with `shift` and `kept`. A logarithm that was rounded up is mended."""
    known = f"greatest(0, least({column}, {NUMBER_MAX}))"  # of nothing it would make a number
    numbers = f"SELECT *, CASE WHEN {column} IS NOT NULL THEN {known} END AS number FROM ({rows})"
    high = f"SELECT *, floor(log2(number | 1))::INTEGER AS high FROM ({numbers})"
    shift = f"greatest(0, high - (number < (1::BIGINT << high))::INTEGER - {_BITS - 1})::BIGINT"
    return f"SELECT *, number >> shift AS kept FROM (SELECT *, {shift} AS shift FROM ({high}))"


def percentiles(counted: Mapping[int, int], percents: Sequence[int] = PERCENTS) -> list[int | None]:
    """Of each of these, in rising order: the least of the counted values that so many percent of them don't exceed.

    >>> percentiles({10: 1, 20: 1, 30: 2}, [50, 99]), percentiles({10: 99, 70: 1}, [99]), percentiles({}, [50])
    ([20, 30], [10], [None])
    """
    total, passed = sum(counted.values()), 0
    wanted = [-(-total * percent // 100) for percent in percents]
    found: list[int | None] = []
    for value in sorted(counted):
        passed += counted[value]
        while len(found) < len(wanted) and passed >= wanted[len(found)]:
            found.append(value)
    return found or [None] * len(wanted)
