"""Checks a store against its seal, row by row, and names what it finds.

The leaves are the witness: each row is held against its leaf, the leaves against the tiles, the tiles against the signed
checkpoint. What was written after the checkpoint is checked as far as it can be: that no id is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import func, or_, select

from flightlog.errors import ArchiveFileBroken, ArchiveFileMissing, NoteInvalid, TileBroken, TileMissing
from flightlog.journal.erase import erasures_of
from flightlog.journal.filter import EVERYTHING
from flightlog.journal.history import line_of
from flightlog.journal.lookup import older_rows, rows_at
from flightlog.journal.read import head_id
from flightlog.journal.table import run_events
from flightlog.seal.claims import Claims, proved_leaf
from flightlog.seal.keys import Keys
from flightlog.seal.leaf import COLUMNS, HEADER, MISSING, Leaf, envelope_digest, payload_digest, read_leaf
from flightlog.seal.merkle import HASH_BYTES, fold_perfect, leaf_hash, root_of, tree_hash
from flightlog.seal.note import Checkpoint, Verifier, open_note
from flightlog.seal.rows import whole_rows
from flightlog.seal.tiles import TILE_WIDTH, Tiles, tile_path, width_of
from flightlog.store.contract import Store

FINDINGS_MAX = 1_000
ERASURE = "payloads.erase"  # the operation of the audit events that name erased ids
BUNDLES_AT_ONCE = 8
ENDS_AT_ONCE = 1_000

# What can be wrong, and what it means.
KINDS: dict[str, str] = {
    "changed_payload": "The payload is not the one that was sealed.",
    "changed_envelope": "The envelope is not the one that was sealed.",
    "deleted_row": "The row of a sealed event is gone.",
    "inserted_row": "A row stands where the journal never put one.",
    "swapped_ids": "Two events have changed places.",
    "reordered_rows": "Events have changed places.",
    "forked_tree": "The tree is not the one that was signed.",
    "missing_tile": "A piece of the tree is gone.",
    "broken_archive": "A file of the archive is gone or damaged; what is in it could not be checked.",
    "wrong_key": "The checkpoint was not signed by a key that is trusted.",
}


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong. `id` is the event's place in commit order, where it is about an event."""

    kind: str
    detail: str
    id: int | None = None


class Report(msgspec.Struct, kw_only=True):
    """What a verification found. Of the events that were asked for, `sealed` ones are covered by the checkpoint, `unsealed`
    ones came after it.

    `erased` are those whose payload was lawfully erased: their leaf is there, their payload and salt are not. `removed` are those
    that retention took, as sealed audit events say: only their leaf is there.
    """

    origin: str = ""
    sealed: int = 0
    unsealed: int = 0
    checked: int = 0
    erased: int = 0
    removed: int = 0
    findings: list[Finding] = []
    more: int = 0  # findings beyond those that are listed

    @property
    def ok(self) -> bool:
        """Whether nothing was wrong."""
        return not self.findings

    def add(self, kind: str, detail: str, id: int | None = None) -> None:  # noqa: A002 (the journal's own word)
        """Note what is wrong."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(Finding(kind, detail, id))
        else:
            self.more += 1


Progress = Callable[[int, int], object]


def verify_store(
    store: Store, folder: Path, keys: Keys, *, trusted: Verifier | None = None, progress: Progress | None = None
) -> Report:
    """Check the whole store. `trusted` is the key that the reader believes; without it the folder's own first key."""
    report = Report(findings=[])
    checkpoint = checkpoint_of(folder, keys, trusted, report)
    if checkpoint is None:
        return report
    report.origin, report.sealed = checkpoint.origin, checkpoint.size
    hashes = Hashes()
    moved: Moved = {}
    erasures, claims = Erasures(store), Claims(store)
    for first, leaves in _leaves(Tiles(folder), checkpoint.size, hashes, report):
        held = {row_id: leaf for row_id, leaf in enumerate(leaves, first) if leaf is not None}
        check_rows(store, held, moved, erasures, claims, report)
        report.checked += len(leaves)
        if progress is not None:
            progress(report.checked, checkpoint.size)
    name_moves(moved, report)
    _check_tree(Tiles(folder), checkpoint, hashes, report)
    _check_ends(store, checkpoint.size, claims, report)
    check_claims(store, folder, keys, trusted, claims, report)
    return report


def checkpoint_of(folder: Path, keys: Keys, trusted: Verifier | None, report: Report) -> Checkpoint | None:
    """The checkpoint, if there is one that can be believed; else the report says why not."""
    try:
        note = (folder / "checkpoint").read_text("utf-8")
        checkpoint = Checkpoint.parse(open_note(note, keys.trusted(trusted))[0])
        if checkpoint.origin != keys.origin:
            raise NoteInvalid(reason=f"it is the checkpoint of another log, {checkpoint.origin}")
    except FileNotFoundError:
        report.add("missing_tile", "there is no checkpoint")
    except (NoteInvalid, UnicodeDecodeError) as error:
        report.add("wrong_key", str(error))
    else:
        return checkpoint
    return None


# ── the tree ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Hashes:
    """The tree that the leaves add up to, level by level, as far as tiles hold it."""

    def __init__(self) -> None:
        self.levels: list[list[bytes]] = [[]]

    def add(self, hash_: bytes) -> None:
        self.levels[0].append(hash_)
        level = 0
        while len(self.levels[level]) % TILE_WIDTH == 0:
            if level + 1 == len(self.levels):
                self.levels.append([])
            self.levels[level + 1].append(fold_perfect(self.levels[level][-TILE_WIDTH:]))
            level += 1


def _leaves(tiles: Tiles, size: int, hashes: Hashes, report: Report) -> Iterator[tuple[int, list[Leaf | None]]]:
    """The leaves in portions, with the id of the first of each; None where a leaf can't be believed."""
    portion: list[Leaf | None] = []
    first = 1
    for index in range((size + TILE_WIDTH - 1) // TILE_WIDTH):
        width = width_of(0, index, size)
        portion.extend(leaves_of_bundle(tiles, index, width, hashes, report))
        if index % BUNDLES_AT_ONCE == BUNDLES_AT_ONCE - 1:
            yield first, portion
            first, portion = first + len(portion), []
    if portion:
        yield first, portion


def leaves_of_bundle(tiles: Tiles, index: int, width: int, hashes: Hashes, report: Report) -> list[Leaf | None]:
    """The leaves of one bundle that fit the tile of their hashes; the tile's hashes count as the tree's."""
    known = _tile(tiles, 0, index, width, report)
    try:
        entries: list[bytes] = tiles.entries(index, width)
    except (TileMissing, TileBroken) as error:
        report.add("missing_tile" if isinstance(error, TileMissing) else "forked_tree", error.message)
        entries = []
    found: list[Leaf | None] = [None] * width
    for at in range(width):
        entry = entries[at] if entries else None
        hash_ = known[at] if known else leaf_hash(entry) if entry is not None else b"\x00" * HASH_BYTES
        hashes.add(hash_)
        if entry is None:
            continue
        if leaf_hash(entry) != hash_:
            report.add("forked_tree", f"a leaf in {tile_path('entries', index, width)} does not fit its hash")
            continue
        try:
            found[at] = read_leaf(entry, tile_path("entries", index, width))
        except TileBroken as error:
            report.add("forked_tree", error.message)
    return found


def _tile(tiles: Tiles, level: int, index: int, width: int, report: Report) -> list[bytes]:
    try:
        data = tiles.hashes(level, index, width)
    except TileMissing as error:
        report.add("missing_tile", error.message)
        return []
    except TileBroken as error:
        report.add("forked_tree", error.message)
        return []
    return [data[at : at + HASH_BYTES] for at in range(0, width * HASH_BYTES, HASH_BYTES)]


def _check_tree(tiles: Tiles, checkpoint: Checkpoint, hashes: Hashes, report: Report) -> None:
    """The upper tiles against the lower ones, and the root against what was signed."""
    for level in range(1, len(hashes.levels)):
        row = hashes.levels[level]
        for index in range((len(row) + TILE_WIDTH - 1) // TILE_WIDTH):
            width = width_of(level, index, checkpoint.size)
            known = _tile(tiles, level, index, width, report) if width else []
            if known and known != row[index * TILE_WIDTH : index * TILE_WIDTH + width]:
                report.add("forked_tree", f"{tile_path(level, index, width)} is not what lies below it")
    root = tree_hash(
        lambda height, index: root_of(hashes.levels[height // 8][index << height % 8 : (index + 1) << height % 8]),
        0,
        checkpoint.size,
    )
    if root != checkpoint.root and not any(one.kind in ("forked_tree", "missing_tile") for one in report.findings):
        report.add("forked_tree", "the tree does not add up to the root that was signed")


# ── the rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Erasures:
    """Which payloads were erased, by the audit events that say so. These are sealed themselves, so nobody adds to them later."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ranges: dict[int, list[list[int]]] = {}

    def covers(self, row_id: int) -> bool:
        with self._store.read() as connection:
            found = connection.execute(erasures_of([row_id])).first()
            if found is None:
                return False
            if found.erasure_id not in self._ranges:
                said = rows_at(connection, ("id", "payload"), [found.erasure_id])
                self._ranges[found.erasure_id] = _ids_in(said[0][1] if said else None)
        return any(first <= row_id <= last for first, last in self._ranges[found.erasure_id])


def _ids_in(payload: str | None) -> list[list[int]]:
    try:
        said = msgspec.json.decode(payload or "{}", type=_Erasure)
    except msgspec.DecodeError:
        return []
    return said.details.ids if said.operation == ERASURE else []


class _Details(msgspec.Struct):
    ids: list[list[int]] = []


class _Erasure(msgspec.Struct):
    operation: str = ""
    details: _Details = msgspec.field(default_factory=_Details)


Moved = dict[int, tuple[Leaf, str | None]]


def check_rows(
    store: Store,
    leaves: Mapping[int, Leaf],
    moved: Moved,
    erasures: Erasures,
    claims: Claims,
    report: Report,
) -> None:
    """Hold the rows of these ids against their leaves. What belongs elsewhere is put into `moved`, for `name_moves`."""
    found: dict[int, Sequence[Any]] = {}
    try:
        with store.read() as connection:
            rows = whole_rows(connection, list(leaves))
    except (ArchiveFileMissing, ArchiveFileBroken) as error:
        if all(one.detail != error.message for one in report.findings):
            report.add("broken_archive", error.message)
        return
    for row in rows:
        if row[0] in found:
            report.add("inserted_row", f"event {row[1]} stands in an archived file a second time", row[0])
        found[row[0]] = row
    removed = claims.of([row_id for row_id in leaves if row_id not in found])
    report.removed += len(removed)
    for row_id, leaf in leaves.items():
        held = found.get(row_id)
        if row_id in removed:
            continue
        if leaf.type == MISSING and not leaf.event_id:
            report.add("deleted_row", "it was gone before it could be sealed", row_id)
        elif held is None:
            report.add("deleted_row", f"event {leaf.event_id} is gone", row_id)
        else:
            _check_row(row_id, leaf, held, moved, erasures, report)


def _check_row(
    row_id: int,
    leaf: Leaf,
    row: Sequence[Any],
    moved: Moved,
    erasures: Erasures,
    report: Report,
) -> None:
    payload, salt = row[-2], row[-1]
    if row[1] != leaf.event_id:
        moved[row_id] = (leaf, row[1])
        return
    changed = _changed(leaf, row)
    if changed:
        report.add("changed_envelope", f"event {leaf.event_id}: {changed}", row_id)
    if payload is None and salt is None and erasures.covers(row_id):
        report.erased += 1
    elif payload is None:
        report.add("changed_payload", f"event {leaf.event_id}: it is gone and no erasure speaks of it", row_id)
    elif salt is None:
        report.add("changed_payload", f"event {leaf.event_id}: its salt is gone", row_id)
    else:
        data = payload.encode()
        digest = sha256(data).digest()
        if payload_digest(salt, digest) != leaf.payload_digest:
            report.add("changed_payload", f"event {leaf.event_id}: its digest differs", row_id)
        elif (digest, len(data)) != tuple(row[len(COLUMNS) - 1 : len(COLUMNS) + 1]):
            what = "payload_digest or payload_bytes"
            report.add("changed_envelope", f"event {leaf.event_id}: {what} are not those of its payload", row_id)


def _changed(leaf: Leaf, row: Sequence[Any]) -> str | None:
    """Which part of the envelope differs."""
    for name, said, held in zip(HEADER, leaf, row, strict=False):
        if said != held:
            return name
    return None if envelope_digest(row) == leaf.envelope_digest else "one of the fields that the digest covers"


def name_moves(moved: Moved, report: Report) -> None:
    """Rows that hold another event than their leaf: exchanged with each other, moved around, or put in by somebody."""
    home = {leaf.event_id: row_id for row_id, (leaf, _) in moved.items()}
    for row_id, (leaf, event_id) in moved.items():
        other = home.get(event_id or "")
        if other is None:
            known = "another event" if event_id else "no event"
            report.add("changed_envelope", f"event {leaf.event_id}: event_id; {known} stands in its row", row_id)
        elif moved[other][1] == leaf.event_id:
            report.add("swapped_ids", f"event {leaf.event_id} and event {event_id} have changed places", row_id)
        else:
            report.add("reordered_rows", f"event {event_id} stands in the place of event {leaf.event_id}", row_id)


def check_claims(
    store: Store, folder: Path, keys: Keys, trusted: Verifier | None, claims: Claims, report: Report
) -> None:
    """What says that retention removed something has to be sealed, and as it was sealed; else the rows were deleted."""
    for removal_id, count in claims.made.items():
        leaf = proved_leaf(folder, keys, trusted, removal_id)
        seen = Report(findings=[])
        if leaf is not None:
            check_rows(store, {removal_id: leaf}, {}, Erasures(store), Claims(store), seen)
        if leaf is None or not seen.ok or seen.removed or seen.erased:
            said = "is not sealed" if leaf is None else "is not as it was sealed"
            report.add(
                "deleted_row", f"{count} events are gone, and what says that retention removed them {said}", removal_id
            )
            report.removed -= count


def _check_ends(store: Store, size: int, claims: Claims, report: Report) -> None:
    """What lies outside the sealed ids: nothing below them, nothing beyond the head, and no gap between."""
    with store.read() as connection:
        head = head_id(connection)
        outside = or_(run_events.c.id < 1, run_events.c.id > max(head, size))
        for row_id, event_id in connection.execute(select(run_events.c.id, run_events.c.event_id).where(outside)):
            report.add("inserted_row", f"event {event_id} stands outside of what the journal gave out", row_id)
        between = run_events.c.id.between(max(size, line_of(connection)) + 1, max(head, size))
        present = connection.execute(select(func.count()).select_from(run_events).where(between)).scalar_one()
        present += len({row[0] for row in older_rows(connection, ("id",), EVERYTHING, after_id=size)})
    report.unsealed = max(0, head - size)
    if present < report.unsealed:
        present += _removed_after(store, size, head, claims)
    if present < report.unsealed:
        report.add("deleted_row", f"{report.unsealed - present} events that were not sealed yet are gone")


def _removed_after(store: Store, size: int, head: int, claims: Claims) -> int:
    """How many of the ids that are not sealed were removed, as they may be where nothing seals for a time."""
    count = 0
    for first in range(size + 1, head + 1, ENDS_AT_ONCE):
        ids = range(first, min(first + ENDS_AT_ONCE, head + 1))
        with store.read() as connection:
            there = {row[0] for row in whole_rows(connection, list(ids))}
        count += len(claims.of([row_id for row_id in ids if row_id not in there]))
    return count
