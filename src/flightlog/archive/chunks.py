"""The columns of archive files, read a row group at a time: no more bytes than are needed, and none of them twice in a row.

A file on this machine is opened for each read, so that one that was removed is missed at once; of an object in S3 only the ranges
of the wanted columns are fetched. Imports pyarrow: only what reads archived rows imports this module.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, NamedTuple, TypeVar

import pyarrow
from pyarrow import parquet

from flightlog.archive.cache import ArchiveCache
from flightlog.archive.manifest import ArchivedFile
from flightlog.archive.objects import Objects
from flightlog.errors import ArchiveFileBroken, ArchiveFileMissing

T = TypeVar("T")

FOOTERS_BYTES_MAX = 32 * 1024 * 1024  # of those that are kept
FOOTER_BYTES = 64 * 1024  # fetched at once; most footers are smaller
GAP_BYTES_MAX = 256 * 1024  # fetched for nothing sooner than asked for once more
RANGES_AT_ONCE = 8
STREAM_GROUPS = 4  # row groups of an object that are fetched at once
MAGIC = b"PAR1"


class Kept(Generic[T]):
    """What was made lately, up to so many bytes."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._held: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._lock = threading.Lock()
        self.bytes = 0

    def get(self, key: Hashable) -> T | None:
        """What is kept under this key, if it still is."""
        with self._lock:
            found = self._held.get(key)
            if found is None:
                return None
            self._held.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, value: T, size: int) -> None:
        """Keep this, and let go of what was not asked for the longest."""
        with self._lock:
            if key in self._held:
                return
            self._held[key] = (value, size)
            self.bytes += size
            while self.bytes > self._bytes_max and self._held:
                _, (_, gone) = self._held.popitem(last=False)
                self.bytes -= gone

    def drop(self, key: Hashable) -> None:
        """Keep this no longer."""
        with self._lock:
            found = self._held.pop(key, None)
            if found is not None:
                self.bytes -= found[1]


class _Range(NamedTuple):
    start: int
    end: int


class _Ranges(io.RawIOBase):
    """An object as a file of which some ranges are here already; the rest is fetched when it is asked for."""

    def __init__(self, objects: Objects, path: str, size: int, here: Sequence[tuple[_Range, bytes]]) -> None:
        self._objects, self._path, self._size, self._here = objects, path, size, here
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        start = self._at
        end = self._size if size is None or size < 0 else min(self._size, start + size)
        self._at = end
        for part, data in self._here:
            if part.start <= start and end <= part.end:
                return data[start - part.start : end - part.start]
        return self._objects.read_range(self._path, start, end - start) if end > start else b""


class Chunks:
    """Reads columns of archive files. Any thread may use it."""

    def __init__(self, cache: ArchiveCache, *, bytes_max: int) -> None:
        self._objects = objects = cache.objects
        self._footers: Kept[Any] = Kept(FOOTERS_BYTES_MAX)
        self._kept: Kept[pyarrow.Array] = Kept(bytes_max)
        self._cache = cache if objects.folder is None else None
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def metadata(self, file: ArchivedFile) -> Any:
        """The file's footer (pyarrow.parquet.FileMetaData). Raises ArchiveFileMissing, ArchiveFileBroken, ArchiveUnavailable."""
        found = self._footers.get(file.path)
        if found is None:
            data = self._cache.footer(file.digest) if self._cache is not None else None
            if data is None:
                data = self._read_footer(file)
                if self._cache is not None:
                    self._cache.put_footer(file.digest, data)
            found = self._guarded(file, lambda: parquet.read_metadata(pyarrow.BufferReader(data)))
            self._footers.put(file.path, found, len(data) * 4)
        return found

    def read(self, file: ArchivedFile, groups: Sequence[int], names: Sequence[str]) -> list[dict[str, pyarrow.Array]]:
        """These columns of these row groups, in the order of the groups. Raises as `metadata`."""
        found: list[dict[str, pyarrow.Array]] = []
        missing: list[tuple[int, list[str]]] = []
        for group in groups:
            here = {name: self._kept.get((file.path, group, name)) for name in names}
            found.append({name: column for name, column in here.items() if column is not None})
            if lacking := [name for name, column in here.items() if column is None]:
                missing.append((group, lacking))
        if missing:
            fresh = dict(self._read(file, missing))
            for place, group in enumerate(groups):
                found[place] |= fresh.get(group, {})
        return found

    def stream(
        self, file: ArchivedFile, groups: Sequence[int], names: Sequence[str]
    ) -> Iterator[dict[str, pyarrow.Array]]:
        """The same group by group, for who goes over all of a file: nothing is kept. Raises as `metadata`."""
        metadata = self.metadata(file)
        for start in range(0, len(groups), STREAM_GROUPS):
            some = [(group, list(names)) for group in groups[start : start + STREAM_GROUPS]]
            here = [] if self._objects.folder is not None else self._fetch(file, metadata, some)
            for group, _ in some:
                yield self._guarded(file, lambda: self._decode(file, metadata, here, group, list(names)))  # noqa: B023

    def _read(
        self, file: ArchivedFile, missing: Sequence[tuple[int, list[str]]]
    ) -> Iterable[tuple[int, dict[str, pyarrow.Array]]]:
        metadata = self.metadata(file)
        for group, _ in missing:
            if group >= metadata.num_row_groups:
                raise ArchiveFileBroken(path=file.path, reason="it has fewer row groups than its footer said before")
        here = [] if self._objects.folder is not None else self._fetch(file, metadata, missing)
        for group, names in missing:
            columns = self._guarded(file, lambda: self._decode(file, metadata, here, group, names))  # noqa: B023
            for name, column in columns.items():
                self._kept.put((file.path, group, name), column, column.nbytes)
            yield group, columns

    def _decode(
        self, file: ArchivedFile, metadata: Any, here: Sequence[tuple[_Range, bytes]], group: int, names: list[str]
    ) -> dict[str, pyarrow.Array]:
        folder = self._objects.folder
        source = (
            pyarrow.OSFile(str(folder / file.path))
            if folder is not None
            else pyarrow.PythonFile(_Ranges(self._objects, file.path, file.bytes, here), mode="r")
        )
        with source:
            opened = parquet.ParquetFile(source, metadata=metadata, page_checksum_verification=True)
            table = opened.read_row_group(group, columns=names, use_threads=False)
        return {name: _one(table[name]) for name in names}

    def _fetch(
        self, file: ArchivedFile, metadata: Any, missing: Sequence[tuple[int, list[str]]]
    ) -> list[tuple[_Range, bytes]]:
        """The bytes of these columns, in few requests that run side by side."""
        ranges = coalesced(
            _range_of(metadata.row_group(group).column(place))
            for group, names in missing
            for place in _places(metadata, names)
        )
        read = self._objects.read_range
        if len(ranges) == 1:
            return [(each, read(file.path, each.start, each.end - each.start)) for each in ranges]
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(RANGES_AT_ONCE, thread_name_prefix="flightlog-archive")
        asked = [self._pool.submit(read, file.path, each.start, each.end - each.start) for each in ranges]
        return [(each, future.result()) for each, future in zip(ranges, asked, strict=True)]

    def _read_footer(self, file: ArchivedFile) -> bytes:
        """The footer with the eight bytes after it."""
        start = max(0, file.bytes - FOOTER_BYTES)
        tail = self._objects.read_range(file.path, start, file.bytes - start)
        if len(tail) != file.bytes - start or tail[-4:] != MAGIC:
            raise ArchiveFileBroken(path=file.path, reason="it does not end as a Parquet file does")
        length = int.from_bytes(tail[-8:-4], "little") + 8
        if length > file.bytes:
            raise ArchiveFileBroken(path=file.path, reason="its footer is longer than the file")
        if length > len(tail):
            tail = self._objects.read_range(file.path, file.bytes - length, length)
        return tail[-length:]

    def _guarded(self, file: ArchivedFile, call: Callable[[], T]) -> T:
        try:
            return call()
        except FileNotFoundError:
            raise ArchiveFileMissing(path=self._named(file)) from None
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise ArchiveFileBroken(path=self._named(file), reason=str(error).split("\n")[0]) from error

    def _named(self, file: ArchivedFile) -> str:
        return f"{self._objects.place}/{file.path}"


def _one(column: pyarrow.ChunkedArray) -> pyarrow.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    return pyarrow.concat_arrays(column.chunks) if column.num_chunks else pyarrow.array([], type=column.type)


def _places(metadata: Any, names: Sequence[str]) -> list[int]:
    known = {name: place for place, name in enumerate(metadata.schema.names)}
    return [known[name] for name in names if name in known]


def _range_of(column: Any) -> _Range:
    start = column.data_page_offset
    if column.dictionary_page_offset is not None and 0 < column.dictionary_page_offset < start:
        start = column.dictionary_page_offset
    return _Range(start, start + column.total_compressed_size)


def coalesced(ranges: Iterable[_Range]) -> list[_Range]:
    """The ranges, those that are near each other as one.

    >>> coalesced([_Range(900_000, 900_010), _Range(4, 10), _Range(10, 30)])
    [_Range(start=4, end=30), _Range(start=900000, end=900010)]
    """
    made: list[_Range] = []
    for each in sorted(ranges):
        if made and each.start - made[-1].end <= GAP_BYTES_MAX:
            made[-1] = _Range(made[-1].start, max(made[-1].end, each.end))
        else:
            made.append(each)
    return made
