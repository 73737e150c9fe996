"""What is still in SQLite, as something that DuckDB reads column by column when a query wants it.

DuckDB asks an Arrow dataset for the columns and the rows that a query needs; ours answers with a SELECT of its own over the very
SQLite library that keeps the store, in one snapshot. Nothing is read that no query names.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.dataset

from flightlog.query.views import ARROW, Column, View

ROWS_A_BATCH = 8_192
_WORD = re.compile(r"\w+")
_TYPES = {
    "int64": pa.int64(),
    "string": pa.string(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "timestamp[us]": pa.timestamp("us"),
}

# Of an answer its generation, by the ids that one can have; only the first of them that there is holds the answer.
_JOIN_GENERATION = """
    LEFT JOIN generations g ON e.type = 'llm_response' AND g.answer_id = e.id AND g.generation_id IN (
        coalesce(e.run_id || '-', '') || e.correlation_id, coalesce(e.run_id || '-', '') || e.span_id,
        coalesce(e.run_id || '-', '') || e.event_id)
"""
_JOIN_PAYLOAD = " LEFT JOIN event_payloads p ON p.id = e.id"


def schema_of(view: View) -> pa.Schema:
    """The columns of a view as Arrow has them."""
    return pa.schema([pa.field(column.name, _TYPES[ARROW[column.type]]) for column in view.columns])


class Hot(pyarrow.dataset.Dataset):  # type: ignore[misc]
    """The rows of a view that are in SQLite."""

    def __init__(self, view: View, connection: sqlite3.Connection, after_id: int, lock: threading.Lock) -> None:
        self._view, self._connection, self._after_id, self._lock = view, connection, after_id, lock
        self._columns: dict[str, Column] = {column.name: column for column in view.columns}
        self._schema = schema_of(view)

    @property
    def schema(self) -> pa.Schema:
        """As `schema_of`."""
        return self._schema

    def scanner(self, columns: list[str] | None = None, filter: Any = None, **_: Any) -> _Scan:  # noqa: A002
        """What DuckDB calls: these columns of the rows that pass, in the order of the table."""
        names = list(self._schema.names if columns is None else columns)
        return _Scan(self, names, filter)

    def batches(self, names: list[str], filter_: Any) -> Iterator[pa.RecordBatch]:
        """The rows in pieces."""
        needed = list(names)
        if filter_ is not None:  # it may look at columns that nobody wants to see
            words = set(_WORD.findall(str(filter_)))
            needed += [name for name in self._schema.names if name in words and name not in names]
        schema = pa.schema([self._schema.field(name) for name in needed])
        with self._lock:
            cursor = self._connection.cursor()
            cursor.row_factory = None
            cursor.execute(self._select(needed), {"after": self._after_id} if self._view.archived else {})
        while True:
            with self._lock:
                rows = cursor.fetchmany(ROWS_A_BATCH)
            if not rows:
                return
            arrays = [_array(values, field.type) for values, field in zip(zip(*rows, strict=True), schema, strict=True)]
            batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
            if filter_ is not None:
                batch = batch.filter(filter_)
            yield batch.select(names) if len(needed) > len(names) else batch

    def _select(self, names: list[str]) -> str:
        expressions = [self._columns[name].hot for name in names] or ["1"]
        joins = ""
        if any("p." in one for one in expressions):
            joins += _JOIN_PAYLOAD
        if self._view.archived and any("g." in one for one in expressions):
            joins += _JOIN_GENERATION
        where = " WHERE e.id > :after" if self._view.archived else ""
        return f"SELECT {', '.join(expressions)} FROM {self._view.origin}{joins}{where}"  # noqa: S608 (our own words)


class _Scan:
    """One pass over the rows."""

    def __init__(self, hot: Hot, names: list[str], filter_: Any) -> None:
        self._hot, self._names, self._filter = hot, names, filter_

    def to_reader(self) -> pa.RecordBatchReader:
        """What DuckDB reads from."""
        schema = pa.schema([self._hot.schema.field(name) for name in self._names])
        return pa.RecordBatchReader.from_batches(schema, self._hot.batches(self._names, self._filter))


def _array(values: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    if kind == pa.bool_():
        return pa.array([None if value is None else bool(value) for value in values], kind)
    return pa.array(values, kind)
