"""Evidence bundles: events with everything that it takes to check them, offline, on somebody else's machine."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from sqlalchemy import select

from flightlog.clock import format_ns
from flightlog.errors import EvidenceMissing
from flightlog.journal.erase import IDS_AT_ONCE, erasures_of
from flightlog.journal.filter import EventFilter
from flightlog.journal.read import head_id
from flightlog.journal.removed import Removals, removals
from flightlog.seal.keys import Keys
from flightlog.seal.leaf import HEADER, REST, read_leaf
from flightlog.seal.merkle import inclusion_proof, leaf_hash, tree_hash
from flightlog.seal.note import Checkpoint, open_note
from flightlog.seal.rows import whole_page, whole_rows
from flightlog.seal.tiles import TILE_WIDTH, Tiles, width_of
from flightlog.store.contract import Store

EVENTS_AT_ONCE = 2_000
PROOF_FILES_MAX = 1_000  # with more events than this the common proof alone is enough
VERIFIER = Path(__file__).with_name("bundle") / "verify.py"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # of files in the zip, so that the same evidence is the same bytes
_encode = msgspec.json.encode
_templates = Environment(
    loader=FileSystemLoader(VERIFIER.parent),
    autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)

FILES = (
    (
        "events.jsonl",
        "The events, one a line, with their payloads byte for byte as they were stored, their leaf and their salt.",
    ),
    ("proof.json", "The hashes that lead from the events to the root."),
    ("checkpoint", "The signed root."),
    ("keys.txt, keys/", "The log's public keys, and each key's signature over the next."),
    ("proofs/", "Where the bundle is small: every event's own proof in the form of c2sp.org/tlog-proof."),
    ("manifest.json", "The digests of all other files."),
    ("verify.py", "The program that checks all of it. Read it: it is short."),
)
REMOVED_FILE = (
    "removed.jsonl",
    "Events that were removed by the rules of retention: what the tree still says of each.",
)
# What a reader has to know, each with the number that it is about.
NOTES = (
    "Of {:,} events the payload was erased: their envelope and their place are proved, their content is gone.",
    "{:,} more events match and are not in here: they were not under a checkpoint yet.",
    "The recording was not whole all the time: {:,} events of the type degraded say when, why, and how much was lost.",
    "{:,} events of the run went by the rules of retention: it is proved that they were there; events retention.remove say why.",
)


class Bundle(NamedTuple):
    """What was put into a bundle. `unsealed` events match as well and are not under a checkpoint yet; of `removed` ones, which
    retention took, the leaf alone is in it.
    """

    events: int
    erased: int
    unsealed: int
    degraded: int
    size: int
    root: str
    origin: str
    removed: int


def write_bundle(
    store: Store,
    folder: Path,
    keys: Keys,
    wanted: EventFilter,
    out: IO[bytes],
    *,
    subject: str,
    now_ns: int,
    progress: Callable[[int, int | None], object] | None = None,
    extra: Mapping[str, tuple[str, bytes]] | None = None,
) -> Bundle:
    """Write a zip with the events that pass the filter, their proof, and a program that checks both.

    `subject` says in words whose evidence it is. `extra` are more files by name, each with the words for what it is.
    Raises EvidenceMissing where nothing that matches is under a checkpoint yet.
    """
    note = (folder / "checkpoint").read_text("utf-8") if (folder / "checkpoint").exists() else None
    if note is None:
        raise EvidenceMissing(subject=subject, reason="nothing is sealed yet")
    checkpoint = Checkpoint.parse(open_note(note, keys.trusted())[0])
    tiles = Tiles(folder)
    collected = _Collected(tiles, checkpoint.size)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        files: dict[str, str] = {}

        def put(name: str, data: bytes) -> None:
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
            files[name] = hashlib.sha256(data).hexdigest()

        digest = hashlib.sha256()
        with archive.open(zipfile.ZipInfo("events.jsonl", _EPOCH), "w", force_zip64=True) as lines:
            for line in collected.lines(store, wanted, progress):
                lines.write(line)
                digest.update(line)
        if collected.removed:
            put("removed.jsonl", b"".join(collected.removed_lines()))
        if not collected.leaves:
            raise EvidenceMissing(subject=subject, reason="no event that matches is under a checkpoint yet")
        files["events.jsonl"] = digest.hexdigest()
        subtree = tiles.subtree(checkpoint.size)
        proof = {"size": checkpoint.size, "nodes": dict(_nodes(collected.leaves, subtree, 0, checkpoint.size))}
        put("proof.json", json.dumps(proof, separators=(",", ":")).encode())
        put("checkpoint", note.encode())
        put("keys.txt", "".join(f"{key.text}\n" for key in keys.trusted()).encode())
        hand_overs = sorted((folder / "keys").glob("*.note"))
        for file in hand_overs:
            put(f"keys/{file.name}", file.read_bytes())
        if len(collected.leaves) <= PROOF_FILES_MAX:
            for index in collected.leaves:
                put(
                    f"proofs/{index + 1}.tlog-proof",
                    _proof_file(index, inclusion_proof(subtree, index, checkpoint.size), note),
                )
        made = Bundle(
            events=collected.events,
            erased=collected.erased,
            unsealed=collected.unsealed,
            degraded=collected.types.get("degraded", 0),
            size=checkpoint.size,
            root=base64.b64encode(checkpoint.root).decode(),
            origin=checkpoint.origin,
            removed=len(collected.removed),
        )
        more = extra or {}
        for name, (_, data) in more.items():
            put(name, data)
        listed = (
            *FILES,
            *([REMOVED_FILE] if made.removed else []),
            *((name, meaning) for name, (meaning, _) in more.items()),
        )
        for name, text in _report(made, collected, subject, keys.trusted()[0].text, now_ns, listed):
            put(name, text)
        put("verify.py", VERIFIER.read_bytes())
        manifest = {
            "version": "flightlog-evidence/1",
            "subject": subject,
            "made_at": format_ns(now_ns),
            "events": made.events,
            "erased": made.erased,
            "unsealed": made.unsealed,
            **({"removed": made.removed} if made.removed else {}),
            "hand_overs": [f"keys/{file.name}" for file in hand_overs],
            "files": files,
        }
        archive.writestr(
            zipfile.ZipInfo("manifest.json", _EPOCH), json.dumps(manifest, indent=1) + "\n", zipfile.ZIP_DEFLATED
        )
    return made


class _Collected:
    """What is known of the events that went in: leaf by leaf, and in sum."""

    def __init__(self, tiles: Tiles, size: int) -> None:
        self.leaves: dict[int, bytes] = {}
        self.events = 0
        self.removed: dict[int, bytes] = {}  # leaves of events that retention took, by id
        self.erased = 0
        self.unsealed = 0
        self.types: Counter[str] = Counter()
        self.runs: set[str] = set()
        self.first_at: int | None = None
        self.last_at: int | None = None
        self._without_payload: list[int] = []
        self._tiles = tiles
        self._size = size
        self._bundle: tuple[int, list[bytes]] = (-1, [])

    def lines(
        self, store: Store, wanted: EventFilter, progress: Callable[[int, int | None], object] | None
    ) -> Iterator[bytes]:
        """The lines of events.jsonl, in commit order."""
        wanted.check()
        after = 0
        while True:
            found = _page(store, wanted, after)
            for row in found:
                if row[0] > self._size:
                    self.unsealed += 1
                else:
                    yield self._line(row)
            if progress is not None:
                progress(len(self.leaves), None)
            if len(found) < EVENTS_AT_ONCE:
                break
            after = found[-1][0]
        # Why something is missing belongs to the evidence.
        for row in _erasures(store, self._without_payload, set(self.leaves)):
            if row[0] <= self._size:
                yield self._line(row)
        if wanted == EventFilter(run_id=wanted.run_id) and wanted.run_id is not None:
            yield from self._of_removed(store, wanted.run_id)

    def removed_lines(self) -> Iterator[bytes]:
        """The lines of removed.jsonl: what the tree still says of events that are gone."""
        for row_id, leaf in sorted(self.removed.items()):
            yield _encode({"id": row_id, "leaf": leaf.decode()}) + b"\n"

    def _of_removed(self, store: Store, run_id: str) -> Iterator[bytes]:
        """The lines of the events that say what retention took of this run; the leaves of what it took go into `removed`."""
        with store.read() as connection:
            spans = connection.execute(select(removals.c.first_id, removals.c.last_id)).all()
        numbers = {
            number
            for first, last in spans
            for number in range((first - 1) // TILE_WIDTH, (min(last, self._size) - 1) // TILE_WIDTH + 1)
        }
        needle = _encode(run_id)
        gone: dict[int, bytes] = {}
        for number in sorted(numbers):
            entries = self._tiles.entries(number, width_of(0, number, self._size))
            for index, entry in enumerate(entries, number * TILE_WIDTH):
                if needle in entry and index not in self.leaves and read_leaf(entry).run_id == run_id:
                    gone[index + 1] = entry
        with store.read() as connection:
            claimed = Removals().by_removal(connection, gone)
            said = [row for row in whole_rows(connection, sorted(claimed)) if row[0] <= self._size]
        for row in said:
            for row_id in claimed[row[0]]:
                self.removed[row_id] = gone[row_id]
                self.leaves[row_id - 1] = leaf_hash(gone[row_id])
            if row[0] - 1 not in self.leaves:
                yield self._line(row)

    def _line(self, row: Sequence[Any]) -> bytes:
        index = row[0] - 1
        leaf = self._leaf(index)
        payload, salt = row[-2], row[-1]
        self.leaves[index] = leaf_hash(leaf)
        self.events += 1
        if payload is None:
            self.erased += 1
            self._without_payload.append(row[0])
        self.types[row[4]] += 1
        if row[5] is not None:
            self.runs.add(row[5])
        self.first_at = row[2] if self.first_at is None else min(self.first_at, row[2])
        self.last_at = row[2] if self.last_at is None else max(self.last_at, row[2])
        event = dict(zip((*HEADER, *REST), row, strict=False))
        event |= {"at": format_ns(row[2]), "leaf": leaf.decode(), "salt": salt.hex() if salt is not None else None}
        # The payload last and byte for byte as it was stored: its digest is over these very bytes.
        return _encode(event)[:-1] + b',"payload":' + (payload or "{}").encode() + b"}\n"

    def _leaf(self, index: int) -> bytes:
        number, at = divmod(index, TILE_WIDTH)
        if self._bundle[0] != number:
            self._bundle = (number, self._tiles.entries(number, width_of(0, number, self._size)))
        return self._bundle[1][at]


def _page(store: Store, wanted: EventFilter, after: int) -> Sequence[Sequence[Any]]:
    with store.read() as connection:
        return whole_page(connection, wanted, after, head_id(connection) + 1, EVENTS_AT_ONCE)


def _erasures(store: Store, erased: Sequence[int], present: set[int]) -> Iterator[Sequence[Any]]:
    """The events that say why these payloads are gone, without those that are in the bundle already (by leaf)."""
    said: set[int] = set()
    for start in range(0, len(erased), IDS_AT_ONCE):
        with store.read() as connection:
            found = connection.execute(erasures_of(erased[start : start + IDS_AT_ONCE]))
            said.update(row.erasure_id for row in found)
    for erasure_id in sorted(said):
        if erasure_id - 1 not in present:
            with store.read() as connection:
                yield from whole_rows(connection, [erasure_id])


def _nodes(
    leaves: dict[int, bytes], subtree: Callable[[int, int], bytes], start: int, end: int
) -> Iterator[tuple[str, str]]:
    """The hashes that lead from these leaves to the root: those of the ranges that hold none of them."""
    todo = [(start, end, sorted(leaves))]
    while todo:
        start, end, inside = todo.pop()
        if not inside:
            yield f"{start}:{end}", tree_hash(subtree, start, end).hex()
        elif end - start > 1:
            half = start + (1 << (end - start - 1).bit_length() - 1)
            cut = next((at for at, index in enumerate(inside) if index >= half), len(inside))
            todo += [(start, half, inside[:cut]), (half, end, inside[cut:])]


def _proof_file(index: int, proof: Sequence[bytes], note: str) -> bytes:
    """One event's proof in the form of c2sp.org/tlog-proof."""
    lines = ["c2sp.org/tlog-proof@v1", f"index {index}", *(base64.b64encode(hash_).decode() for hash_ in proof)]
    return ("\n".join(lines) + "\n\n" + note).encode()


def _report(
    made: Bundle, collected: _Collected, subject: str, key: str, now_ns: int, files: Sequence[tuple[str, str]]
) -> Iterator[tuple[str, bytes]]:
    """What the bundle is, in words for who never saw one, in both forms."""
    facts = {
        "made": made,
        "subject": subject,
        "made_at": format_ns(now_ns),
        "runs": len(collected.runs),
        "first_at": format_ns(collected.first_at or 0),
        "last_at": format_ns(collected.last_at or 0),
        "key": key,
        "types": sorted(collected.types.items()),
        "files": files,
        "notes": [
            text.format(number) for number, text in zip((*made[1:4], made.removed), NOTES, strict=True) if number
        ],
    }
    for name in ("report.md", "report.html"):
        yield name, _templates.get_template(f"{name}.j2").render(facts).encode()
