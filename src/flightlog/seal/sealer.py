"""The sealer: follows the journal, makes every row a leaf of the tree, and signs checkpoints of how far it came.

The order of steps is what makes a crash harmless. Tiles are written and synced; then salts and the new size are committed;
then the store's log is synced; only then a checkpoint says so. Killed before the commit, the tiles beyond the committed
size never counted and are written over. Killed before the checkpoint, the next start signs it. So no two checkpoints are
ever signed that do not extend each other.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import insert, select, update

from flightlog.clock import Clock
from flightlog.errors import NoteInvalid, SealBroken, TileBroken, TileMissing
from flightlog.journal.read import head_id
from flightlog.journal.rows import ERASED_DIGEST
from flightlog.seal.growth import Edge
from flightlog.seal.keys import Keys
from flightlog.seal.leaf import SALT_BYTES, leaf_of, missing_leaf
from flightlog.seal.merkle import tree_hash
from flightlog.seal.note import Checkpoint, open_note, sign
from flightlog.seal.rows import leaf_rows
from flightlog.seal.table import seal_salts, seal_state
from flightlog.seal.tiles import Tiles, write_whole
from flightlog.store.contract import Store, Tx

CHECKPOINT = "checkpoint"


class Sealed(NamedTuple):
    """How far the journal is sealed: ids up to `size`, signed up to `signed`, at this time (ns)."""

    size: int
    signed: int
    sealed_at: int


class Sealer:
    """Seals one store. One thread uses it; `sealed` may be read by any.

    `sync` makes what the store has committed survive a power cut; it is called before every checkpoint.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        keys: Keys,
        *,
        clock: Clock,
        batch_events_max: int,
        sync: Callable[[], None],
        chance: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.sealed = Sealed(0, 0, 0)
        self._store = store
        self.folder = folder
        self._keys = keys
        self._clock = clock
        self.batch_events_max = batch_events_max
        self._sync = sync
        self._chance = chance
        self._edge = Edge(Tiles(folder))

    def open(self) -> None:
        """Take up the work where it ended, and sign what a crash kept from being signed.

        Raises SealBroken where the store and the last checkpoint contradict each other: nothing is signed then, for a log that
        has signed two histories proves nothing any more.
        """
        self._keys.begin(self._clock.now_ns())
        size, sealed_at = read_state(self._store)
        signed = self._check_signed(size)
        try:
            self._edge.load(size)
        except (TileMissing, TileBroken) as error:
            raise SealBroken(reason=error.message) from error
        self.sealed = Sealed(size, signed, sealed_at)
        self.publish()

    def seal(self) -> int:
        """Make the next rows leaves, at most a batch, and commit that. The number of rows; 0 when all are sealed."""
        size = self.sealed.size
        with self._store.read() as connection:
            end = min(head_id(connection), size + self.batch_events_max)
            if end <= size:
                return 0
            found = leaf_rows(connection, size, end)
        drawn = self._chance(SALT_BYTES * (end - size))
        salts = [drawn[at : at + SALT_BYTES] for at in range(0, len(drawn), SALT_BYTES)]
        by_id = {row[0]: row for row in found}
        leaves, kept = [], []
        for row_id, salt in zip(range(size + 1, end + 1), salts, strict=True):
            row = by_id.get(row_id)
            if row is None:
                leaves.append(missing_leaf(row_id))
                continue
            leaves.append(leaf_of(row, salt))
            if row[-1] != ERASED_DIGEST:  # else it was erased already, and there is nothing that a salt could prove
                kept.append((row_id, salt))
        now = self._clock.now_ns()
        try:
            self._edge.append(leaves)
            self._store.write(lambda tx: _keep(tx, size, end, kept, now))
        except BaseException:
            self._edge.load(size)
            raise
        self._edge.settle()
        self.sealed = self.sealed._replace(size=end, sealed_at=now)
        return end - size

    def publish(self) -> bool:
        """Sign a checkpoint of all that is sealed, unless there is one already."""
        size = self.sealed.size
        if size == self.sealed.signed and (self.folder / CHECKPOINT).exists():
            return False
        self._sync()
        text = Checkpoint(self._keys.origin, size, self._edge.root()).text
        signers = self._keys.signing(self._clock.now_ns())
        if not signers:  # as in a folder that was restored without its private keys
            raise NoteInvalid(
                reason=f"there is no private key in {self._keys.folder / 'keys'} to sign with; put it back"
            )
        note = sign(text, signers)
        write_whole(self.folder / CHECKPOINT, note.encode())
        self.sealed = self.sealed._replace(signed=size)
        return True

    def checkpoint(self) -> str:
        """The newest checkpoint, as it was signed."""
        return (self.folder / CHECKPOINT).read_text("utf-8")

    def _check_signed(self, size: int) -> int:
        """The size of the last checkpoint, which the store has to bear out."""
        try:
            note = (self.folder / CHECKPOINT).read_text("utf-8")
        except FileNotFoundError:
            if size:
                raise SealBroken(reason=f"{size} events are sealed and there is no checkpoint") from None
            return 0
        checkpoint = Checkpoint.parse(open_note(note, self._keys.trusted())[0])
        if checkpoint.origin != self._keys.origin:
            raise SealBroken(reason=f"the checkpoint is of another log, {checkpoint.origin}")
        if checkpoint.size > size:
            reason = f"the checkpoint covers {checkpoint.size} events and the store knows of {size}: it was set back"
            raise SealBroken(reason=reason)
        if (
            checkpoint.size
            and tree_hash(Tiles(self.folder).subtree(checkpoint.size), 0, checkpoint.size) != checkpoint.root
        ):
            raise SealBroken(reason="the tiles do not add up to the last checkpoint")
        return checkpoint.size


def read_state(store: Store) -> tuple[int, int]:
    """How many events are sealed, and when that was committed (ns)."""
    with store.read() as connection:
        row = connection.execute(select(seal_state.c.size, seal_state.c.sealed_at)).first()
    return (row[0], row[1]) if row else (0, 0)


def _keep(tx: Tx, size: int, end: int, salts: list[tuple[int, bytes]], now: int) -> None:
    stands = tx.sql.execute(select(seal_state.c.size)).scalar()
    if (stands or 0) != size:
        raise SealBroken(reason=f"somebody else seals this store: it stands at {stands} events, and not at {size}")
    if stands is None:
        tx.sql.execute(insert(seal_state).values(one=1, size=end, sealed_at=now))
    else:
        tx.sql.execute(update(seal_state).values(size=end, sealed_at=now))
    tx.insert_many((seal_salts, salts))
