"""Files of the archive: an Arrow table becomes one, is read back and compared; and one becomes a table again.

Imports pyarrow where it is first needed, which takes 75 MB: a process that is to stay small has this done by another.
"""

from __future__ import annotations

import builtins
import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from flightlog.archive import keys
from flightlog.archive.columns import DICTIONARY, KEYED, SCHEMA_KEY, SCHEMA_VERSION, schema
from flightlog.archive.objects import Objects
from flightlog.archive.rows import DAY_NS
from flightlog.errors import ArchiveExtraMissing, ArchiveFileBroken

if TYPE_CHECKING:
    import pyarrow

# Between finding one run without reading much else, and packing well.
ROW_GROUP_EVENTS = 8_192
PAGE_BYTES = 1024 * 1024
ZSTD_LEVEL = 3
NAME_BYTES_MAX = 180  # of a folder's name; file systems allow 255

# Numbers that rise or stay near each other, and texts that begin alike, are written as differences.
_ENCODINGS = {
    "id": "DELTA_BINARY_PACKED",
    "created_at": "DELTA_BINARY_PACKED",
    "received_at": "DELTA_BINARY_PACKED",
    "seq": "DELTA_BINARY_PACKED",
    "payload_bytes": "DELTA_BINARY_PACKED",
    "duration_ns": "DELTA_BINARY_PACKED",
    "event_id": "DELTA_BYTE_ARRAY",
    "payload": "DELTA_LENGTH_BYTE_ARRAY",
}
_WITHOUT_STATISTICS = frozenset({"payload", "payload_digest", "salt"})

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was written and read back: what the manifest is to say of it, and the parts of its key filters."""

    path: str
    project: str
    date: str
    first_id: int
    last_id: int
    events: int
    bytes: int
    payload_bytes: int
    digest: builtins.bytes
    schema_version: int
    created_at_min: int
    created_at_max: int
    received_at_min: int
    received_at_max: int
    run_count: int
    types: dict[str, int]
    levels: dict[str, int]
    keys: dict[str, list[builtins.bytes]]


def require_archive_extra(what: str) -> None:
    """Raise ArchiveExtraMissing unless this installation can write and read archive files."""
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise ArchiveExtraMissing(what=what)


def date_of(created_at: int) -> str:
    """The UTC date of a time in nanoseconds.

    >>> date_of(1_700_000_000_000_000_000), date_of(-1)
    ('2023-11-14', '1969-12-31')
    """
    return (_EPOCH + timedelta(days=created_at // DAY_NS)).strftime("%Y-%m-%d")


def folder_of(project: str, date: str) -> str:
    """The folder of a project's files of a date. The project in it is for people: what counts stands in the manifest and the files.

    >>> folder_of("web/eu", "2026-01-31")
    'project=web%2Feu/date=2026-01-31'
    """
    name = quote(project, safe="")
    if len(name) > NAME_BYTES_MAX:
        name = f"{name[:NAME_BYTES_MAX].rsplit('%', 1)[0]}~{hashlib.sha256(project.encode()).hexdigest()[:12]}"
    return f"project={name}/date={date}"


def split(table: pyarrow.Table) -> Iterator[tuple[str, str, pyarrow.Table]]:
    """A table in parts, one for each project and date, each sorted by run and id (events without a run at the end)."""
    import numpy as np
    import pyarrow
    import pyarrow.compute as compute

    days = np.floor_divide(table["created_at"].to_numpy(), DAY_NS)
    wanted = table.select(["project", "run_id", "id"]).append_column("day", pyarrow.array(days))
    by = [(name, "ascending") for name in ("project", "day", "run_id", "id")]
    order = compute.sort_indices(wanted, sort_keys=by)
    kinds, columns = table.schema, []
    del wanted
    while table.num_columns:  # its caller may have let go of it, and then there is hardly more than one of it in memory
        column = table.column(0)
        table = table.remove_column(0)
        columns.append(column.combine_chunks().take(order))
        del column
    ordered = pyarrow.Table.from_arrays(columns, schema=kinds)
    del columns
    projects = ordered["project"].combine_chunks().dictionary_encode().indices.to_numpy()
    cuts = np.flatnonzero((np.diff(projects) != 0) | (np.diff(days[order.to_numpy()]) != 0)) + 1
    ends = [*cuts.tolist(), len(ordered)]
    for start, end in zip([0, *cuts.tolist()], ends, strict=True):
        if end > start:
            part = ordered.slice(start, end - start)
            yield part["project"][0].as_py(), date_of(part["created_at"][0].as_py()), part


def put(objects: Objects, project: str, date: str, table: pyarrow.Table, chance: Callable[[int], bytes]) -> Written:
    """Write one file of a sorted table, and read it back. Raises ArchiveUnavailable, ArchiveFileBroken."""
    import pyarrow.compute as compute

    data = encode(table)
    ids, created, received = (compute.min_max(table[name]).as_py() for name in ("id", "created_at", "received_at"))
    path = f"{folder_of(project, date)}/{ids['min']}-{ids['max']}-{chance(4).hex()}.parquet"
    objects.put_new(path, data)
    digest = hashlib.sha256(data).digest()
    check(path, objects.read(path), digest, table)
    return Written(
        path=path,
        project=project,
        date=date,
        first_id=ids["min"],
        last_id=ids["max"],
        events=len(table),
        bytes=len(data),
        payload_bytes=compute.sum(table["payload_bytes"]).as_py() or 0,
        digest=digest,
        schema_version=SCHEMA_VERSION,
        created_at_min=created["min"],
        created_at_max=created["max"],
        received_at_min=received["min"],
        received_at_max=received["max"],
        run_count=compute.count_distinct(table["run_id"]).as_py(),
        types=_counted(table["type"]),
        levels=_counted(table["level"]),
        keys={name: parts for name in KEYED if (parts := _filter_of(table[name]))},
    )


def encode(table: pyarrow.Table) -> bytes:
    """The bytes of a file."""
    import pyarrow
    from pyarrow import parquet

    kept = schema().with_metadata({SCHEMA_KEY: str(SCHEMA_VERSION).encode()})
    out = pyarrow.BufferOutputStream()
    parquet.write_table(
        table.cast(kept) if table.schema != kept else table.replace_schema_metadata(kept.metadata),
        out,
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        row_group_size=ROW_GROUP_EVENTS,
        data_page_size=PAGE_BYTES,
        use_dictionary=list(DICTIONARY),
        column_encoding=_ENCODINGS,
        write_statistics=[name for name in kept.names if name not in _WITHOUT_STATISTICS],
        store_schema=False,
        write_page_checksum=True,  # who reads a few columns does not see the digest of the whole
    )
    return out.getvalue().to_pybytes()  # type: ignore[no-any-return]


def check(path: str, data: bytes, digest: bytes, table: pyarrow.Table) -> None:
    """Raise ArchiveFileBroken unless these bytes have this digest and are this table."""
    import pyarrow
    from pyarrow import parquet

    if hashlib.sha256(data).digest() != digest:
        raise ArchiveFileBroken(path=path, reason="its bytes are not those that were written")
    start = 0
    try:
        file = parquet.ParquetFile(pyarrow.BufferReader(data))
        for group in range(file.num_row_groups):  # one after the other, for a whole second table is a lot of memory
            found = file.read_row_group(group).cast(schema())
            if not found.equals(table.slice(start, len(found))):
                break
            start += len(found)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise ArchiveFileBroken(path=path, reason=str(error).split("\n")[0]) from error
    if start != len(table):
        raise ArchiveFileBroken(path=path, reason="what is read from it is not what was written")


def decode(path: str, data: bytes, digest: bytes | None = None) -> pyarrow.Table:
    """A file as a table. Raises ArchiveFileBroken where it has another digest, or is none."""
    import pyarrow
    from pyarrow import parquet

    if digest is not None and hashlib.sha256(data).digest() != digest:
        raise ArchiveFileBroken(path=path, reason="its bytes are not those that were written")
    try:
        return parquet.read_table(pyarrow.BufferReader(data)).cast(schema())
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise ArchiveFileBroken(path=path, reason=str(error).split("\n")[0]) from error


def _counted(column: pyarrow.ChunkedArray) -> dict[str, int]:
    import pyarrow.compute as compute

    return {str(pair["values"]): pair["counts"] for pair in compute.value_counts(column).to_pylist()}


def _filter_of(column: pyarrow.ChunkedArray) -> list[bytes]:
    import pyarrow
    import pyarrow.compute as compute

    distinct = compute.unique(compute.drop_null(column)).cast(pyarrow.binary())
    return keys.build(distinct.to_pylist())


def as_row(file_id: int, written: Written, written_at: int, stale: int = 0) -> dict[str, object]:
    """A row of the manifest."""
    row: dict[str, object] = msgspec.structs.asdict(written)
    parts: dict[str, list[bytes]] = written.keys
    del row["keys"]
    row |= {
        "file_id": file_id,
        "types": json.dumps(written.types),
        "levels": json.dumps(written.levels),
        "key_parts": json.dumps({name: len(bits) for name, bits in parts.items()}),
        "written_at": written_at,
        "stale": stale,
    }
    return row
