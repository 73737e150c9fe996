"""Numbers that were counted in parts, put together: groups in their order, all others as one, buckets, rates, percentiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from flightlog.analytics.question import Question
from flightlog.analytics.rounding import PERCENTS, percentile
from flightlog.analytics.sql import OTHERS, PART
from flightlog.analytics.subjects import Number, Rate
from flightlog.runs.fold import INT64_MAX, NANO

Key = tuple[str | None, int]  # of a group, "=" and its value, and the number of the bucket


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """How many values there are, and the percentiles of them, each at most 1 % off."""

    count: int
    p50: int | None
    p90: int | None
    p95: int | None
    p99: int | None


class Part(msgspec.Struct, frozen=True):
    """Numbers by their names; with buckets, each as a list with one for each of them."""

    numbers: dict[str, Any]
    series: dict[str, list[Any]] | None = None


class Group(msgspec.Struct, frozen=True):
    """The numbers of one value; None where events have none."""

    value: str | None
    part: Part


class Others(msgspec.Struct, frozen=True):
    """All values that are in no group of their own, and how many they are."""

    values: int
    part: Part


class Fold:
    """Takes what was counted, in any order and from any number of places."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._sums: dict[Key, list[int]] = {}
        self._spreads: dict[str, dict[Key, Counter[int]]] = {
            one.name: {} for one in question.numbers if one.kind == "spread"
        }
        self._plain = [one for one in question.numbers if one.kind != "spread"]
        self._widths = [2 if one.kind == "sum" else 1 for one in self._plain]

    def take_sums(self, rows: Iterable[Sequence[Any]]) -> None:
        """Rows of key, bucket and numbers."""
        for key, bucket, *parts in rows:
            held = self._sums.setdefault((key, bucket), [0] * len(self._plain))
            at = 0
            for place, width in enumerate(self._widths):
                given = parts[at] or 0
                held[place] += int(given) if width == 1 else int(given) * PART + int(parts[at + 1] or 0)
                at += width

    def take_spread(self, number: Number, rows: Iterable[Sequence[Any]]) -> None:
        """Rows of key, bucket, value and how many."""
        cells = self._spreads[number.name]
        for key, bucket, value, count in rows:
            cell = cells.get((key, bucket))
            if cell is None:
                cell = cells[key, bucket] = Counter()
            cell[value] += count

    def first_sums(self) -> list[tuple[Any, ...]]:
        """What was counted of the number that groups are sorted by, as rows that another fold takes."""
        wide = self._widths[0] == 2
        return [
            (key, 0, *divmod(held[0], PART)) if wide else (key, 0, held[0]) for (key, _), held in self._sums.items()
        ]

    def keys(self) -> list[str | None]:
        """Those that were counted, those with the most of what is sorted by first."""
        totals: dict[str | None, int] = {}
        for (key, _), held in self._sums.items():
            totals[key] = totals.get(key, 0) + held[0]
        totals.pop(OTHERS, None)
        return sorted(totals, key=lambda key: (-totals[key], key is None, key or ""))

    def put_together(self, chosen: Sequence[str | None], values: int) -> tuple[Part, list[Group], Others | None]:
        """All of it, the groups of these keys, and the others, of which there are `values` values in all."""
        own = set(chosen)
        total = self._part(None)
        if self._question.by is None:
            return total, [], None
        groups = [Group(None if key is None else key[1:], self._part({key})) for key in chosen]
        rest = {key for key, _ in self._sums if key not in own}
        if not rest:
            return total, groups, None
        # Times of the others may have been counted as one already where the rest was not.
        others = Others(max(values - len(chosen), len(rest - {OTHERS})), self._part(rest | {OTHERS}))
        return total, groups, others

    def _part(self, keys: set[str | None] | None) -> Part:
        """The numbers of these keys, or of all."""
        places = self._places()
        sums: dict[int, list[int]] = {place: [0] * len(self._plain) for place in places}
        whole = [0] * len(self._plain)
        for (key, bucket), held in self._sums.items():
            if keys is None or key in keys:
                _add(whole, held)
                if bucket in sums:
                    _add(sums[bucket], held)
        spreads = {name: self._spread(cells, keys) for name, cells in self._spreads.items()}
        numbers = self._numbers(whole, {name: both[0] for name, both in spreads.items()})
        if self._question.width is None:
            return Part(numbers)
        each = [
            self._numbers(sums[place], {name: both[1].get(place, Counter()) for name, both in spreads.items()})
            for place in places
        ]
        return Part(numbers, {name: [one[name] for one in each] for name in numbers})

    def _places(self) -> range:
        width = self._question.width
        return range(1) if width is None else range(self._question.since // width, self._question.until // width)

    def _spread(
        self, cells: dict[Key, Counter[int]], keys: set[str | None] | None
    ) -> tuple[Counter[int], dict[int, Counter[int]]]:
        whole: Counter[int] = Counter()
        by_bucket: dict[int, Counter[int]] = {}
        for (key, bucket), cell in cells.items():
            if keys is None or key in keys:
                whole.update(cell)
                by_bucket.setdefault(bucket, Counter()).update(cell)
        return whole, by_bucket

    def _numbers(self, sums: list[int], spreads: dict[str, Counter[int]]) -> dict[str, Any]:
        held = {one.name: value for one, value in zip(self._plain, sums, strict=True)}
        made: dict[str, Any] = {}
        for measure in self._question.measures:
            for one in self._question.subject.measures[measure]:
                if isinstance(one, Rate):
                    made[one.name] = held[one.part] / held[one.whole] if held[one.whole] else None
                elif one.kind == "spread":
                    made[one.name] = _spread_of(spreads[one.name])
                else:
                    made[one.name] = held[one.name]
        return _shown(made)


def _add(total: list[int], more: list[int]) -> None:
    for place, value in enumerate(more):
        total[place] += value


def _spread_of(counted: Counter[int]) -> Spread:
    values = {f"p{percent}": percentile(counted, percent) for percent in PERCENTS}
    return Spread(count=sum(counted.values()), **values)


def _shown(numbers: dict[str, Any]) -> dict[str, Any]:
    """With money in dollars and scores as they were given."""
    made: dict[str, Any] = {}
    for name, value in numbers.items():
        if name == "cost_nano_usd":
            made["cost_usd"] = value / NANO
        elif name == "score_millionths":
            made["score_average"] = value / 1e6 / numbers["scores"] if numbers["scores"] else None
        else:
            made[name] = min(value, INT64_MAX) if isinstance(value, int) else value
    return made
