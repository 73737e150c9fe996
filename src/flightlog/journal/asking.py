"""Conditions as SQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, ColumnElement, and_, false, literal, not_, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from flightlog.journal.condition import Condition


class any_case_like(GenericFunction[bool]):  # noqa: N801 - named as SQL would
    """LIKE for letters in any case, where a backslash makes the next character itself."""

    type = Boolean()
    inherit_cache = True


@compiles(any_case_like)
def _(element: Any, compiler: Any, **given: Any) -> str:
    text, pattern = (compiler.process(clause, **given) for clause in element.clauses)
    return rf"lower({text}) LIKE lower({pattern}) ESCAPE '\'"


@compiles(any_case_like, "sqlite")
def _(element: Any, compiler: Any, **given: Any) -> str:
    # Its LIKE takes letters in any case by itself, and twice as fast as over lower().
    text, pattern = (compiler.process(clause, **given) for clause in element.clauses)
    return rf"{text} LIKE {pattern} ESCAPE '\'"


class has_part(GenericFunction[bool]):  # noqa: N801
    """Whether the second text is a part of the first, as it is written."""

    type = Boolean()
    inherit_cache = True


@compiles(has_part)
def _(element: Any, compiler: Any, **given: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **given)}) > 0"


@compiles(has_part, "sqlite")
def _(element: Any, compiler: Any, **given: Any) -> str:
    return f"instr({compiler.process(element.clauses, **given)}) > 0"


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
    return any_case_like(column, literal(like_text(pattern)))


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
