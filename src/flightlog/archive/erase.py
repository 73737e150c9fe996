"""The archive's part of an erasure: files that hold erased payloads are written anew without them, and the old ones deleted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from flightlog.archive import manifest
from flightlog.archive.cache import ArchiveCache
from flightlog.archive.commit import Overtaken
from flightlog.archive.manifest import ArchivedFile
from flightlog.archive.place import Place
from flightlog.archive.rewrite import rewrite_file
from flightlog.errors import ArchiveFileMissing, ErasureIncomplete
from flightlog.store.contract import Tx

if TYPE_CHECKING:
    import pyarrow

ROUNDS_MAX = 20  # files that are merged meanwhile are looked for again

# What says where an event lies: its journal id, its project, and when it was created.
Lies = tuple[int, str, int]


class ArchiveErasure:
    """Erases in the files of one archive. Both are made when something archived is first erased."""

    def __init__(self, make: Callable[[], tuple[Place, ArchiveCache]]) -> None:
        self._make = make

    def erase(self, events: Sequence[Lies], work: Callable[[Tx, Sequence[int]], None]) -> int:
        """Blank the payloads, digests and salts of these events; the number of files that were written anew.

        `work` is called in the transaction that puts a new file in the place of the old, with the ids of its events that were
        blanked. When this returns, neither the old objects nor what was kept of them in the cache are there any more.
        Raises ErasureIncomplete where an event is in no file.
        """
        place, cache = self._make()
        left, files = {event[0]: event for event in events}, 0
        for _ in range(ROUNDS_MAX):
            if not left:
                break
            with place.store.read() as connection:
                listed = manifest.files(connection, after_id=min(left) - 1, before_id=max(left) + 1)
            for file in listed:
                inside = [event[0] for event in left.values() if _may_hold(file, *event)]
                if not inside:
                    continue
                try:
                    done = rewrite_file(
                        place,
                        file,
                        blank=_mask(inside),
                        work=lambda tx, rewritten: work(tx, rewritten.blanked),
                        at_once=True,
                    )
                except (Overtaken, ArchiveFileMissing):
                    continue
                if done.blanked:
                    cache.forget(file.digest)
                    files += 1
                for row_id in done.blanked:
                    left.pop(row_id, None)
        if left:
            raise ErasureIncomplete(path=f"{place.objects.place}: {len(left)} events, the first of them {min(left)}")
        return files


def _may_hold(file: ArchivedFile, row_id: int, project: str, created_at: int) -> bool:
    inside = file.first_id <= row_id <= file.last_id
    return inside and file.project == project and file.created_at_min <= created_at <= file.created_at_max


def _mask(ids: Collection[int]) -> Callable[[pyarrow.Table], Any]:
    def blank(table: pyarrow.Table) -> Any:
        import pyarrow
        import pyarrow.compute as compute

        return compute.is_in(table["id"], value_set=pyarrow.array(sorted(ids), pyarrow.int64()))

    return blank
