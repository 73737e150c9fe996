"""Rows of the journal's tables as an Arrow table with the columns of an archive file.

Read with a connection of its own, which hands text over as the bytes it is stored in; the rows of a closed range change no more
but for erasure and retention, and `journal.changes` tells of these.
"""

from __future__ import annotations

import gc
import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flightlog.archive.columns import GENERATION_COLUMNS, NAMES, STORED, TOOL_TYPES, generation_columns, schema

if TYPE_CHECKING:
    import pyarrow

ROWS_AT_ONCE = 1_024  # their values stay in the processor's cache on the way into columns
DAY_NS = 86_400 * 10**9
DATES_MAX = 100  # of created_at in one range: each becomes a file, and a clock that jumps must not make thousands

_NAMES = tuple(name for name, _ in STORED)
_DIGEST, _PAYLOAD, _BYTES = _NAMES.index("payload_digest"), _NAMES.index("payload"), _NAMES.index("payload_bytes")
_PROJECT, _CREATED = _NAMES.index("project"), _NAMES.index("created_at")
_ROWS = (
    f"SELECT {', '.join({'salt': 's.salt', 'payload': 'p.payload'}.get(name, f'e.{name}') for name in _NAMES)}"  # noqa: S608
    " FROM run_events AS e LEFT JOIN event_payloads AS p ON p.id = e.id LEFT JOIN seal_salts AS s ON s.id = e.id"
    " WHERE e.id > ? AND e.id <= ? ORDER BY e.id LIMIT ?"
)
_ANSWERS = (
    f"SELECT answer_id, {generation_columns('generations')} FROM generations"  # noqa: S608
    " WHERE answer_id >= ? AND answer_id <= ?"
)
_ANSWERS_OF = f"SELECT answer_id, {generation_columns('generations')} FROM generations WHERE answer_id IN"  # noqa: S608
_IDS_AT_ONCE = 500


@contextmanager
def open_rows(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection that reads the file of a store and can't change it, beside its writer."""
    connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA busy_timeout = 5000")
        connection.text_factory = bytes
        yield connection
    finally:
        connection.close()


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Rows make millions of objects and no circles; looking for some takes longer than the reading."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def read_range(
    connection: sqlite3.Connection, after_id: int, until_id: int, events_max: int, bytes_max: int
) -> tuple[pyarrow.Table, int]:
    """The rows after one id up to another as far as the limits allow, by rising id; and the id up to which that is.

    At least a row is read if there is one. `bytes_max` is of payloads. Imports pyarrow.
    """
    import pyarrow

    made, events, size, dates, reached = [], 0, 0, set[tuple[bytes, int]](), after_id
    fields = [schema().field(name) for name in _NAMES]
    with _no_garbage():
        while reached < until_id and events < events_max and size < bytes_max:
            asked = min(ROWS_AT_ONCE, events_max - events)
            rows = connection.execute(_ROWS, (reached, until_id, asked)).fetchall()
            kept = rows[: _until_full(rows, bytes_max - size, dates)]
            if kept:
                made.append(_batch(kept, fields))
                events, size = events + len(kept), size + sum(row[_BYTES] for row in kept)
                reached = kept[-1][0]
            if len(kept) < len(rows):
                break
            if len(rows) < asked:
                reached = until_id
    stored = pyarrow.Table.from_batches(made, schema=pyarrow.schema(fields))
    return with_typed(connection, stored), reached


def _until_full(rows: Sequence[tuple[Any, ...]], room: int, dates: set[tuple[bytes, int]]) -> int:
    """How many of these rows fit; the first of all always does."""
    for place, row in enumerate(rows):
        day = (row[_PROJECT], row[_CREATED] // DAY_NS)
        if day not in dates:
            if len(dates) >= DATES_MAX:
                return place
            dates.add(day)
        room -= row[_BYTES]
        if room <= 0:
            return place + 1
    return len(rows)


def _batch(rows: Sequence[tuple[Any, ...]], fields: Sequence[pyarrow.Field]) -> pyarrow.RecordBatch:
    import pyarrow

    columns = list(zip(*rows, strict=True))
    columns[_DIGEST] = tuple(
        None if payload is not None and hashlib.sha256(payload).digest() == digest else digest
        for payload, digest in zip(columns[_PAYLOAD], columns[_DIGEST], strict=True)
    )
    arrays = [
        pyarrow.array(values, type=field.type)
        if values.count(None) < len(values)
        else pyarrow.nulls(len(values), field.type)
        for values, field in zip(columns, fields, strict=True)
    ]
    return pyarrow.RecordBatch.from_arrays(arrays, schema=pyarrow.schema(list(fields)))


def with_typed(connection: sqlite3.Connection, stored: pyarrow.Table) -> pyarrow.Table:
    """A table of events with the typed columns as the generations have them now, whatever it had there before."""
    import pyarrow
    import pyarrow.compute as compute

    whole = schema()
    answers = _answers(connection, stored)
    place = compute.index_in(stored["id"], value_set=answers["answer_id"]) if len(answers) else None
    is_tool = compute.is_in(stored["type"], value_set=pyarrow.array(TOOL_TYPES))
    made = []
    for name in NAMES:
        if name == "tool":
            made.append(compute.if_else(is_tool, stored["name"], pyarrow.scalar(None, pyarrow.string())))
        elif name not in GENERATION_COLUMNS:
            made.append(stored[name])
        elif place is None:
            made.append(pyarrow.nulls(len(stored), whole.field(name).type))
        else:
            made.append(answers[name].take(place))
    return pyarrow.Table.from_arrays(made, schema=whole)


def _answers(connection: sqlite3.Connection, stored: pyarrow.Table) -> pyarrow.Table:
    """The generations whose answers are among these events."""
    import pyarrow
    import pyarrow.compute as compute

    is_answer = compute.equal(stored["type"], "llm_response")
    ids = stored["id"].filter(is_answer).to_pylist()
    if ids and max(ids) - min(ids) < len(stored) * 4:
        rows = connection.execute(_ANSWERS, (min(ids), max(ids))).fetchall()
    else:
        rows = []
        for start in range(0, len(ids), _IDS_AT_ONCE):
            some = ids[start : start + _IDS_AT_ONCE]
            rows += connection.execute(f"{_ANSWERS_OF} ({', '.join('?' * len(some))})", some).fetchall()
    kinds = [pyarrow.field("answer_id", pyarrow.int64()), *(schema().field(name) for name in GENERATION_COLUMNS)]
    columns = list(zip(*rows, strict=True)) or [()] * len(kinds)
    return pyarrow.table(
        [pyarrow.array(values, type=kind.type) for values, kind in zip(columns, kinds, strict=True)],
        schema=pyarrow.schema(kinds),
    )
