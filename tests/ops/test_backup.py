"""A backup of a folder in use restores to a prefix of it that verifies; one that is damaged is refused, by the file's name."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from flightlog import wiring
from flightlog.config import Settings
from flightlog.errors import BackupBroken, BadInput, NoteInvalid, NotFound, Unavailable
from flightlog.ops.backup import Made, make_backup
from flightlog.ops.backup_files import LOCK, SUMS, UNFINISHED, backups_in, check, chosen_backup, files_below, locked
from flightlog.ops.backup_restore import drill, restore
from flightlog.recorder.drain import Drain
from flightlog.store.engine import open_store
from flightlog.store.migrations import HEAD, KNOWN
from flightlog.store.migrations.run import upgrade
from flightlog.wiring import Keeper, keeper_drain
from tests.ops.backups import Fleet, append_to, busy, numbers_in
from tests.seal.conftest import Flight

SETTINGS = Settings()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path)
    yield made
    made.close()


def backup(fleet: Fleet, *, with_keys: bool = True, keep: int | None = None) -> Made:
    return make_backup(fleet.folder, fleet.target, SETTINGS, with_keys=with_keys, keep=keep, clock=fleet.flight.clock)


def test_a_backup_while_somebody_writes_restores_to_a_prefix_that_verifies(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flightlog.ops.backup.PAGES_AT_ONCE", 8)  # many steps, between which the writer commits
    fleet.flight.record(700)
    fleet.flight.seal()
    made = []
    with busy(fleet.flight, 701) as writer:
        for _ in range(3):
            made.append(backup(fleet))
            writer.wait_past(made[-1].facts.last_id)
    for place, one in enumerate(made):
        restored = restore(one.path, fleet.place / f"again-{place}", tell=False)
        assert restored.differences == []
        assert restored.verified == one.facts.seal.signed_id >= 700  # type: ignore[union-attr]
        assert numbers_in(Path(restored.folder)) == list(range(1, one.facts.last_id + 1))
    assert made[0].facts.last_id < made[-1].facts.last_id


def test_commits_between_any_two_steps_neither_stop_the_copy_nor_get_into_it(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flightlog.ops.backup.PAGES_AT_ONCE", 16)
    fleet.flight.record(200)
    steps = 0

    def told(done: int, pages: int) -> None:
        nonlocal steps
        steps += 1
        assert steps < 200, "the copy begins anew at every commit"
        fleet.flight.record(1, 200 + steps)

    made = make_backup(fleet.folder, fleet.target, SETTINGS, progress=told)
    assert steps > 5
    assert made.facts.last_id == 200
    assert restore(made.path, fleet.again).differences == []


def test_a_restored_folder_goes_on_where_the_backup_was(fleet: Fleet) -> None:
    fleet.flight.record(300)
    fleet.flight.seal()
    fleet.flight.record(5, 301)
    backup(fleet)
    restored = restore(fleet.target, fleet.again)
    assert restored.ok
    flight = Flight(fleet.again)
    try:
        flight.record(300, 400)
        sealer = flight.seal()
        assert sealer.sealed.signed == 300 + 5 + 300 + 1  # the one is the event that says that it was restored
    finally:
        flight.store.close()
    assert drill(fleet.again, SETTINGS, fleet.place).ok


def test_without_its_private_keys_a_folder_is_read_and_verified_and_nothing_is_signed(fleet: Fleet) -> None:
    fleet.flight.record(10)
    fleet.flight.seal()
    made = backup(fleet, with_keys=False)
    assert not [name for name in files_below(made.path) if name.endswith(".key") and name != "redaction.key"]
    assert restore(fleet.target, fleet.again).ok
    flight = Flight(fleet.again)
    try:
        sealer = flight.sealer()
        assert sealer.seal()
        with pytest.raises(NoteInvalid, match="no private key"):
            sealer.publish()
        shutil.copy(fleet.folder / "seal/keys/001.key", fleet.again / "seal/keys/001.key")
        assert flight.sealer().sealed.signed == 11
    finally:
        flight.store.close()


def test_only_their_owner_can_read_the_files_of_a_backup_and_of_what_it_restores_to(fleet: Fleet) -> None:
    fleet.flight.record(3)
    fleet.flight.seal()
    made = backup(fleet)
    restore(fleet.target, fleet.again)
    for folder in (made.path, fleet.again):
        assert folder.stat().st_mode & 0o077 == 0
        private = {name for name in files_below(folder) if (folder / name).stat().st_mode & 0o077 == 0}
        assert private >= {"flightlog.db", "seal/keys/001.key"}


def test_any_machine_can_check_a_backup(fleet: Fleet) -> None:
    fleet.flight.record(3)
    fleet.flight.seal()
    made = backup(fleet)
    done = subprocess.run(["sha256sum", "-c", "--quiet", SUMS], cwd=made.path, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"")


@pytest.mark.parametrize(
    "name", ["flightlog.db", "backup.json", SUMS, "seal/checkpoint", "seal/tile/entries/000", "flightlog.toml"]
)
@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_one_byte_that_is_wrong_is_found_and_named_and_nothing_is_restored(
    pristine: Path, tmp_path: Path, name: str, harm: str
) -> None:
    copy = tmp_path / "backup"
    shutil.copytree(pristine, copy)
    path = copy / name
    data = bytearray(path.read_bytes())
    if harm == "flip":
        data[len(data) // 2] ^= 1
    path.write_bytes(data if harm == "flip" else data[:-1])
    if harm == "remove":
        path.unlink()
    with pytest.raises((BackupBroken, NotFound)) as refused:
        restore(copy, tmp_path / "again")
    if name != SUMS:
        assert name in refused.value.message
    assert not (tmp_path / "again").exists()


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup for tests that copy it."""
    fleet = Fleet(tmp_path_factory.mktemp("pristine"))
    (fleet.folder / "flightlog.toml").write_text('project = "shop"\n')
    fleet.flight.record(300)
    fleet.flight.seal()
    made = backup(fleet)
    fleet.close()
    assert check(made.path).broken == []
    return made.path


def test_a_file_that_nobody_put_there_is_found(pristine: Path, tmp_path: Path) -> None:
    copy = tmp_path / "backup"
    shutil.copytree(pristine, copy)
    (copy / "spool").mkdir()
    (copy / "spool/x.00000001.seg").write_bytes(b"FLSPOOL1")
    assert check(copy).broken == ["spool/x.00000001.seg: nobody put it there"]


def test_a_backup_that_was_killed_half_way_is_never_restored_from_and_is_replaced(fleet: Fleet, pristine: Path) -> None:
    half = fleet.target / f"{UNFINISHED}2026-01-01T000000Z"
    shutil.copytree(pristine, half)
    (half / SUMS).unlink()
    with pytest.raises(BackupBroken, match="never finished"):
        restore(fleet.target, fleet.again)
    fleet.flight.record(3)
    made = backup(fleet)
    assert made.replaced == [half.name]
    assert restore(fleet.target, fleet.again).backup == str(made.path)


def test_what_has_not_changed_is_linked_and_outlives_the_backup_that_had_it(fleet: Fleet) -> None:
    fleet.flight.record(600)
    fleet.flight.seal()
    first = backup(fleet)
    fleet.flight.record(5, 601)
    second = backup(fleet)
    tile = "seal/tile/entries/000"
    assert os.path.samefile(first.path / tile, second.path / tile)
    assert second.facts.linked > 5
    third = backup(fleet, keep=1)
    assert third.pruned == [first.path.name, second.path.name]
    assert backups_in(fleet.target) == [third.path]
    assert restore(fleet.target, fleet.again).ok


def test_a_folder_that_was_restored_and_went_another_way_takes_nothing_of_the_other_way(fleet: Fleet) -> None:
    fleet.flight.record(200)
    fleet.flight.seal()
    backup(fleet)
    restore(fleet.target, fleet.again)
    fleet.flight.record(200, 201)  # fills the first tile in one way
    fleet.flight.seal()
    backup(fleet)
    other = Flight(fleet.again)
    try:
        other.record(300, 500)  # and in another
        other.seal()
        made = make_backup(fleet.again, fleet.target, SETTINGS)
        assert restore(made.path, fleet.place / "third").differences == []
    finally:
        other.store.close()


def test_what_waits_in_the_spool_is_in_the_backup_and_delivered_once(tmp_path: Path) -> None:
    folder, again = tmp_path / "flight", tmp_path / "again"
    with wiring.open(folder, drain=False) as recorder:
        for number in range(20):
            recorder.emit("note", {"text": f"{number}"}, run_id=None)
    keeper = Keeper(folder, Settings(drain_batch_events_max=7), writable=True)
    try:
        half = Drain(folder / "spool", keeper_drain(keeper)._open_sink, keeper.settings)
        assert half.drain_once() == 7
        make_backup(folder, tmp_path / "target", SETTINGS)
    finally:
        keeper.close()
    assert restore(tmp_path / "target", again, tell=False).ok
    keeper = Keeper(again, SETTINGS, writable=True)
    try:
        drain = keeper_drain(keeper)
        while drain.drain_once():
            continue
        with keeper.store.read() as connection:
            found = connection.exec_driver_sql("SELECT count(*), count(DISTINCT event_id) FROM run_events").one()
        assert tuple(found) == (20, 20)
    finally:
        keeper.close()


def test_a_backup_of_an_older_flightlog_is_brought_up_to_date(tmp_path: Path) -> None:
    store = open_store(tmp_path / "old", writable=True, migrate=False)
    try:
        store.write(lambda tx: upgrade(tx.sql, KNOWN[-3]), 60)
        made = make_backup(tmp_path / "old", tmp_path / "target", SETTINGS)
    finally:
        store.close()
    assert made.facts.revision == KNOWN[-3]
    restored = restore(tmp_path / "target", tmp_path / "new")
    assert (restored.migrations, restored.ok) == ([*KNOWN[-2:]], True)
    with open_store(tmp_path / "new").read() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == HEAD


def test_a_folder_with_something_in_it_is_left_alone(fleet: Fleet) -> None:
    fleet.flight.record(3)
    backup(fleet)
    with pytest.raises(BadInput, match="not empty"):
        restore(fleet.target, fleet.folder)
    fleet.again.mkdir()
    assert restore(fleet.target, fleet.again).ok  # an empty one is fine


def test_there_is_one_backup_to_a_target_at_a_time(fleet: Fleet) -> None:
    fleet.flight.record(3)
    with locked(fleet.target), pytest.raises(Unavailable, match="under way"):
        backup(fleet)
    assert backup(fleet).path.parent == fleet.target
    assert (fleet.target / LOCK).exists()


def test_where_there_is_nothing_that_is_said(fleet: Fleet) -> None:
    with pytest.raises(NotFound):
        make_backup(fleet.place / "nowhere", fleet.target, SETTINGS)
    with pytest.raises(NotFound):
        chosen_backup(fleet.place / "nowhere")


def test_a_damaged_database_is_not_backed_up_in_silence(fleet: Fleet) -> None:
    fleet.flight.record(2_000)
    fleet.flight.store.close()
    path = fleet.folder / "flightlog.db"
    data = bytearray(path.read_bytes())
    for page in range(len(data) // 4096 // 2, len(data) // 4096):  # not one alone, which may hold nothing
        data[page * 4096 : page * 4096 + 2048] = bytes(2048)
    path.write_bytes(data)
    with pytest.raises(BackupBroken, match=r"flightlog\.db"):
        backup(fleet)
    assert backups_in(fleet.target) == []


def test_the_drill_finds_what_was_altered_behind_the_journals_back(fleet: Fleet) -> None:
    fleet.flight.record(50)
    fleet.flight.seal()
    sound = drill(fleet.folder, SETTINGS, fleet.place)
    assert (sound.ok, sound.verified, sound.differences) == (True, 50, [])
    assert sound.seconds["restore_open_and_verify"] > 0
    fleet.flight.store.write(
        lambda tx: tx.driver.execute('UPDATE event_payloads SET payload = \'{"text":"never"}\' WHERE id = 7').rowcount
    )
    altered = drill(fleet.folder, SETTINGS, fleet.place)
    assert not altered.ok
    assert "changed_payload" in altered.differences[0]
    assert [path.name for path in fleet.place.iterdir() if path.name.startswith("flightlog-drill")] == []


def test_facts_that_do_not_fit_the_store_are_a_difference(fleet: Fleet) -> None:
    fleet.flight.record(5)
    made = backup(fleet)
    fleet.flight.store.close()
    append_to(made.path, 6)  # somebody opened the backup itself and wrote into it, and made its digests anew
    for leftover in ("writer.lock", "flightlog.db-wal", "flightlog.db-shm"):
        (made.path / leftover).unlink(missing_ok=True)
    done = subprocess.run("sha256sum flightlog.db", cwd=made.path, shell=True, capture_output=True, check=True)
    lines = (made.path / SUMS).read_text().splitlines(keepends=True)
    fresh = [done.stdout.decode() if line.endswith("  flightlog.db\n") else line for line in lines]
    (made.path / SUMS).write_text("".join(fresh))
    restored = restore(fleet.target, fleet.again)
    assert restored.differences[0] == "last_id: 6 where the backup has 5"
    assert not restored.ok


def test_the_facts_of_a_backup_say_what_it_holds(fleet: Fleet) -> None:
    fleet.flight.record(300)
    fleet.flight.seal()
    made = backup(fleet)
    facts = made.facts
    assert (facts.last_id, facts.tables["run_events"], facts.tables["seal_salts"]) == (300, 300, 300)
    assert facts.seal is not None
    assert (facts.seal.sealed_id, facts.seal.signed_id) == (300, 300)
    assert msgspec.json.decode((made.path / "backup.json").read_bytes())["name"] == made.path.name
    assert facts.files + 1 == len(list(files_below(made.path)))
