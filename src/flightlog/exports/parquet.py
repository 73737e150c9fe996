"""Events as one Parquet file with the columns of the archive (archive/columns.py), in commit order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import select

from flightlog.archive.columns import DICTIONARY, GENERATION_COLUMNS, SCHEMA_KEY, SCHEMA_VERSION, TOOL_TYPES, schema
from flightlog.errors import ArchiveExtraMissing
from flightlog.events.envelope import ENVELOPE_FIELDS, FLAG_ERASED, StoredEvent
from flightlog.exports.files import Taken
from flightlog.exports.reading import Wanted, pages
from flightlog.runs.calls import read_call
from flightlog.runs.generation_table import generations
from flightlog.store.contract import Store

ROWS_AT_ONCE = 16_384  # of a row group


def parquet(wanted: Wanted) -> Iterator[bytes]:
    """The file in pieces, made row group by row group. Raises ArchiveExtraMissing where pyarrow is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ArchiveExtraMissing(what="Writing Parquet") from None
    return _parquet(wanted, pyarrow)


def _parquet(wanted: Wanted, pyarrow: Any) -> Iterator[bytes]:
    shape = schema().with_metadata({SCHEMA_KEY: str(SCHEMA_VERSION).encode()})
    taken = Taken()
    with pyarrow.parquet.ParquetWriter(
        pyarrow.PythonFile(taken, mode="w"), shape, compression="zstd", use_dictionary=list(DICTIONARY)
    ) as writer:
        rows: list[StoredEvent] = []
        for page in pages(wanted):
            rows += page
            if len(rows) >= ROWS_AT_ONCE:
                writer.write_table(_table(wanted.store, rows, shape, pyarrow))
                yield from taken.take()
                rows = []
        if rows:
            writer.write_table(_table(wanted.store, rows, shape, pyarrow))
    yield from taken.take()


def _table(store: Store, events: Sequence[StoredEvent], shape: Any, pyarrow: Any) -> Any:
    typed = _typed(store, events)
    columns: dict[str, list[Any]] = {name: [getattr(event, name) for event in events] for name in _SAME}
    erased = [bool(event.flags & FLAG_ERASED) for event in events]
    columns["flags"] = [event.flags & ~FLAG_ERASED for event in events]
    columns["payload"] = [
        None if gone else bytes(event.payload).decode() for event, gone in zip(events, erased, strict=True)
    ]
    # Null where it can be worked out from the payload that is there.
    columns["payload_digest"] = [bytes(32) if gone else None for gone in erased]
    columns["salt"] = [None] * len(events)  # a salt is a secret of the seal
    columns["tool"] = [event.name if event.type in TOOL_TYPES else None for event in events]
    for at, name in enumerate(GENERATION_COLUMNS):
        columns[name] = [None if (row := typed.get(event.id)) is None else row[at] for event in events]
    return pyarrow.table([pyarrow.array(columns[field.name], field.type) for field in shape], schema=shape)


_SAME = tuple(name for name in ("id", *ENVELOPE_FIELDS, "received_at", "payload_bytes") if name != "flags")


def _typed(store: Store, events: Sequence[StoredEvent]) -> dict[int, Sequence[Any]]:
    """What the generations say whose answers are among these events, by the answer's id."""
    # By the generation's own id: its answer's place has no index.
    named = {read_call(event).generation_id: event.id for event in events if event.type == "llm_response"}
    answers = list(named)
    columns = [generations.c[name] for name in GENERATION_COLUMNS]
    found: dict[int, Sequence[Any]] = {}
    for start in range(0, len(answers), 500):
        asked = select(generations.c.answer_id, *columns).where(
            generations.c.generation_id.in_(answers[start : start + 500])
        )
        with store.read() as connection:
            found.update({row[0]: row[1:] for row in connection.execute(asked)})
    return found
