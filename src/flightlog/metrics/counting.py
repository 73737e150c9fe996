"""Counters and histograms that cost what an addition costs. What Prometheus makes of them is made when it asks."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Mapping

Labels = tuple[str, ...]

# From a tenth of a millisecond, which a small append takes, to half a minute, which nobody waits.
SECONDS_BOUNDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
OTHER = "other"


class Counter:
    """A number for each set of labels. Beyond `sets_max` of them the rest are counted under `other`."""

    def __init__(self, sets_max: int = 1_000) -> None:
        self._sets_max = sets_max
        self._numbers: dict[Labels, float] = {}
        self._lock = threading.Lock()

    def add(self, number: float, *labels: str) -> None:
        """Add to the number of these labels."""
        with self._lock:
            self._add(labels, number)

    def add_all(self, numbers: Mapping[str, int]) -> None:
        """Add several that have one label each."""
        with self._lock:
            for label, number in numbers.items():
                self._add((label,), number)

    def _add(self, labels: Labels, number: float) -> None:
        known = self._numbers.get(labels)
        if known is None and len(self._numbers) >= self._sets_max:
            labels = (OTHER,) * len(labels)
            known = self._numbers.get(labels)
        self._numbers[labels] = (known or 0) + number

    def numbers(self) -> dict[Labels, float]:
        """All of them, as they are now."""
        with self._lock:
            return dict(self._numbers)


class Histogram:
    """How long things took, by labels, in buckets of seconds."""

    def __init__(self, bounds: tuple[float, ...] = SECONDS_BOUNDS, sets_max: int = 200) -> None:
        self.bounds = bounds
        self._sets_max = sets_max
        self._counts: dict[Labels, list[float]] = {}  # one number a bucket, then the sum
        self._lock = threading.Lock()

    def expect(self, *labels: str) -> None:
        """Have these labels there from the start."""
        with self._lock:
            self._of(labels)

    def take(self, seconds: float, *labels: str) -> None:
        """Count one."""
        place = bisect_left(self.bounds, seconds)
        with self._lock:
            counts = self._counts.get(labels) or self._of(labels)
            counts[place] += 1
            counts[-1] += seconds

    def _of(self, labels: Labels) -> list[float]:
        if labels not in self._counts and len(self._counts) >= self._sets_max:
            labels = (OTHER,) * len(labels)
        return self._counts.setdefault(labels, [0.0] * (len(self.bounds) + 2))

    def buckets(self) -> dict[Labels, tuple[list[tuple[str, float]], float]]:
        """For each set of labels the buckets as Prometheus has them, each holding those before it, and the sum."""
        with self._lock:
            counts = {labels: list(numbers) for labels, numbers in self._counts.items()}
        made = {}
        for labels, numbers in counts.items():
            total, buckets = 0.0, []
            for bound, number in zip((*map(str, self.bounds), "+Inf"), numbers[:-1], strict=True):
                total += number
                buckets.append((bound, total))
            made[labels] = (buckets, numbers[-1])
        return made
