"""The archive as retention sees it: its files with their rows, which go as a whole or are written anew without some."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from flightlog.archive import manifest
from flightlog.archive.commit import Overtaken, drop_files
from flightlog.archive.files import require_archive_extra
from flightlog.archive.manifest import ArchivedFile
from flightlog.archive.place import Place
from flightlog.archive.rewrite import rewrite_file
from flightlog.errors import ArchiveFileBroken, ArchiveFileMissing
from flightlog.store.contract import Tx

if TYPE_CHECKING:
    import pyarrow

BATCH_ROWS = 8_192


class ArchiveFiles:
    """The files of one archive. `place` is made when something of it is first needed."""

    def __init__(self, make_place: Callable[[], Place]) -> None:
        self._make_place = make_place

    @cached_property
    def _place(self) -> Place:
        require_archive_extra("Retention of archived events")
        return self._make_place()

    def listed(self, connection: Connection) -> list[ArchivedFile]:
        """Every file, in the order of their first ids."""
        return manifest.files(connection)

    def rows(self, file_id: int, names: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
        """The file's events with these columns, some thousands at a time, in no order; none where it is not there any more.

        A digest that is not stored, because it is that of the payload, is None. Raises ArchiveFileBroken, ArchiveUnavailable.
        """
        import pyarrow
        from pyarrow import parquet

        file = self._file(file_id)
        if file is None:
            return
        try:
            data = self._place.objects.read(file.path)
        except ArchiveFileMissing:
            if self._file(file_id) is None:
                return
            raise
        try:
            batches = parquet.ParquetFile(pyarrow.BufferReader(data)).iter_batches(BATCH_ROWS, columns=list(names))
            for batch in batches:
                yield list(zip(*(batch.column(name).to_pylist() for name in names), strict=True))
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise ArchiveFileBroken(path=file.path, reason=str(error).split("\n")[0]) from error

    def drop(self, file_id: int, also: Callable[[Tx], None]) -> bool:
        """Take the whole file out, in one transaction with `also`. False when it was not there any more."""
        place = self._place

        def work(tx: Tx) -> bool:
            if manifest.file_at(tx.sql, file_id) is None:
                return False
            drop_files(tx, [file_id], place.clock.now_ns())
            also(tx)
            return True

        with place.changing():
            return place.commit([], work)

    def rewrite(self, file_id: int, without: Collection[int], also: Callable[[Tx], None]) -> bool:
        """Put a file without these events in its place, in one transaction with `also`. False when it was not there any more."""
        file = self._file(file_id)
        if file is None:
            return False
        try:
            rewrite_file(self._place, file, keep=_all_but(without), work=lambda tx, done: also(tx))
        except (Overtaken, ArchiveFileMissing):
            if self._file(file_id) is None:
                return False
            raise
        return True

    def _file(self, file_id: int) -> ArchivedFile | None:
        with self._place.store.read() as connection:
            return manifest.file_at(connection, file_id)


def _all_but(ids: Collection[int]) -> Callable[[pyarrow.Table], Any]:
    def keep(table: pyarrow.Table) -> Any:
        import pyarrow
        import pyarrow.compute as compute

        gone = pyarrow.array(sorted(ids), pyarrow.int64())
        return compute.invert(compute.is_in(table["id"], value_set=gone))

    return keep
