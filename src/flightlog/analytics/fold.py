"""Numbers that were counted in parts, put together: groups in their order, all others as one, buckets, rates, percentiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from flightlog.analytics.question import Question
from flightlog.analytics.rounding import percentiles, rounded
from flightlog.analytics.sql import OTHERS, PART
from flightlog.analytics.subjects import Number, Rate
from flightlog.runs.fold import INT64_MAX, NANO

Key = str | None  # of a group: "=" and its value


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """How many values there are, and the percentiles of them, each at most 0.8 % off."""

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
        self._sums: dict[Key, dict[int, list[int]]] = {}
        self._spreads: dict[str, dict[Key, dict[int, Counter[int]]]] = {
            one.name: {} for one in question.numbers if one.kind == "spread"
        }
        self._plain = [one for one in question.numbers if one.kind != "spread"]
        self._widths = [2 if one.kind == "sum" else 1 for one in self._plain]

    def take_sums(self, rows: Iterable[Sequence[Any]]) -> None:
        """Rows of key, bucket and numbers."""
        for key, bucket, *parts in rows:
            held = self._sums.setdefault(key, {}).setdefault(bucket, [0] * len(self._plain))
            at = 0
            for place, width in enumerate(self._widths):
                given = parts[at] or 0
                held[place] += int(given) if width == 1 else int(given) * PART + int(parts[at + 1] or 0)
                at += width

    def take_values(self, number: Number, rows: Iterable[Sequence[Any]]) -> None:
        """Rows of key, bucket and value."""
        counted = Counter((key, bucket, rounded(value)) for key, bucket, value in rows)
        self.take_spread(number, ((*place, count) for place, count in counted.items()))

    def take_spread(self, number: Number, rows: Iterable[Sequence[Any]]) -> None:
        """Rows of key, bucket, value and how many."""
        cells = self._spreads[number.name]
        for key, bucket, value, count in rows:
            try:
                cell = cells[key][bucket]
            except KeyError:
                cell = cells.setdefault(key, {}).setdefault(bucket, Counter())
            cell[value] = cell.get(value, 0) + count

    def first_sums(self) -> list[tuple[Any, ...]]:
        """What was counted of the number that groups are sorted by, as rows that another fold takes."""
        wide = self._widths[0] == 2
        every = ((key, held[0]) for key, buckets in self._sums.items() for held in buckets.values())
        return [(key, 0, *divmod(first, PART)) if wide else (key, 0, first) for key, first in every]

    def keys(self) -> list[Key]:
        """Those that were counted, those with the most of what is sorted by first."""
        totals = {key: sum(held[0] for held in buckets.values()) for key, buckets in self._sums.items()}
        totals.pop(OTHERS, None)
        return sorted(totals, key=lambda key: (-totals[key], key is None, key or ""))

    def put_together(self, chosen: Sequence[Key], values: int) -> tuple[Part, list[Group], Others | None]:
        """All of it, the groups of these keys, and the others, of which there are `values` values in all."""
        total = self._part([*self._sums, OTHERS])
        if self._question.by is None:
            return total, [], None
        groups = [Group(None if key is None else key[1:], self._part([key])) for key in chosen]
        rest = self._sums.keys() - set(chosen)
        if not rest:
            return total, groups, None
        # Times of the others may have been counted as one already where the rest was not.
        others = Others(max(values - len(chosen), len(rest - {OTHERS})), self._part([*rest, OTHERS]))
        return total, groups, others

    def _part(self, keys: Sequence[Key]) -> Part:
        """The numbers of these keys together."""
        sums: dict[int, list[int]] = {}
        for key in dict.fromkeys(keys):
            for bucket, held in self._sums.get(key, {}).items():
                sums[bucket] = [a + b for a, b in zip(sums[bucket], held, strict=True)] if bucket in sums else held
        whole = [sum(each) for each in zip(*sums.values(), strict=True)] or [0] * len(self._plain)
        spreads = {name: _together(cells, keys) for name, cells in self._spreads.items()}
        every = {name: _together({None: by_bucket}, [None], whole=True) for name, by_bucket in spreads.items()}
        numbers = self._numbers(whole, {name: by_bucket.get(0, Counter()) for name, by_bucket in every.items()})
        width = self._question.width
        if width is None:
            return Part(numbers)
        nothing = [0] * len(self._plain)
        each = [
            self._numbers(
                sums.get(place, nothing), {name: found.get(place, Counter()) for name, found in spreads.items()}
            )
            for place in range(self._question.since // width, self._question.until // width)
        ]
        return Part(numbers, {name: [one[name] for one in each] for name in numbers})

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


def _together(
    cells: dict[Key, dict[int, Counter[int]]], keys: Sequence[Key], *, whole: bool = False
) -> dict[int, Counter[int]]:
    """What was counted of these keys by bucket; as `whole` all in bucket 0. What is alone is not copied."""
    found: dict[int, Counter[int]] = {}
    own: set[int] = set()
    for key in dict.fromkeys(keys):
        for bucket, cell in cells.get(key, {}).items():
            place = 0 if whole else bucket
            if place not in found:
                found[place] = cell
                continue
            if place not in own:
                found[place] = Counter(found[place])
                own.add(place)
            found[place].update(cell)
    return found


def _spread_of(counted: Counter[int]) -> Spread:
    p50, p90, p95, p99 = percentiles(counted)
    return Spread(count=sum(counted.values()), p50=p50, p90=p90, p95=p95, p99=p99)


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
