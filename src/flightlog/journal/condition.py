"""One thing that is asked of a row, beyond the plain fields of a filter."""

from __future__ import annotations

import msgspec


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Holds where the field is one of `values`, is like one of `patterns` (`*` stands for any text, letters match in any
    case), or is a number from `low` to `high`. A row where the field is empty passes only what is `negated`.

    Numbers are in the field's own unit: nanoseconds for times and durations, dollars for cost. A bound that is `open` is not
    part of the range.
    """

    field: str
    values: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    low: float | int | None = None
    high: float | int | None = None
    low_open: bool = False
    high_open: bool = False
    negated: bool = False
