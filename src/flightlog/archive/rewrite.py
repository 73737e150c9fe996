"""Writing a file of the archive anew without some of its events, or with some of them blanked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from flightlog.archive.commit import Overtaken as Overtaken
from flightlog.archive.commit import drop_files as drop_files
from flightlog.archive.commit import replace
from flightlog.archive.files import decode, put
from flightlog.archive.manifest import ArchivedFile
from flightlog.archive.place import Place
from flightlog.journal.rows import ERASED_DIGEST
from flightlog.store.contract import Tx

if TYPE_CHECKING:
    import pyarrow

# A mask over the rows of a file: an Arrow array of booleans without nulls (a list or a numpy array does too).
Mask = Any


class Rewritten(NamedTuple):
    """What became of a file: its new row (None where nothing is left of it), and the ids of events that were removed and of those
    that were blanked, rising.
    """

    file: ArchivedFile | None
    removed: list[int]
    blanked: list[int]


def rewrite_file(
    place: Place,
    file: ArchivedFile,
    *,
    keep: Callable[[pyarrow.Table], Mask] | None = None,
    blank: Callable[[pyarrow.Table], Mask] | None = None,
    work: Callable[[Tx, Rewritten], object] = lambda tx, rewritten: None,
    at_once: bool = False,
) -> Rewritten:
    """Write the file anew with the events that `keep` says yes to (all, where it is None), without payload, digest and salt where
    `blank` says yes, and swap it for the old one. Both are handed the whole table (see archive/columns.py).

    `work` is called in the transaction that swaps, with what becomes of the file (its new row is there by then), and may be called
    again. Where nothing would change, no transaction is made and `work` not called. The old object goes after the grace time;
    with `at_once`, as an erasure needs it, before this returns.

    Raises Overtaken where the manifest does not have this file any more, ArchiveFileMissing, ArchiveFileBroken, ArchiveUnavailable.
    """
    with place.changing():
        table = decode(file.path, place.objects.read(file.path), file.digest)
        kept, removed, blanked = _changed(table, keep, blank)
        if not removed and not blanked:
            return Rewritten(file, [], [])
        written = [put(place.objects, file.project, file.date, kept, place.chance)] if len(kept) else []
        now = place.clock.now_ns()

        def swap(tx: Tx) -> Rewritten:
            made = replace(tx, [file], written, now)
            done = Rewritten(made[0] if made else None, removed, blanked)
            work(tx, done)
            return done

        done = place.commit(written, swap)
        if at_once:
            place.purge([file.path])
        return done


def _changed(
    table: pyarrow.Table, keep: Callable[[pyarrow.Table], Mask] | None, blank: Callable[[pyarrow.Table], Mask] | None
) -> tuple[pyarrow.Table, list[int], list[int]]:
    """The new table, and the ids that were removed and blanked."""
    import pyarrow
    import pyarrow.compute as compute

    removed: list[int] = []
    if keep is not None:
        mask = _as_mask(keep(table))
        removed = sorted(table["id"].filter(compute.invert(mask)).to_pylist())
        table = table.filter(mask)
    if blank is None or not len(table):
        return table, removed, []
    # What was erased already stays as it is.
    mask = compute.and_(_as_mask(blank(table)), compute.is_valid(table["payload"]))
    blanked = sorted(table["id"].filter(mask).to_pylist())
    if not blanked:
        return table, removed, []
    values = {
        "payload": pyarrow.scalar(None, pyarrow.string()),
        "salt": pyarrow.scalar(None, pyarrow.binary()),
        "payload_digest": pyarrow.scalar(ERASED_DIGEST, pyarrow.binary()),
        "payload_bytes": pyarrow.scalar(0, pyarrow.int64()),
    }
    for name, value in values.items():
        place = table.schema.get_field_index(name)
        changed = compute.if_else(mask, value, table[name])
        table = table.set_column(place, table.schema.field(name), changed)
    return table, removed, blanked


def _as_mask(mask: Mask) -> Any:
    import pyarrow

    if isinstance(mask, pyarrow.ChunkedArray):
        return mask.combine_chunks()
    return mask if isinstance(mask, pyarrow.Array) else pyarrow.array(mask, pyarrow.bool_())
