"""Conditions as SQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, not_, or_

from flightlog.journal.condition import Condition


def is_asked(column: ColumnElement[Any], wanted: Condition) -> ColumnElement[bool]:
    """The condition on a column of text or numbers."""
    made: list[ColumnElement[bool]] = []
    if wanted.values:
        made.append(column == wanted.values[0] if len(wanted.values) == 1 else column.in_(wanted.values))
    made.extend(is_like(column, pattern) for pattern in wanted.patterns)
    bounds = _bounds(column, wanted)
    if bounds:
        made.append(and_(*bounds))
    return unless(or_(*made) if made else false(), wanted.negated, column)


def is_like(column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    """Whether the text is like the pattern; a star is any text, letters match in any case."""
    return func.lower(column).like(like_text(pattern.lower()), escape="\\")


def like_text(pattern: str) -> str:
    r"""The pattern as LIKE writes it.

    >>> like_text("gpt_4*")
    'gpt\\_4%'
    """
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%")


def unless(found: ColumnElement[bool], negated: bool, column: ColumnElement[Any]) -> ColumnElement[bool]:
    """The condition, or its opposite, which rows without a value pass."""
    return or_(column.is_(None), not_(found)) if negated else found


def _bounds(column: ColumnElement[Any], wanted: Condition) -> list[ColumnElement[bool]]:
    made: list[ColumnElement[bool]] = []
    if wanted.low is not None:
        made.append(column > wanted.low if wanted.low_open else column >= wanted.low)
    if wanted.high is not None:
        made.append(column < wanted.high if wanted.high_open else column <= wanted.high)
    return made
