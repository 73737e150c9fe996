"""Checks one event, or the events of one run, against the seal, without reading the whole store.

Each event's row is held against its leaf, and the leaf's way to the signed root is walked (an inclusion proof, RFC 6962). So
that nothing goes missing unseen, the rest of the leaves is searched for the name of what was asked for: a leaf that names it
has to have its row. What the search goes over is not proved itself; `verify_store` does that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from flightlog.errors import EventNotFound, RunNotFound, TileBroken, TileMissing
from flightlog.journal.filter import EventFilter, is_storable
from flightlog.journal.history import ALL_ROWS
from flightlog.journal.lookup import ids_of, rows_of_page
from flightlog.journal.plan import Span
from flightlog.journal.read import head_id
from flightlog.seal.claims import Claims
from flightlog.seal.keys import Keys
from flightlog.seal.leaf import Leaf
from flightlog.seal.merkle import inclusion_proof, root_from_inclusion
from flightlog.seal.note import Checkpoint, Verifier
from flightlog.seal.tiles import TILE_WIDTH, Tiles, tile_path, width_of
from flightlog.seal.verify import (
    Erasures,
    Hashes,
    Moved,
    Progress,
    Report,
    check_claims,
    check_rows,
    checkpoint_of,
    leaves_of_bundle,
    name_moves,
)
from flightlog.store.contract import Store

EVENTS_AT_ONCE = 2_000


def verify_run(
    store: Store,
    folder: Path,
    keys: Keys,
    run_id: str,
    *,
    trusted: Verifier | None = None,
    progress: Progress | None = None,
) -> Report:
    """Check the events of one run. Raises RunNotFound where neither a row nor a leaf names it."""
    found = _verify(store, folder, keys, "run_id", run_id, trusted, progress)
    if found is None:
        raise RunNotFound(run_id=run_id)
    return found


def verify_event(
    store: Store,
    folder: Path,
    keys: Keys,
    event_id: str,
    *,
    trusted: Verifier | None = None,
    progress: Progress | None = None,
) -> Report:
    """Check one event. Raises EventNotFound where neither a row nor a leaf names it."""
    found = _verify(store, folder, keys, "event_id", event_id, trusted, progress)
    if found is None:
        raise EventNotFound(event_id=event_id)
    return found


def _verify(
    store: Store, folder: Path, keys: Keys, field: str, value: str, trusted: Verifier | None, progress: Progress | None
) -> Report | None:
    if not is_storable(value):
        return None
    report = Report(findings=[])
    checkpoint = checkpoint_of(folder, keys, trusted, report)
    ids, head = _rows_that_say(store, field, value)
    if checkpoint is None:
        # Nothing can be proved; that alone is the finding.
        report.unsealed = len(ids)
        return report if ids else None
    size = checkpoint.size
    for row_id in ids:
        if not 1 <= row_id <= max(head, size):
            report.add("inserted_row", "it stands outside of what the journal gave out", row_id)
    report.origin, report.unsealed = checkpoint.origin, sum(size < row_id <= head for row_id in ids)
    rows: dict[int, set[int]] = {}
    for row_id in ids:
        if 1 <= row_id <= size:
            rows.setdefault((row_id - 1) // TILE_WIDTH, set()).add(row_id)
    wanted = _Wanted(Tiles(folder), checkpoint, report, field, value)
    moved: Moved = {}
    erasures, claims = Erasures(store), Claims(store)
    bundles = (size + TILE_WIDTH - 1) // TILE_WIDTH
    for index in range(bundles):
        leaves = wanted.leaves(index, rows.get(index, ()))
        report.sealed += len(leaves)
        held = {row_id: leaf for row_id, leaf in leaves.items() if leaf is not None}
        if held:
            check_rows(store, held, moved, erasures, claims, report)
            report.checked += len(held)
        if progress is not None:
            progress(min((index + 1) * TILE_WIDTH, size), size)
    name_moves(moved, report)
    check_claims(store, folder, keys, trusted, claims, report)
    return report if report.sealed or ids else None


def _rows_that_say(store: Store, field: str, value: str) -> tuple[list[int], int]:
    """The ids of the rows, and the last id that the journal gave out."""
    with store.read() as connection:
        if field == "event_id":
            ids = list(ids_of(connection, [value]).values())
        else:
            everything = Span(None, None, backwards=False)
            ids = [row[0] for row in rows_of_page(connection, ("id",), EventFilter(run_id=value), everything, ALL_ROWS)]
        return ids, head_id(connection)


class _Wanted:
    """The leaves that name what was asked for, or stand where a row does; each proved to be under the checkpoint."""

    def __init__(self, tiles: Tiles, checkpoint: Checkpoint, report: Report, field: str, value: str) -> None:
        self._tiles = tiles
        self._checkpoint = checkpoint
        self._report = report
        self._field = field
        self._value = value
        # As it stands in a leaf: between quotes, as JSON writes it.
        self._needle = msgspec.json.encode(value)

    def leaves(self, index: int, ids: Iterable[int]) -> dict[int, Leaf | None]:
        """The leaves of one bundle by id, in their order; None where one can't be believed, and the report says why."""
        width = width_of(0, index, self._checkpoint.size)
        asked = set(ids)
        if not asked and not self._is_named_in(index, width):
            return {}
        found = leaves_of_bundle(self._tiles, index, width, Hashes(), self._report)
        first = index * TILE_WIDTH + 1
        kept = {
            row_id: leaf
            for row_id, leaf in enumerate(found, first)
            if row_id in asked or (leaf is not None and getattr(leaf, self._field) == self._value)
        }
        if kept and not self._leads_to_root(index, width):
            name = tile_path(0, index, width)
            self._report.add("forked_tree", f"the way from {name} does not lead to the root that was signed")
        return kept

    def _is_named_in(self, index: int, width: int) -> bool:
        try:
            return any(self._needle in entry for entry in self._tiles.entries(index, width))
        except TileMissing as error:
            self._report.add("missing_tile", error.message)
        except TileBroken as error:
            self._report.add("forked_tree", error.message)
        return False

    def _leads_to_root(self, index: int, width: int) -> bool:
        """Walk the way from the first leaf of this tile to the root. Every hash of the tile is needed on it, so that one walk
        proves them all; that the leaves fit these hashes was seen when they were read.
        """
        size, at = self._checkpoint.size, index * TILE_WIDTH
        try:
            leaf = self._tiles.hashes(0, index, width)[:32]
            proof: Sequence[bytes] = inclusion_proof(self._tiles.subtree(size), at, size)
        except TileMissing as error:
            self._report.add("missing_tile", error.message)
            return True  # said already
        except TileBroken:
            return False
        return root_from_inclusion(at, size, leaf, proof) == self._checkpoint.root
