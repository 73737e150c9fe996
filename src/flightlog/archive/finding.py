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

# A file lies in the order of runs. Who goes through it by id needs a few rows of each row group, and then the next few: so a
# stretch of ids is taken out of all of them at once, and kept for the pages to come.
DIRECT_GROUPS_MAX = 3
WALK_SPREAD_MAX = 16  # of so many rows in a row at least one is wanted
STRETCH_BYTES = 64 * 1024 * 1024
ENVELOPE_BYTES = 400  # about what a row takes without its payload

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
        self._stretches: Kept[pyarrow.Table] = Kept(2 * STRETCH_BYTES)

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
        asked = np.array(ids, dtype=np.int64)
        found: list[tuple[ArchivedFile, Matches]] = []
        for file in files:
            near = self._matching(file, EventFilter()).between(ids[0] - 1, ids[-1] + 1)
            is_asked = np.isin(near.ids, asked)
            if is_asked.any():
                found.append((file, Matches(near.ids[is_asked], near.places[is_asked])))
        return self._take(found, columns, sum(len(each.ids) for _, each in found), False)

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
        key = (file.path, repr(wanted))
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
                rows = self._read(file, columns, ids[order[mine]], places[order[mine]])
                for slot, row in zip(mine.tolist(), rows, strict=True):
                    made[slot] = row
        return [row for row in made if row is not None]

    def _read(self, file: ArchivedFile, columns: Sequence[str], ids: Any, places: Any) -> list[Row]:
        """The rows at these places in the file, in this order."""
        starts = np.array(self._starts(file))
        group_of = np.searchsorted(starts, places, side="right") - 1
        groups = np.unique(group_of).tolist()
        names = _needed(columns)
        if len(groups) > DIRECT_GROUPS_MAX and self._is_walk(file, ids):
            return self._walked(file, columns, names, places)
        made: list[Row | None] = [None] * len(places)
        for group, chunk in zip(groups, self._chunks.read(file, groups, names), strict=True):
            slots = np.flatnonzero(group_of == group)
            inside = pyarrow.array(places[slots] - starts[group])
            taken = {name: column.take(inside) for name, column in chunk.items()}
            for slot, row in zip(slots.tolist(), _as_rows(taken, columns), strict=True):
                made[slot] = row
        return [row for row in made if row is not None]

    def _is_walk(self, file: ArchivedFile, ids: Any) -> bool:
        """Whether these rows lie so near each other, by id, that the next that are asked for will lie beside them."""
        every = self._matching(file, EventFilter())
        return len(every.between(int(ids.min()) - 1, int(ids.max()) + 1).ids) <= WALK_SPREAD_MAX * len(ids)

    def _walked(self, file: ArchivedFile, columns: Sequence[str], names: Sequence[str], places: Any) -> list[Row]:
        """The rows at these places, out of stretches of ids."""
        every = self._matching(file, EventFilter())
        rank_of = np.empty(len(every.places), dtype=np.int64)
        rank_of[every.places] = np.arange(len(every.places))
        ranks, size = rank_of[places], _stretch_events(file, names)
        made: list[Row | None] = [None] * len(places)
        for number in np.unique(ranks // size).tolist():
            slots = np.flatnonzero(ranks // size == number)
            inside = pyarrow.array(ranks[slots] - number * size)
            taken = self._stretch(file, names, number, every.places[number * size : (number + 1) * size]).take(inside)
            for slot, row in zip(slots.tolist(), _as_rows({name: taken[name] for name in names}, columns), strict=True):
                made[slot] = row
        return [row for row in made if row is not None]

    def _stretch(self, file: ArchivedFile, names: Sequence[str], number: int, places: Any) -> pyarrow.Table:
        """The rows at these places, which are those of a stretch of ids, as a table in their order."""
        key = (file.path, tuple(names), number)
        found = self._stretches.get(key)
        if found is None:
            order = np.argsort(places)
            ordered, starts = places[order], np.array(self._starts(file))
            group_of = np.searchsorted(starts, ordered, side="right") - 1
            groups = np.unique(group_of).tolist()
            pieces = [
                pyarrow.table(chunk).take(pyarrow.array(ordered[group_of == group] - starts[group]))
                for group, chunk in zip(groups, self._chunks.stream(file, groups, names), strict=True)
            ]
            back = np.empty(len(order), dtype=np.int64)
            back[order] = np.arange(len(order))
            found = pyarrow.concat_tables(pieces).take(pyarrow.array(back)).combine_chunks()
            self._stretches.put(key, found, found.nbytes)
        return found


def _stretch_events(file: ArchivedFile, names: Sequence[str]) -> int:
    """How many rows of a file make a stretch."""
    payload = file.payload_bytes // file.events if "payload" in names else 0
    return max(1, STRETCH_BYTES // (payload + ENVELOPE_BYTES))


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
