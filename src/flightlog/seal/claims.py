"""What retention removed: gaps that an audit event speaks of, which has to be sealed itself before it is believed."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

from flightlog.errors import NoteInvalid, TileBroken, TileMissing
from flightlog.journal.removed import Removals
from flightlog.seal.keys import Keys
from flightlog.seal.leaf import Leaf, read_leaf
from flightlog.seal.merkle import inclusion_proof, leaf_hash, root_from_inclusion
from flightlog.seal.note import Checkpoint, Verifier, open_note
from flightlog.seal.tiles import TILE_WIDTH, Tiles, tile_path, width_of
from flightlog.store.contract import Store

# A removal that was made while the store was being verified is under a checkpoint in a moment.
CLAIM_SECONDS, CLAIM_POLL_SECONDS = 3.0, 0.1


class Claims:
    """Which events were removed, and by which audit events: `made` counts the events by the journal id of each of these."""

    def __init__(self, store: Store) -> None:
        self.made: dict[int, int] = {}
        self._store = store
        self._removals = Removals()

    def of(self, ids: Collection[int]) -> set[int]:
        """Those of these events, which are gone, that a removal names."""
        if not ids:
            return set()
        with self._store.read() as connection:
            found = self._removals.by_removal(connection, ids)
        for removal_id, named in found.items():
            self.made[removal_id] = self.made.get(removal_id, 0) + len(named)
        return {row_id for named in found.values() for row_id in named}


def proved_leaf(folder: Path, keys: Keys, trusted: Verifier | None, row_id: int) -> Leaf | None:
    """The leaf of this event, if the newest checkpoint covers it and the way from it leads to the signed root."""
    checkpoint = _covering(folder, keys, trusted, row_id)
    if checkpoint is None:
        return None
    size, tiles, index = checkpoint.size, Tiles(folder), row_id - 1
    number, at = divmod(index, TILE_WIDTH)
    try:
        entry = tiles.entries(number, width_of(0, number, size))[at]
        proof = inclusion_proof(tiles.subtree(size), index, size)
        if root_from_inclusion(index, size, leaf_hash(entry), proof) != checkpoint.root:
            return None
        return read_leaf(entry, tile_path("entries", number, width_of(0, number, size)))
    except (TileMissing, TileBroken):
        return None


def _covering(folder: Path, keys: Keys, trusted: Verifier | None, row_id: int) -> Checkpoint | None:
    """The newest checkpoint, once it covers this event; None where it does not in a moment's time."""
    until = time.monotonic() + CLAIM_SECONDS
    while True:
        try:
            note = (folder / "checkpoint").read_text("utf-8")
            checkpoint = Checkpoint.parse(open_note(note, keys.trusted(trusted))[0])
        except (FileNotFoundError, NoteInvalid, UnicodeDecodeError):
            return None
        if checkpoint.origin != keys.origin:
            return None
        if checkpoint.size >= row_id:
            return checkpoint
        if time.monotonic() >= until:
            return None
        time.sleep(CLAIM_POLL_SECONDS)
