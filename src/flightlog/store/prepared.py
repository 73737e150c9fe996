"""Statements that are run with every event or task: written out once, then handed to the driver as text and values.

SQLAlchemy takes ten times as long as the database for a statement that touches one row, most of it for working out anew what the
statement is. Statements that are built as they go stay with it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Dialect
from sqlalchemy.sql import ClauseElement

from flightlog.store.contract import Tx


class _Text(NamedTuple):
    """What the driver is handed. `names` are the values in the order of the marks; None where they are named in the text."""

    sql: str
    fixed: dict[str, Any]
    names: tuple[str, ...] | None


class Prepared:
    """One statement with `bindparam`s. Its values are those that the driver takes as they are: text, numbers, bytes, None."""

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._texts: dict[str, _Text] = {}

    def run(self, tx: Tx, **values: Any) -> Any:
        """The driver's cursor after the statement: `rowcount`, `fetchone()` and `fetchall()` are the same on all databases."""
        dialect = tx.sql.dialect
        known = self._texts.get(dialect.name)
        if known is None:
            known = self._texts[dialect.name] = _written(self._statement, dialect)
        said = {**known.fixed, **values} if known.fixed else values
        return tx.driver.execute(known.sql, said if known.names is None else [said[name] for name in known.names])


def _written(statement: ClauseElement, dialect: Dialect) -> _Text:
    made: Any = statement.compile(dialect=dialect)
    fixed = {name: value for name, value in made.params.items() if value is not None}
    return _Text(str(made), fixed, tuple(made.positiontup) if made.positional else None)
