"""Tampering: every kind of edit, straight in the database and the files, is found and named, and nothing else is."""

from __future__ import annotations

import base64
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from flightlog.seal.keys import Keys
from flightlog.seal.note import Checkpoint, Signer, open_note, sign
from flightlog.seal.tiles import tile_path
from flightlog.seal.verify import KINDS, Report, verify_store
from tests.seal.conftest import Flight

EVENTS = 1_300
EDITS = 60

# An edit is handed the folder, the database and chance; it gives the kinds that may be named for it.
Edit = Callable[[Path, sqlite3.Connection, random.Random], set[str]]


def change_payload(folder: Path, db: sqlite3.Connection, chance: random.Random) -> set[str]:
    row_id = chance.randint(1, EVENTS)
    (payload,) = db.execute("SELECT payload FROM event_payloads WHERE id = ?", [row_id]).fetchone()
    at = chance.randrange(len(payload))
    char = chance.choice([char for char in "0123456789abc{} " if char != payload[at]])
    db.execute("UPDATE event_payloads SET payload = ? WHERE id = ?", [payload[:at] + char + payload[at + 1 :], row_id])
    return {"changed_payload"}


def drop_payload(folder: Path, db: sqlite3.Connection, chance: random.Random) -> set[str]:
    db.execute("DELETE FROM event_payloads WHERE id = ?", [chance.randint(1, EVENTS)])
    return {"changed_payload"}


def drop_salt(folder: Path, db: sqlite3.Connection, chance: random.Random) -> set[str]:
    db.execute("DELETE FROM seal_salts WHERE id = ?", [chance.randint(1, EVENTS)])
    return {"changed_payload"}


def change_envelope(folder: Path, db: sqlite3.Connection, chance: random.Random) -> set[str]:
    texts = ("type", "run_id", "project", "name", "level", "source", "actor", "trace_id", "span_id", "parent_span_id",
             "task_id", "correlation_id", "status", "producer_id", "event_id")  # fmt: skip
    numbers = ("created_at", "received_at", "duration_ns", "seq", "flags")
    column = chance.choice(texts + numbers)
    value = "forged" if column in texts else 12345
    db.execute(f"UPDATE run_events SET {column} = ? WHERE id = ?", [value, chance.randint(1, EVENTS)])
    return {"changed_envelope"}


def change_size_or_digest(folder: Path, db: sqlite3.Connection, chance: random.Random) -> set[str]:
    column, value = chance.choice([("payload_bytes", 1), ("payload_bytes", 0), ("payload_digest", bytes(32))])
    db.execute(f"UPDATE run_events SET {column} = ? WHERE id = ?", [value, chance.randint(1, EVENTS)])
    return {"changed_envelope"}


def drop_payload_and_salt(folder: Path, db: sqlite3.Connection, chance: random.Random) -> set[str]:
    """An erasure that nobody said anything of."""
    row_id = chance.randint(1, EVENTS)
    db.execute("DELETE FROM event_payloads WHERE id = ?", [row_id])
    db.execute("DELETE FROM seal_salts WHERE id = ?", [row_id])
    if chance.random() < 0.5:
        db.execute("INSERT INTO erased_payloads VALUES (?, ?)", [row_id, chance.randint(1, EVENTS)])
    return {"changed_payload"}


def delete_row(folder: Path, db: sqlite3.Connection, chance: random.Random) -> set[str]:
    row_id = chance.randint(1, EVENTS)
    db.execute("DELETE FROM run_events WHERE id = ?", [row_id])
    db.execute("DELETE FROM event_payloads WHERE id = ?", [row_id])
    return {"deleted_row"}


def insert_row(folder: Path, db: sqlite3.Connection, chance: random.Random) -> set[str]:
    new = chance.choice([0, -5, EVENTS + chance.randint(1, 1000)])
    columns = [row[1] for row in db.execute("PRAGMA table_info(run_events)")]
    row = list(db.execute("SELECT * FROM run_events WHERE id = ?", [chance.randint(1, EVENTS)]).fetchone())
    row[0], row[1] = new, "forged"
    db.execute(f"INSERT INTO run_events VALUES ({', '.join('?' * len(columns))})", row)
    return {"inserted_row"}


def move_rows(db: sqlite3.Connection, places: list[int]) -> None:
    """Each row goes to the next place, the last to the first."""
    for table in ("run_events", "event_payloads"):
        for number, row_id in enumerate(places):
            db.execute(f"UPDATE {table} SET id = ? WHERE id = ?", [-1000 - number, row_id])
        for number in range(len(places)):
            db.execute(f"UPDATE {table} SET id = ? WHERE id = ?", [places[(number + 1) % len(places)], -1000 - number])


def swap_ids(folder: Path, db: sqlite3.Connection, chance: random.Random) -> set[str]:
    move_rows(db, chance.sample(range(1, EVENTS + 1), 2))
    return {"swapped_ids"}


def reorder_rows(folder: Path, db: sqlite3.Connection, chance: random.Random) -> set[str]:
    move_rows(db, chance.sample(range(1, EVENTS + 1), chance.randint(3, 9)))
    return {"reordered_rows"}


def files(folder: Path) -> list[Path]:
    """The tiles that a tree of this size has."""
    found = [tile_path(0, index) for index in range(EVENTS // 256)]
    found += [tile_path("entries", index) for index in range(EVENTS // 256)]
    found += [tile_path(0, EVENTS // 256, EVENTS % 256), tile_path("entries", EVENTS // 256, EVENTS % 256)]
    found += [tile_path(1, 0, EVENTS // 256)]
    return [folder / "seal" / name for name in found]


def fork_tree(folder: Path, db: sqlite3.Connection, chance: random.Random) -> set[str]:
    file = chance.choice(files(folder))
    data = bytearray(file.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    file.write_bytes(data)
    return {"forked_tree"}


def cut_tile(folder: Path, db: sqlite3.Connection, chance: random.Random) -> set[str]:
    file = chance.choice(files(folder))
    file.write_bytes(file.read_bytes()[: -chance.randint(1, 31)])
    return {"forked_tree"}


def lose_tile(folder: Path, db: sqlite3.Connection, chance: random.Random) -> set[str]:
    chance.choice([*files(folder), folder / "seal/checkpoint"]).unlink()
    return {"missing_tile"}


def sign_with_another_key(folder: Path, db: sqlite3.Connection, chance: random.Random) -> set[str]:
    path = folder / "seal/checkpoint"
    keys = Keys(folder / "seal", overlap_seconds=0)
    text = open_note(path.read_text(), keys.trusted())[0]
    path.write_text(sign(text, [Signer(keys.origin, chance.randbytes(32))]))
    return {"wrong_key"}


def replace_the_key(folder: Path, db: sqlite3.Connection, chance: random.Random) -> set[str]:
    """A key of the forger's own, in the folder and under the checkpoint: whoever trusts the old one is not fooled."""
    keys = Keys(folder / "seal", overlap_seconds=0)
    text = open_note((folder / "seal/checkpoint").read_text(), keys.trusted())[0]
    private = chance.randbytes(32)
    signer = Signer(keys.origin, private)
    (folder / "seal/keys/001.key").write_bytes(base64.b64encode(private))
    (folder / "seal/keys/001.pub").write_text(f"{signer.verifier.text}\n2026-03-02T09:14:07.000000000Z\n")
    (folder / "seal/checkpoint").write_text(sign(text, [signer]))
    return {"wrong_key"}


def sign_another_root(folder: Path, db: sqlite3.Connection, chance: random.Random) -> set[str]:
    """A fork by whoever has the key."""
    keys = Keys(folder / "seal", overlap_seconds=0)
    signer = keys.all()[0].signer
    assert signer is not None
    forged = Checkpoint(keys.origin, EVENTS, chance.randbytes(32))
    (folder / "seal/checkpoint").write_text(sign(forged.text, [signer]))
    return {"forked_tree"}


KINDS_OF_EDIT: list[Edit] = [
    change_payload, drop_payload, drop_salt, change_envelope, change_size_or_digest, drop_payload_and_salt,
    delete_row, insert_row, swap_ids, reorder_rows, fork_tree,
    cut_tile, lose_tile, sign_with_another_key, replace_the_key, sign_another_root,
]  # fmt: skip


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sealed journal; edits are made to copies of it."""
    flight = Flight(tmp_path_factory.mktemp("sealed") / "flight")
    flight.record(EVENTS)
    flight.seal()
    flight.store.close()
    return flight.folder


def after(
    sealed: Path, folder: Path, edit: Edit, chance: random.Random, verify: Callable[..., Report] = verify_store
) -> tuple[Report, set[str]]:
    """What is found once this edit was made."""
    shutil.copytree(sealed, folder)
    trusted = Keys(folder / "seal", overlap_seconds=0).trusted()[0]
    db = sqlite3.connect(folder / "flightlog.db", isolation_level=None)
    named = edit(folder, db, chance)
    db.close()
    flight = Flight(folder)
    try:
        return verify(flight.store, flight.seal_folder, flight.keys, trusted=trusted), named
    finally:
        flight.store.close()
        shutil.rmtree(folder)


def campaign(sealed: Path, tmp_path: Path, edits: int, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(edits):
        edit = KINDS_OF_EDIT[number % len(KINDS_OF_EDIT)]
        report, named = after(sealed, tmp_path / "copy", edit, chance)
        found = {one.kind for one in report.findings}
        assert found == named, f"edit {number} ({edit.__name__}, seed {seed}): {report.findings}"


def test_an_untouched_store_has_nothing_to_be_found(sealed: Path, tmp_path: Path) -> None:
    report, _ = after(sealed, tmp_path / "copy", lambda *_: set(), random.Random(0))
    assert (report.findings, report.checked, report.unsealed, report.erased) == ([], EVENTS, 0, 0)


def test_a_sample_of_all_edits_is_found_and_named(sealed: Path, tmp_path: Path) -> None:
    campaign(sealed, tmp_path, EDITS, seed=int(os.environ.get("FLIGHTLOG_TEST_SEED", "1")))


@pytest.mark.torture
def test_five_hundred_edits_are_found_and_named(sealed: Path, tmp_path: Path) -> None:
    campaign(sealed, tmp_path, 500, seed=random.randrange(2**32))


def test_an_event_after_the_checkpoint_that_goes_missing_is_noticed(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "flight")
    flight.record(10)
    flight.seal()
    flight.record(10, first=11)
    assert verify_store(flight.store, flight.seal_folder, flight.keys).unsealed == 10
    flight.store.write(lambda tx: tx.sql.exec_driver_sql("DELETE FROM run_events WHERE id = 15").rowcount)
    report = verify_store(flight.store, flight.seal_folder, flight.keys)
    assert [one.kind for one in report.findings] == ["deleted_row"]
    flight.store.close()


def test_every_kind_of_finding_says_what_it_means() -> None:
    assert set(KINDS) == {
        "changed_payload", "changed_envelope", "deleted_row", "inserted_row", "swapped_ids", "reordered_rows", "forked_tree",
        "missing_tile", "broken_archive", "wrong_key",
    }  # fmt: skip
