"""From an answer of DuckDB to bytes: JSON, CSV, Parquet or an Arrow stream, cut where a limit says so."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

ROWS_A_BATCH = 2_048
GROUP_ROWS = 100_000

# What JSON has a form for, by the beginning of DuckDB's name of the type. JSON itself goes in as it is; all else as text.
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT", "UHUGEINT",
            "FLOAT", "DOUBLE", "DECIMAL")  # fmt: skip
_AS_IS = (*_NUMBERS, "VARCHAR", "BOOLEAN", "UUID", '"NULL"', "NULL", "ENUM")
_NESTED = ("STRUCT", "MAP", "UNION", "VARIANT")
# What Parquet and Arrow's other readers have no form for.
_NO_COLUMN = ("INTERVAL", "BIT", "UNION", "VARIANT", "TIME WITH TIME ZONE", '"NULL"', "NULL", "BIGNUM", "GEOMETRY")

_json = msgspec.json.Encoder(decimal_format="number")


class Written(NamedTuple):
    """How many rows were written, and which limit cut the rest off: rows, bytes or None."""

    rows: int
    cut: str | None


def projection(types: Sequence[str], form: str) -> str:
    """The columns of an answer in a shape that the form has, as DuckDB takes them, by place."""
    return ", ".join(_expression(place, kind, form) for place, kind in enumerate(types, 1))


def _expression(place: int, kind: str, form: str) -> str:
    column = f"#{place}"
    if form in ("parquet", "arrow"):
        return f"{column}::VARCHAR AS c{place}" if kind.startswith(_NO_COLUMN) else f"{column} AS c{place}"
    if kind == "JSON" or (kind.startswith(_AS_IS) and not kind.endswith("]")):
        return f"{column} AS c{place}"
    if kind.startswith(_NESTED) or kind.endswith("]"):
        return f"to_json({column})::VARCHAR AS c{place}"
    return f"{column}::VARCHAR AS c{place}"


def is_json(kind: str) -> bool:
    """Whether a column of this type arrives as JSON text from `projection`, for JSON and CSV."""
    return kind == "JSON" or kind.startswith(_NESTED) or kind.endswith("]")


def write(
    reader: pa.RecordBatchReader,
    columns: Sequence[tuple[str, str]],
    form: str,
    out: BinaryIO,
    *,
    rows_max: int,
    bytes_max: int,
) -> Written:
    """Write the rows of `reader`, whose columns (name, type) these are, at most so many rows and bytes of them."""
    writer = _WRITERS[form](columns, out)
    rows, size, cut = 0, 0, None
    for batch in reader:
        for piece in _pieces(batch):
            left = rows_max - rows
            if piece.num_rows > left:
                piece, cut = piece.slice(0, left), "rows"
            took = writer.take(piece, bytes_max - size)
            rows, size = rows + took.rows, size + took.bytes
            if took.rows < piece.num_rows:
                cut = "bytes"
            if cut is not None:
                break
        if cut is not None:
            break
    writer.finish(rows, cut)
    return Written(rows, cut)


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    for start in range(0, batch.num_rows, ROWS_A_BATCH):
        yield batch.slice(start, ROWS_A_BATCH)


class _Took(NamedTuple):
    rows: int
    bytes: int


class _Lines:
    """What writers of text share: rows are made into lines, and as many are taken as there is room for."""

    def __init__(self, columns: Sequence[tuple[str, str]], out: BinaryIO) -> None:
        self._columns, self._out, self._first = columns, out, True

    def take(self, batch: pa.RecordBatch, room: int) -> _Took:
        if _too_large(batch, room):
            batch = _fitting(batch, room)
        # What is made of a value is at least about as long as the value.
        lines = list(self._lines(batch))
        size, kept = 0, 0
        for line in lines:
            if size + len(line) > room:
                break
            size, kept = size + len(line), kept + 1
        self._out.write(b"".join(lines[:kept]))
        return _Took(kept, size)

    def _lines(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        raise NotImplementedError

    def finish(self, rows: int, cut: str | None) -> None:
        """Write what comes after the rows."""


class _Json(_Lines):
    """`{"columns": [{"name", "type"}], "rows": [[…]], "row_count", "cut"}`."""

    def __init__(self, columns: Sequence[tuple[str, str]], out: BinaryIO) -> None:
        super().__init__(columns, out)
        self._raw = [is_json(kind) for _, kind in columns]
        heads = [{"name": name, "type": kind} for name, kind in columns]
        out.write(b'{"columns":' + _json.encode(heads) + b',"rows":[')

    def _lines(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        values = [
            [None if value is None else msgspec.Raw(value.encode()) for value in column.to_pylist()] if raw else column.to_pylist()
            for column, raw in zip(batch.columns, self._raw, strict=True)
        ]  # fmt: skip
        for row in zip(*values, strict=True):
            yield (b"\n" if self._first else b",\n") + _json.encode(row)
            self._first = False

    def finish(self, rows: int, cut: str | None) -> None:
        self._out.write(b'\n],"row_count":' + _json.encode(rows) + b',"cut":' + _json.encode(cut) + b"}\n")


class _Csv(_Lines):
    """A head, then a line a row (RFC 4180); null is an empty field and an empty text is `""`."""

    def __init__(self, columns: Sequence[tuple[str, str]], out: BinaryIO) -> None:
        super().__init__(columns, out)
        self._text = io.StringIO()
        self._writer = csv.writer(self._text, lineterminator="\r\n")
        out.write(self._line([name for name, _ in columns]))

    def _line(self, values: Sequence[Any]) -> bytes:
        self._text.seek(0)
        self._text.truncate()
        self._writer.writerow(values)
        return self._text.getvalue().encode()

    def _lines(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        columns = [_words(column.to_pylist()) for column in batch.columns]
        for row in zip(*columns, strict=True):
            yield self._line(row)


def _words(values: list[Any]) -> list[Any]:
    if values and any(isinstance(value, bool) for value in values):
        return [None if value is None else str(value).lower() for value in values]
    return values


class _Columns:
    """What writers of columns share: the batches go in as they are, under the names of the answer."""

    def __init__(self, columns: Sequence[tuple[str, str]], out: BinaryIO) -> None:
        self._names, self._out = _unique([name for name, _ in columns]), out
        self._writer: Any = None

    def take(self, batch: pa.RecordBatch, room: int) -> _Took:
        batch = _fitting(batch, room)
        named = pa.RecordBatch.from_arrays(batch.columns, names=self._names)
        if self._writer is None:
            self._writer = self._open(named.schema)
        if batch.num_rows:
            self._writer.write_batch(named)
        return _Took(batch.num_rows, batch.nbytes)

    def _open(self, schema: pa.Schema) -> Any:
        raise NotImplementedError

    def finish(self, rows: int, cut: str | None) -> None:
        """Write what comes after the rows."""
        if self._writer is None:
            self._writer = self._open(pa.schema([pa.field(name, pa.string()) for name in self._names]))
        self._writer.close()


class _Arrow(_Columns):
    """An Arrow IPC stream."""

    def _open(self, schema: pa.Schema) -> Any:
        return pyarrow.ipc.new_stream(self._out, schema)


class _Parquet(_Columns):
    """A Parquet file, zstd."""

    def __init__(self, columns: Sequence[tuple[str, str]], out: BinaryIO) -> None:
        super().__init__(columns, out)
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0

    def take(self, batch: pa.RecordBatch, room: int) -> _Took:
        batch = _fitting(batch, room)
        named = pa.RecordBatch.from_arrays(batch.columns, names=self._names)
        if self._writer is None:
            self._writer = self._open(named.schema)
        self._waiting.append(named)
        self._rows += named.num_rows
        if self._rows >= GROUP_ROWS:
            self._flush()
        return _Took(batch.num_rows, batch.nbytes)

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_batches(self._waiting))
        self._waiting, self._rows = [], 0

    def _open(self, schema: pa.Schema) -> Any:
        return pyarrow.parquet.ParquetWriter(self._out, schema, compression="zstd")

    def finish(self, rows: int, cut: str | None) -> None:
        if self._writer is not None:
            self._flush()
        super().finish(rows, cut)


_WRITERS: dict[str, Any] = {"json": _Json, "csv": _Csv, "parquet": _Parquet, "arrow": _Arrow}


def _too_large(batch: pa.RecordBatch, room: int) -> bool:
    return bool(batch.nbytes > room)


def _fitting(batch: pa.RecordBatch, room: int) -> pa.RecordBatch:
    """As many of the first rows as take up no more than so many bytes, or some fewer."""
    rows = batch.num_rows
    while rows and batch.slice(0, rows).nbytes > room:
        rows //= 2
    return batch.slice(0, rows)


def _unique(names: list[str]) -> list[str]:
    """The names, where one that comes again gets a number: a file of columns has no two of a name."""
    seen: dict[str, int] = {}
    made = []
    for name in names:
        count = seen[name] = seen.get(name, 0) + 1
        made.append(name if count == 1 else f"{name}_{count}")
    return made
