"""The archive's files go with a backup, those that are there already by a link; and an export does not notice the archive."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from flightlog.config import Settings
from flightlog.errors import BackupBroken
from flightlog.exports.reading import Wanted
from flightlog.exports.stream import export_events
from flightlog.journal.filter import EVERYTHING
from flightlog.ops.backup import make_backup
from flightlog.ops.backup_restore import drill, restore
from flightlog.wiring import Keeper
from tests.archive.reading import Archiving
from tests.contract.making import event
from tests.seal.conftest import Flight

pytest.importorskip("pyarrow")
SETTINGS = Settings()


def fill(folder: Path) -> int:
    """Record some of two projects and seal it; how many events there are then."""
    flight = Flight(folder)
    try:
        flight.journal.append([event(number, project=f"p{number % 2}", flags=number % 3) for number in range(1, 401)])
        flight.seal()
    finally:
        flight.store.close()
    return 400


class Archived:
    """A folder that is half archived, and its export from before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events = fill(folder)
        self.keeper = Keeper(folder, SETTINGS, writable=True)
        self.before = self.export()
        self.archiving = Archiving(self.keeper.store, folder)
        self.archiving.archive(self.events * 2 // 3)

    def export(self) -> bytes:
        return exported(self.keeper)


def exported(keeper: Keeper) -> bytes:
    return b"".join(export_events(Wanted(keeper.store, EVERYTHING, SETTINGS), "jsonl"))


@pytest.fixture
def archived(tmp_path: Path) -> Iterator[Archived]:
    made = Archived(tmp_path / "flight")
    yield made
    made.keeper.close()


def test_an_export_is_the_same_whether_rows_are_hot_or_archived(archived: Archived) -> None:
    assert archived.export() == archived.before
    assert archived.before.count(b"\n") == archived.events


def test_a_backup_brings_the_archive_back_and_links_its_files_the_next_time(archived: Archived, tmp_path: Path) -> None:
    first = make_backup(archived.folder, tmp_path / "target", SETTINGS)
    second = make_backup(archived.folder, tmp_path / "target", SETTINGS)
    names = [f"archive/{file.path}" for file in archived.archiving.files()]
    assert first.facts.archive_files == len(names) > 1
    assert all(os.path.samefile(first.path / name, second.path / name) for name in names)
    restored = restore(tmp_path / "target", tmp_path / "again", tell=False)
    assert restored.differences == []
    assert restored.verified == archived.events
    keeper = Keeper(tmp_path / "again", SETTINGS, writable=False)
    try:
        assert exported(keeper) == archived.before
    finally:
        keeper.close()


def test_an_archive_that_moves_on_meanwhile_is_looked_at_anew(archived: Archived, tmp_path: Path) -> None:
    moved: list[int] = []

    def told(done: int, pages: int) -> None:
        if not moved:  # after the snapshot, before its files are copied
            moved.append(len(archived.archiving.files()))
            archived.archiving.compact()

    made = make_backup(archived.folder, tmp_path / "target", SETTINGS, progress=told)
    assert made.facts.archive_files < moved[0]
    assert restore(made.path, tmp_path / "again").differences == []


def test_a_file_of_the_archive_that_rotted_is_named_when_it_is_to_be_copied(archived: Archived, tmp_path: Path) -> None:
    path = archived.folder / "archive" / archived.archiving.files()[0].path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(BackupBroken, match=path.name):
        make_backup(archived.folder, tmp_path / "target", SETTINGS)


def test_an_archive_elsewhere_is_given_back_its_files_where_it_has_lost_them(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    folder = tmp_path / "flight"
    fill(folder)
    (folder / "flightlog.toml").write_text(f'archive_url = "{elsewhere}"\n')
    settings = Settings.load(folder, {}, archive_file_events_max=100)
    keeper = Keeper(folder, settings, writable=True)
    try:
        archiving = Archiving(keeper.store, folder, settings)
        archiving.archive(200)
        before = exported(keeper)
        make_backup(folder, tmp_path / "target", settings)
        assert drill(folder, settings, tmp_path).differences == []
        lost = elsewhere / archiving.files()[0].path
        lost.unlink()
    finally:
        keeper.close()
    assert restore(tmp_path / "target", tmp_path / "again", tell=False).differences == []
    assert lost.exists()
    assert not (tmp_path / "again/archive").exists()
    keeper = Keeper(tmp_path / "again", settings, writable=False)
    try:
        assert exported(keeper) == before
    finally:
        keeper.close()
