"""Statements that are run with every event or task: written out once, then handed to the driver as text and values.

SQLAlchemy takes ten times as long as the database for a statement that touches one row, most of it for working out anew what the
statement is. Statements that are built as they go stay with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Dialect, Text, bindparam
from sqlalchemy.sql import ClauseElement

from flightlog.store.contract import Tx


class _Text(NamedTuple):
    """What the driver is handed. `names` are the values in the order of the marks; None where they are named in the text."""

    sql: str
    fixed: dict[str, Any]
    names: tuple[str, ...] | None

    def values(self, given: dict[str, Any]) -> Any:
        said = {**self.fixed, **given} if self.fixed else given
        return said if self.names is None else [said[name] for name in self.names]


class Prepared:
    """One statement with `bindparam`s. Its values are those that the driver takes as they are: text, numbers, bytes, None."""

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._texts: dict[str, _Text] = {}

    def run(self, tx: Tx, **values: Any) -> Any:
        """The driver's cursor after the statement: `rowcount`, `fetchone()` and `fetchall()` are the same on all databases."""
        text = self._text(tx)
        return tx.driver.execute(text.sql, text.values(values))

    def run_many(self, tx: Tx, rows: Sequence[dict[str, Any]]) -> int:
        """The same for each of the rows, in one go where the database has a way for that: how many rows were touched."""
        text = self._text(tx)
        cursor = tx.driver.cursor()
        cursor.executemany(text.sql, [text.values(values) for values in rows])
        return int(cursor.rowcount)

    def _text(self, tx: Tx) -> _Text:
        dialect = tx.sql.dialect
        known = self._texts.get(dialect.name)
        if known is None:
            known = self._texts[dialect.name] = _written(self._statement, dialect)
        return known


Marks = Sequence[BindParameter[str]]
LENGTHS = (4, 16, 64, 256)


class Listed:
    """A query for a list of texts, as in `column.in_(…)`, whose rows do not depend on their order or on doubles.

    `make` writes the statement for so many texts. It is written out for a few lengths; a list is filled up to the next of them
    with its last text, and one that is longer than all is asked for in parts.
    """

    def __init__(self, make: Callable[[Marks], ClauseElement]) -> None:
        self._make = make
        self._prepared: dict[int, Prepared] = {}

    def rows(self, tx: Tx, values: Sequence[str]) -> list[tuple[Any, ...]]:
        """The rows for these texts; of each part its own, so a row that two texts find may come twice."""
        found: list[tuple[Any, ...]] = []
        for start in range(0, len(values), LENGTHS[-1]):
            some = values[start : start + LENGTHS[-1]]
            length = next(length for length in LENGTHS if length >= len(some))
            filled = [*some, *[some[-1]] * (length - len(some))]
            found += self._of(length).run(tx, **{f"text_{at}": text for at, text in enumerate(filled)}).fetchall()
        return found

    def _of(self, length: int) -> Prepared:
        known = self._prepared.get(length)
        if known is None:
            marks = [bindparam(f"text_{at}", type_=Text()) for at in range(length)]
            known = self._prepared[length] = Prepared(self._make(marks))
        return known


def _written(statement: ClauseElement, dialect: Dialect) -> _Text:
    made: Any = statement.compile(dialect=dialect)
    fixed = {name: value for name, value in made.params.items() if value is not None}
    return _Text(str(made), fixed, tuple(made.positiontup) if made.positional else None)
