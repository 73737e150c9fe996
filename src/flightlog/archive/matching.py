"""What an event filter asks, of columns that were read from an archive file; the same answers as `journal.plan.holds` gives in SQL.

Imports pyarrow: only what reads archived rows imports this module.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import pyarrow
import pyarrow.compute as compute

from flightlog.journal.condition import Condition
from flightlog.journal.filter import EventFilter

ONE = ("project", "run_id", "trace_id", "span_id", "task_id", "correlation_id", "name")
MANY = {"types": "type", "levels": "level", "sources": "source", "actors": "actor", "statuses": "status"}


def columns_of(wanted: EventFilter) -> list[str]:
    """The columns that have to be read to decide, but for `id`."""
    names = [name for name in ONE if getattr(wanted, name) is not None]
    names += [name for field, name in MANY.items() if getattr(wanted, field)]
    if wanted.since is not None or wanted.until is not None:
        names.append("created_at")
    return list(dict.fromkeys([*names, *(condition.field for condition in wanted.also)]))


def values_of(wanted: EventFilter) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Columns that have to have one of a few values, with these values."""
    for name in ONE:
        if (value := getattr(wanted, name)) is not None:
            yield name, (value,)
    for field, name in MANY.items():
        if values := getattr(wanted, field):
            yield name, values
    for condition in wanted.also:
        plain = not condition.patterns and condition.low is None and condition.high is None
        if plain and condition.values and not condition.negated and condition.field != "duration_ns":
            yield condition.field, condition.values


def mask_of(columns: Mapping[str, pyarrow.Array], wanted: EventFilter) -> pyarrow.BooleanArray | None:
    """Which rows pass; None where all do."""
    parts = [compute.equal(columns[name], value) for name in ONE if (value := getattr(wanted, name)) is not None]
    for field, name in MANY.items():
        if values := getattr(wanted, field):
            parts.append(compute.is_in(columns[name], value_set=pyarrow.array(values, type=pyarrow.string())))
    if wanted.since is not None:
        parts.append(compute.greater_equal(columns["created_at"], wanted.since))
    if wanted.until is not None:
        parts.append(compute.less(columns["created_at"], wanted.until))
    parts += [_asked(columns[condition.field], condition) for condition in wanted.also]
    if not parts:
        return None
    whole = parts[0]
    for part in parts[1:]:
        whole = compute.and_kleene(whole, part)
    return compute.fill_null(whole, False)


def _asked(column: pyarrow.Array, wanted: Condition) -> pyarrow.BooleanArray:
    """The condition, as `journal.asking.is_asked` has it: rows without a value pass only what is negated."""
    found = None
    for part in _alternatives(column, wanted):
        found = part if found is None else compute.or_kleene(found, part)
    if found is None:
        found = pyarrow.repeat(pyarrow.scalar(False), len(column))
    return compute.fill_null(compute.invert(found), True) if wanted.negated else compute.fill_null(found, False)


def _alternatives(column: pyarrow.Array, wanted: Condition) -> Iterator[pyarrow.BooleanArray]:
    """Nulls stay nulls: they are neither like something nor unlike it."""
    text = column if pyarrow.types.is_string(column.type) else column.cast(pyarrow.string())
    if wanted.values:
        found = compute.is_in(text, value_set=pyarrow.array(wanted.values, type=pyarrow.string()))
        yield compute.if_else(compute.is_valid(text), found, None)
    for pattern in wanted.patterns:
        yield _like(text, pattern)
    if wanted.low is not None or wanted.high is not None:
        yield _between(column, wanted)


def _like(text: pyarrow.Array, pattern: str) -> pyarrow.BooleanArray:
    """In SQLite's way, where A and a are one letter and Ä and ä are two: each different text is looked at once."""
    different = text.dictionary_encode()
    likes = _pattern(pattern)
    said = [likes.fullmatch(value) is not None for value in different.dictionary.to_pylist()]
    return pyarrow.array(said, type=pyarrow.bool_()).take(different.indices)


@lru_cache(maxsize=64)
def _pattern(pattern: str) -> re.Pattern[str]:
    pieces = (re.escape(piece) for piece in pattern.split("*"))
    return re.compile(".*".join(pieces), re.ASCII | re.IGNORECASE | re.DOTALL)


def _between(column: pyarrow.Array, wanted: Condition) -> pyarrow.BooleanArray:
    found = compute.if_else(compute.is_valid(column), True, None)
    for bound, is_open, is_low in ((wanted.low, wanted.low_open, True), (wanted.high, wanted.high_open, False)):
        if bound is None:
            continue
        if isinstance(bound, float) and math.isfinite(bound) and bound != int(bound):
            # Between two whole numbers: an open bound is none, and no number is made a float for it.
            bound, is_open = (math.ceil(bound) if is_low else math.floor(bound)), False
        elif isinstance(bound, float) and math.isfinite(bound):
            bound = int(bound)
        found = compute.and_kleene(found, _compared(column, bound, is_low, is_open))
    return found


def _compared(column: pyarrow.Array, bound: Any, is_low: bool, is_open: bool) -> pyarrow.BooleanArray:
    if isinstance(bound, int) and not -(2**63) <= bound < 2**63:
        passes = bound < 0 if is_low else bound > 0
        return compute.if_else(compute.is_valid(column), passes, None)
    if is_low:
        return compute.greater(column, bound) if is_open else compute.greater_equal(column, bound)
    return compute.less(column, bound) if is_open else compute.less_equal(column, bound)
