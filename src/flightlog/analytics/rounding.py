"""Durations rounded so that they can be counted: percentiles of what is rounded are those of what was, at most 1 % off.

A number below 100 is kept. Above, each power of ten has 175 stretches, none wider than 2 % of its beginning, and a number is
taken for the middle of its stretch. Whole numbers alone are calculated with, so SQLite, DuckDB and Python agree to the last digit,
and what was counted in parts can be added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ERROR_MAX = 0.01
_STEPS = ((100, 200, 2), (200, 400, 4), (400, 1000, 8))
_POWERS = 17  # as far as 64 bits go
PERCENTS = (50, 90, 95, 99)


def _stretches() -> list[tuple[int, int]]:
    """Where numbers of one width end, and the width."""
    made = [(100, 1)]
    made += [(last * 10**power, step * 10**power) for power in range(_POWERS) for _, last, step in _STEPS]
    return [(last, step) for last, step in made if last < 2**63]


_STRETCHES = _stretches()


def rounded(number: int) -> int:
    """The middle of the stretch that the number lies in; what is negative counts as nothing.

    >>> rounded(-5), rounded(99), rounded(101), rounded(1_234_567_890)
    (0, 99, 101, 1230000000)
    """
    if number <= 0:
        return 0
    step = next((step for last, step in _STRETCHES if number < last), _STRETCHES[-1][1])
    return number // step * step + step // 2


def rounded_sql(column: str, divide: str) -> str:
    """The same as SQL; `divide` is how the database writes a division without a rest."""

    def within(first: int, last: int) -> str:
        if last - first == 1:
            step = _STRETCHES[first][1]
            return column if step == 1 else f"{column} {divide} {step} * {step} + {step // 2}"
        middle = (first + last) // 2
        return f"CASE WHEN {column} < {_STRETCHES[middle - 1][0]} THEN {within(first, middle)} ELSE {within(middle, last)} END"

    return f"CASE WHEN {column} <= 0 THEN 0 ELSE {within(0, len(_STRETCHES))} END"


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
