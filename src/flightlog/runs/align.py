"""Two sequences of steps, side by side.

Steps that occur once on either side and say the same are the anchors (patience diff, as Bram Cohen described it); between
two anchors a small table finds the longest common sequence, and where a stretch is too long for a table, equal keys are
taken in order. So the work grows with the number of steps, not with its square.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple

CELLS_MAX = 40_000  # of the table for one stretch
JUMP_MAX = 200  # how far a key is looked for in a long stretch, so that one match does not skip half of the other side

Key = Hashable


class Pair(NamedTuple):
    """A place on the left and one on the right; None where the other side has nothing."""

    left: int | None
    right: int | None


class Work:
    """How much was compared, for who wants to see that it does not explode."""

    def __init__(self) -> None:
        self.cells = 0


def align(
    left: Sequence[Key], right: Sequence[Key], exact_left: Sequence[Key], exact_right: Sequence[Key], work: Work
) -> list[Pair]:
    """Every place of both sides once, in order. Only equal keys are paired; equal exact keys anchor.

    >>> [tuple(pair) for pair in align("abc", "axc", "abc", "axc", Work())]
    [(0, 0), (1, None), (None, 1), (2, 2)]
    """
    made: list[Pair] = []
    x = y = 0
    for i, j in [*_anchors(exact_left, exact_right), (len(left), len(right))]:
        made.extend(_between(left, right, x, i, y, j, work))
        if i < len(left):
            made.append(Pair(i, j))
        x, y = i + 1, j + 1
    return made


def _anchors(left: Sequence[Key], right: Sequence[Key]) -> list[tuple[int, int]]:
    """Pairs of keys that are unique on both sides, as many as keep their order."""
    once_left, once_right = _places_of_unique(left), _places_of_unique(right)
    pairs = [(place, once_right[key]) for key, place in once_left.items() if key in once_right]
    return _rising(sorted(pairs))


def _places_of_unique(keys: Sequence[Key]) -> dict[Key, int]:
    counted = Counter(keys)
    return {key: place for place, key in enumerate(keys) if counted[key] == 1}


def _rising(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest subsequence whose right places rise."""
    tops: list[int] = []
    chosen: list[int] = []
    before: list[int] = []
    for number, (_, right) in enumerate(pairs):
        pile = bisect_left(tops, right)
        before.append(chosen[pile - 1] if pile else -1)
        if pile == len(tops):
            tops.append(right)
            chosen.append(number)
        else:
            tops[pile] = right
            chosen[pile] = number
    made: list[tuple[int, int]] = []
    at = chosen[-1] if chosen else -1
    while at >= 0:
        made.append(pairs[at])
        at = before[at]
    return made[::-1]


def _between(
    left: Sequence[Key], right: Sequence[Key], x: int, x_end: int, y: int, y_end: int, work: Work
) -> list[Pair]:
    head: list[Pair] = []
    while x < x_end and y < y_end and left[x] == right[y]:
        head.append(Pair(x, y))
        x, y = x + 1, y + 1
    tail: list[Pair] = []
    while x < x_end and y < y_end and left[x_end - 1] == right[y_end - 1]:
        x_end, y_end = x_end - 1, y_end - 1
        tail.append(Pair(x_end, y_end))
    work.cells += len(head) + len(tail)
    if (x_end - x) * (y_end - y) <= CELLS_MAX:
        matched = _common(left, right, x, x_end, y, y_end, work)
    else:
        matched = _in_order(left, right, x, x_end, y, y_end, work)
    return [*head, *_filled(matched, x, x_end, y, y_end), *reversed(tail)]


def _common(
    left: Sequence[Key], right: Sequence[Key], x: int, x_end: int, y: int, y_end: int, work: Work
) -> list[tuple[int, int]]:
    """The longest common sequence, by the usual table."""
    wide, high = y_end - y, x_end - x
    work.cells += wide * high
    table = [[0] * (wide + 1) for _ in range(high + 1)]
    for i in range(high - 1, -1, -1):
        row, below = table[i], table[i + 1]
        for j in range(wide - 1, -1, -1):
            row[j] = below[j + 1] + 1 if left[x + i] == right[y + j] else max(below[j], row[j + 1])
    made: list[tuple[int, int]] = []
    i = j = 0
    while i < high and j < wide:
        if left[x + i] == right[y + j]:
            made.append((x + i, y + j))
            i, j = i + 1, j + 1
        elif table[i + 1][j] >= table[i][j + 1]:
            i += 1
        else:
            j += 1
    return made


def _in_order(
    left: Sequence[Key], right: Sequence[Key], x: int, x_end: int, y: int, y_end: int, work: Work
) -> list[tuple[int, int]]:
    """Each left step with the next right one of its key, if one is near."""
    places: dict[Key, list[int]] = {}
    for j in range(y, y_end):
        places.setdefault(right[j], []).append(j)
    made: list[tuple[int, int]] = []
    at = y
    for i in range(x, x_end):
        work.cells += 1
        found = places.get(left[i], [])
        next_ = bisect_left(found, at)
        if next_ < len(found) and found[next_] - at <= JUMP_MAX:
            made.append((i, found[next_]))
            at = found[next_] + 1
    return made


def _filled(matched: list[tuple[int, int]], x: int, x_end: int, y: int, y_end: int) -> list[Pair]:
    """The matches with what lies between them, the left before the right."""
    made: list[Pair] = []
    for i, j in [*matched, (x_end, y_end)]:
        made.extend(Pair(n, None) for n in range(x, i))
        made.extend(Pair(None, n) for n in range(y, j))
        if i < x_end:
            made.append(Pair(i, j))
        x, y = i + 1, j + 1
    return made
