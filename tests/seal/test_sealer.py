"""The sealer: every row becomes a leaf, no crash forks the tree, and nothing is signed that contradicts what was."""

from __future__ import annotations

import shutil
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flightlog.errors import SealBroken, StoreUnavailable
from flightlog.journal.read import get_event_at
from flightlog.seal import sealer as sealer_module
from flightlog.seal.leaf import payload_digest, read_leaf
from flightlog.seal.merkle import leaf_hash, root_of
from flightlog.seal.note import Checkpoint, open_note
from flightlog.seal.sealer import read_state
from flightlog.seal.tiles import Tiles
from flightlog.seal.verify import verify_store
from tests.seal.conftest import Flight


def checkpoint(flight: Flight) -> Checkpoint:
    note = (flight.seal_folder / "checkpoint").read_text("utf-8")
    return Checkpoint.parse(open_note(note, flight.keys.trusted())[0])


def leaves(flight: Flight, size: int) -> list[bytes]:
    tiles = Tiles(flight.seal_folder)
    return [leaf for index in range((size + 255) // 256) for leaf in tiles.entries(index, min(256, size - 256 * index))]


def test_an_empty_journal_has_a_signed_tree_of_nothing(flight: Flight) -> None:
    flight.seal()
    assert checkpoint(flight).size == 0
    assert verify_store(flight.store, flight.seal_folder, flight.keys).ok


def test_every_row_becomes_a_leaf_and_the_checkpoint_is_the_root_over_them(flight: Flight) -> None:
    flight.record(600)
    sealer = flight.seal()
    found = leaves(flight, 600)
    assert sealer.sealed.size == sealer.sealed.signed == checkpoint(flight).size == 600
    assert checkpoint(flight).root == root_of([leaf_hash(leaf) for leaf in found])
    assert [read_leaf(leaf).event_id for leaf in found] == [f"e{number:06d}" for number in range(1, 601)]
    report = verify_store(flight.store, flight.seal_folder, flight.keys)
    assert (report.ok, report.sealed, report.checked, report.unsealed) == (True, 600, 600, 0)


def test_a_leaf_says_nothing_of_the_payload_without_the_salt(flight: Flight) -> None:
    flight.record(1)
    flight.seal()
    payload = bytes(get_event_at(flight.store, 1).payload)
    leaf = read_leaf(leaves(flight, 1)[0])
    with flight.store.read() as connection:
        salt = connection.exec_driver_sql("SELECT salt FROM seal_salts WHERE id = 1").scalar_one()
    digest = sha256(payload).digest()
    assert leaf.payload_digest == payload_digest(salt, digest)
    assert leaf.payload_digest not in (payload_digest(bytes(16), digest), digest.hex())


def test_sealing_goes_on_where_it_ended(flight: Flight) -> None:
    for turn in range(5):
        flight.record(130, first=1 + 130 * turn)
        flight.seal()
        before = checkpoint(flight)
        flight.reopen()
        flight.seal()
        assert checkpoint(flight) == before
    assert verify_store(flight.store, flight.seal_folder, flight.keys).checked == 650


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the code under test catches it and carries on."""


@given(st.lists(st.integers(0, 6), min_size=1, max_size=6))
@settings(max_examples=25, deadline=None)
def test_no_step_that_it_is_killed_at_forks_the_tree(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int]
) -> None:
    flight = Flight(tmp_path_factory.mktemp("killed") / "flight")
    signed: list[Checkpoint] = []
    for turn, step in enumerate(steps):
        flight.record(150, first=1 + 150 * turn)
        kill_at(flight, step)
        flight.reopen()
        if (flight.seal_folder / "checkpoint").exists():
            signed.append(checkpoint(flight))
    sealer = flight.seal()
    found = [leaf_hash(leaf) for leaf in leaves(flight, sealer.sealed.size)]
    assert sealer.sealed.size == 150 * len(steps)
    for earlier in signed:
        assert root_of(found[: earlier.size]) == earlier.root
    assert verify_store(flight.store, flight.seal_folder, flight.keys).ok
    flight.store.close()


def kill_at(flight: Flight, step: int) -> None:
    """Seal and sign, and be killed after so many of the things that sealing does to the disk."""
    left = [step * 3]

    def counted(function):  # type: ignore[no-untyped-def]
        def call(*args, **kwargs):  # type: ignore[no-untyped-def]
            if not left[0]:
                raise Killed
            left[0] -= 1
            return function(*args, **kwargs)

        return call

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Tiles, "_write", counted(Tiles._write))
        patched.setattr(sealer_module, "write_whole", counted(sealer_module.write_whole))
        patched.setattr(type(flight.store), "write", counted(type(flight.store).write))
        try:
            flight.seal()
        except Killed:
            pass


def test_a_store_that_was_set_back_is_not_signed_again(flight: Flight) -> None:
    flight.record(10)
    flight.seal()
    flight.store.close()
    shutil.copy(flight.folder / "flightlog.db", flight.folder / "old.db")
    flight.open()
    flight.record(10, first=11)
    flight.seal()
    flight.store.close()
    for name in ("flightlog.db-wal", "flightlog.db-shm"):
        (flight.folder / name).unlink(missing_ok=True)
    shutil.copy(flight.folder / "old.db", flight.folder / "flightlog.db")
    flight.open()
    with pytest.raises(SealBroken, match="covers 20 events and the store knows of 10: it was set back"):
        flight.sealer()
    assert checkpoint(flight).size == 20


def test_tiles_that_do_not_add_up_are_not_built_upon(flight: Flight) -> None:
    flight.record(300)
    flight.seal()
    tile = flight.seal_folder / "tile/0/001.p/44"
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
    with pytest.raises(SealBroken, match="do not add up"):
        flight.sealer()
    (flight.seal_folder / "checkpoint").unlink()
    with pytest.raises(SealBroken, match="there is no checkpoint"):
        flight.sealer()


def test_two_sealers_of_one_store_do_not_both_count(flight: Flight) -> None:
    flight.record(5)
    one, other = flight.sealer(), flight.sealer()
    assert one.seal() == 5
    with pytest.raises(SealBroken, match="somebody else seals this store"):
        other.seal()


def test_a_commit_that_fails_leaves_the_sealer_where_it_was(flight: Flight) -> None:
    flight.record(300)
    sealer = flight.sealer()
    sealer.seal()
    with pytest.MonkeyPatch.context() as patched:

        def refuse(*_: object) -> None:
            raise StoreUnavailable(reason="the disk is full")

        patched.setattr(type(flight.store), "write", refuse)
        with pytest.raises(StoreUnavailable):
            sealer.seal()
    assert (sealer.sealed.size, read_state(flight.store)[0]) == (100, 100)
    while sealer.seal():
        continue
    sealer.publish()
    assert verify_store(flight.store, flight.seal_folder, flight.keys).checked == 300


def test_a_checkpoint_waits_for_the_disk(flight: Flight) -> None:
    flight.record(5)
    sealer = flight.sealer()
    before = flight.synced
    sealer.seal()
    assert (flight.synced, sealer.publish(), flight.synced) == (before, True, before + 1)
    assert not sealer.publish()


def test_a_row_that_was_gone_before_it_could_be_sealed_is_a_leaf_that_says_so(flight: Flight) -> None:
    flight.record(5)
    flight.store.write(lambda tx: tx.sql.exec_driver_sql("DELETE FROM run_events WHERE id = 3").rowcount)
    flight.seal()
    report = verify_store(flight.store, flight.seal_folder, flight.keys)
    assert [(one.kind, one.id) for one in report.findings] == [("deleted_row", 3)]
