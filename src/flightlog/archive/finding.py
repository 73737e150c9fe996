"""Finding rows in archive files, and reading them: which row groups, which rows in them, and only the columns that are wanted.

Imports pyarrow: only what reads archived rows imports this module.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow
import pyarrow.compute as compute

from flightlog.archive.cache import ArchiveCache
from flightlog.archive.chunks import Chunks, Kept
from flightlog.archive.manifest import ArchivedFile
from flightlog.archive.matching import columns_of, mask_of, values_of
from flightlog.journal.filter import EventFilter
from flightlog.journal.plan import Span

# A file of which so large a part is asked for at once is read as a whole, and kept until its end was asked for too.
BULK_EVENTS_MIN = 512
BULK_SHARE = 64
BULK_BYTES_MAX = 512 * 1024 * 1024

Row = tuple[Any, ...]


class Matches(NamedTuple):
    """Rows of a file by rising id: their ids, and their places in the file."""

    ids: Any  # numpy arrays of int64
    places: Any

    def between(self, after: int, before: int | None) -> Matches:
        """Those with `after < id < before`."""
        start = int(np.searchsorted(self.ids, after, side="right"))
        end = len(self.ids) if before is None else int(np.searchsorted(self.ids, before, side="left"))
        return Matches(self.ids[start:end], self.places[start:end])


class Finder:
    """Reads rows of archive files. Raises what `Chunks` raises. Any thread may use it."""

    def __init__(self, cache: ArchiveCache, column_bytes_max: int) -> None:
        self._chunks = Chunks(cache, bytes_max=column_bytes_max)
        self._matches: Kept[Matches] = Kept(column_bytes_max // 2)
        self._wholes: Kept[tuple[pyarrow.Table, Any]] = Kept(BULK_BYTES_MAX)

    def rows(
        self, files: Sequence[ArchivedFile], columns: Sequence[str], wanted: EventFilter, span: Span, count: int
    ) -> list[Row]:
        """At most `count` rows of these files from the near end of the span that pass the filter, in its direction."""
        back = span.backwards
        ordered = sorted(files, key=lambda file: -file.last_id if back else file.first_id)
        found: list[tuple[ArchivedFile, Matches]] = []
        for file in ordered:
            # Files of several projects and dates share a stretch of ids; beyond all that was found there is nothing nearer.
            if _is_full(found, count, file.last_id if back else file.first_id, back):
                break
            matches = self._matching(file, wanted).between(span.after_id or 0, span.before_id)
            matches = Matches(*(each[-count:] if back else each[:count] for each in matches))
            if len(matches.ids):
                found.append((file, matches))
        return self._take(found, columns, count, back)

    def at(self, files: Sequence[ArchivedFile], columns: Sequence[str], ids: Sequence[int]) -> list[Row]:
        """The rows of these files that have these ids, which rise."""
        made: list[Row] = []
        asked = np.array(ids, dtype=np.int64)
        sparse: list[tuple[ArchivedFile, Matches]] = []
        for file in files:
            here = asked[(asked >= file.first_id) & (asked <= file.last_id)]
            if len(here) >= BULK_EVENTS_MIN and len(here) * BULK_SHARE >= file.events and _fits(file):
                made += self._bulk(file, columns, here)
                continue
            every = self._matching(file, EventFilter())
            is_here = np.isin(every.ids, here, assume_unique=False)
            if is_here.any():
                sparse.append((file, Matches(every.ids[is_here], every.places[is_here])))
        made += self._take(sparse, columns, len(ids) + sum(len(each.ids) for _, each in sparse), False)
        return sorted(made, key=lambda row: row[0]) if columns[0] == "id" else made

    def find(self, file: ArchivedFile, event_ids: Sequence[str]) -> dict[str, int]:
        """The ids of those of these events that the file has."""
        wanted = pyarrow.array(event_ids, type=pyarrow.string())
        found: dict[str, int] = {}
        for columns in self._chunks.read(file, self._groups(file), ("id", "event_id")):
            mask = compute.is_in(columns["event_id"], value_set=wanted)
            held, ids = columns["event_id"].filter(mask), columns["id"].filter(mask)
            found |= dict(zip(held.to_pylist(), ids.to_pylist(), strict=True))
            if len(found) == len(event_ids):
                break
        return found

    # ── which rows ───────────────────────────────────────────────────────────────────────────────────────────────

    def _groups(self, file: ArchivedFile) -> list[int]:
        return list(range(self._chunks.metadata(file).num_row_groups))

    def _matching(self, file: ArchivedFile, wanted: EventFilter) -> Matches:
        """All rows of the file that pass the filter; kept, because the next page asks again."""
        key = (file.path, wanted)
        found = self._matches.get(key)
        if found is None:
            found = self._match(file, wanted)
            self._matches.put(key, found, found.ids.nbytes * 2 + 200)
        return found

    def _match(self, file: ArchivedFile, wanted: EventFilter) -> Matches:
        names = columns_of(wanted)
        groups = [group for group in self._groups(file) if self._may_hold(file, group, wanted)]
        starts = self._starts(file)
        ids, places = [], []
        for group, columns in zip(groups, self._chunks.read(file, groups, ["id", *names]), strict=True):
            mask = mask_of(columns, wanted)
            inside = (
                np.arange(len(columns["id"])) if mask is None else np.flatnonzero(mask.to_numpy(zero_copy_only=False))
            )
            if len(inside):
                ids.append(columns["id"].to_numpy()[inside])
                places.append(inside + starts[group])
        if not ids:
            return Matches(np.array([], dtype=np.int64), np.array([], dtype=np.int64))
        every, where = np.concatenate(ids), np.concatenate(places)
        order = np.argsort(every, kind="stable")
        return Matches(every[order], where[order])

    def _may_hold(self, file: ArchivedFile, group: int, wanted: EventFilter) -> bool:
        """Whether the row group's statistics allow for rows that pass."""
        metadata = self._chunks.metadata(file)
        places = {name: place for place, name in enumerate(metadata.schema.names)}
        for name, values in values_of(wanted):
            held = metadata.row_group(group).column(places[name]).statistics
            if held is None:
                continue
            if held.has_null_count and held.null_count == metadata.row_group(group).num_rows:
                return False
            if held.has_min_max and not any(held.min <= value <= held.max for value in values):
                return False
        if wanted.since is not None or wanted.until is not None:
            held = metadata.row_group(group).column(places["created_at"]).statistics
            if held is not None and held.has_min_max:
                if wanted.since is not None and held.max < wanted.since:
                    return False
                if wanted.until is not None and held.min >= wanted.until:
                    return False
        return True

    def _starts(self, file: ArchivedFile) -> list[int]:
        """The place of each row group's first row in the file; and one more, the number of rows."""
        metadata = self._chunks.metadata(file)
        starts = [0]
        for group in range(metadata.num_row_groups):
            starts.append(starts[-1] + metadata.row_group(group).num_rows)
        return starts

    # ── the rows ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _take(
        self, found: Sequence[tuple[ArchivedFile, Matches]], columns: Sequence[str], count: int, back: bool
    ) -> list[Row]:
        """The nearest `count` of what was found, in the direction."""
        if not found:
            return []
        ids = np.concatenate([matches.ids for _, matches in found])
        owners = np.repeat(np.arange(len(found)), [len(matches.ids) for _, matches in found])
        places = np.concatenate([matches.places for _, matches in found])
        order = np.argsort(-ids if back else ids, kind="stable")[:count]
        made: list[Row | None] = [None] * len(order)
        for owner, (file, _) in enumerate(found):
            mine = np.flatnonzero(owners[order] == owner)
            if len(mine):
                for slot, row in zip(mine.tolist(), self._read(file, columns, places[order[mine]]), strict=True):
                    made[slot] = row
        return [row for row in made if row is not None]

    def _read(self, file: ArchivedFile, columns: Sequence[str], places: Any) -> list[Row]:
        """The rows at these places in the file, in this order."""
        starts = np.array(self._starts(file))
        group_of = np.searchsorted(starts, places, side="right") - 1
        groups = np.unique(group_of).tolist()
        names = _needed(columns)
        made: list[Row | None] = [None] * len(places)
        for group, chunk in zip(groups, self._chunks.read(file, groups, names), strict=True):
            slots = np.flatnonzero(group_of == group)
            inside = pyarrow.array(places[slots] - starts[group])
            taken = {name: column.take(inside) for name, column in chunk.items()}
            for slot, row in zip(slots.tolist(), _as_rows(taken, columns), strict=True):
                made[slot] = row
        return [row for row in made if row is not None]

    def _bulk(self, file: ArchivedFile, columns: Sequence[str], ids: Any) -> list[Row]:
        """The rows with these ids of a file that is read from end to end, a piece at a time."""
        names = _needed(columns)
        key = (file.path, *names)
        held = self._wholes.get(key)
        if held is None:
            table = self._chunks.whole(file, list(dict.fromkeys(["id", *names])))
            table = table.take(compute.sort_indices(table, sort_keys=[("id", "ascending")])).combine_chunks()
            held = (table, table["id"].to_numpy())
            self._wholes.put(key, held, table.nbytes)
        table, every = held
        inside = np.flatnonzero(np.isin(every, ids))
        if len(ids) and ids[-1] >= file.last_id:
            self._wholes.drop(key)
        if not len(inside):
            return []
        if inside[-1] - inside[0] + 1 == len(inside):
            piece = table.slice(int(inside[0]), len(inside))
        else:
            piece = table.take(pyarrow.array(inside))
        return list(_as_rows({name: piece[name] for name in names}, columns))


def _fits(file: ArchivedFile) -> bool:
    return file.payload_bytes + file.events * 500 <= BULK_BYTES_MAX


def _is_full(found: Sequence[tuple[ArchivedFile, Matches]], count: int, next_id: int, back: bool) -> bool:
    """Whether `count` rows were found that are all nearer than this id."""
    nearer = sum(
        int(np.count_nonzero(matches.ids > next_id if back else matches.ids < next_id)) for _, matches in found
    )
    return nearer >= count


def _needed(columns: Sequence[str]) -> list[str]:
    """The columns to read: a digest that is not kept is that of the payload."""
    return list(dict.fromkeys([*columns, "payload"] if "payload_digest" in columns else columns))


def _as_rows(taken: dict[str, Any], columns: Sequence[str]) -> Iterator[Row]:
    values = {name: taken[name].to_pylist() for name in taken}
    if "payload_digest" in columns:
        values["payload_digest"] = [
            hashlib.sha256(payload.encode()).digest() if digest is None and payload is not None else digest
            for digest, payload in zip(values["payload_digest"], values["payload"], strict=True)
        ]
    return zip(*(values[name] for name in columns), strict=True)
