"""`flightlog archive`: how far it is, doing it by hand, and that a running server is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from flightlog.config import Settings
from flightlog.journal.read import read_events
from flightlog.store.lock import WriterLock
from flightlog.wiring import Keeper
from tests.cli.terminal import flightlog, flightlog_process
from tests.contract.making import event


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store with 60 events of two projects that were stored just now."""
    folder = tmp_path / "flight"
    keeper = Keeper(folder, Settings(), writable=True)
    keeper.journal.append([event(number, project=f"p{number % 2}") for number in range(1, 61)])
    keeper.close()
    return folder


def test_what_is_not_old_enough_stays_unless_all_is_asked_for(folder: Path) -> None:
    assert "nothing is archived yet; 60 events" in flightlog("archive", "status", "--dir", folder).out
    assert flightlog("archive", "run", "--dir", folder, "--json").json["events"] == 0
    done = flightlog("archive", "run", "--all", "--dir", folder)
    assert done.code == 0
    assert done.out.startswith("60 events archived into 2 files of ")
    facts = flightlog("archive", "status", "--dir", folder, "--json").json
    assert (facts["archived_events"], facts["files"], facts["not_dropped"]) == (60, 2, 0)
    assert facts["place"] == str(folder / "archive")
    assert facts["hot_events"] == 1, "the audit event that says so"
    assert "60 events in 2 files of" in flightlog("archive", "status", "--dir", folder).out
    keeper = Keeper(folder, Settings(), writable=False)
    events = read_events(keeper.store, limit=100).events
    assert [found.id for found in events] == list(range(1, 62))
    assert (events[-1].type, events[-1].name) == ("audit", "archive.run")
    keeper.close()


def test_small_files_are_merged_by_hand_and_the_database_is_written_anew(folder: Path) -> None:
    flightlog("archive", "run", "--all", "--dir", folder)
    flightlog("archive", "run", "--all", "--dir", folder)
    keeper = Keeper(folder, Settings(), writable=True)
    keeper.journal.append([event(number, project="p1") for number in range(61, 81)])
    keeper.close()
    assert flightlog("archive", "run", "--all", "--vacuum", "--dir", folder).code == 0
    done = flightlog("archive", "compact", "--all", "--dir", folder, "--json").json
    assert (done["files"], done["made"], done["events"]) == (4, 2, 30 + 20 + 2), "of p1, and audit events of today"
    facts = flightlog("archive", "status", "--dir", folder, "--json").json
    assert facts["objects_gone"] == 4, "they are kept a moment for those who still read them"


def test_a_folder_that_somebody_keeps_is_left_to_them(folder: Path) -> None:
    lock = WriterLock(folder)
    lock.acquire()
    try:
        done = flightlog("archive", "run", "--dir", folder)
        assert done.code == 5
        assert "`flightlog up` archives by itself" in done.err
        assert flightlog("archive", "status", "--dir", folder).code == 0
    finally:
        lock.release()


def test_doctor_says_when_the_folder_takes_more_than_it_may(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk() -> dict[str, object]:
        findings = flightlog("doctor", "--dir", folder, "--json").json["findings"]
        return next(dict(finding) for finding in findings if finding["name"] == "disk")

    assert disk()["state"] == "ok"
    monkeypatch.setenv("FLIGHTLOG_DATA_BYTES_MAX", "1000")
    found = disk()
    assert found["state"] == "warn"
    assert "data_bytes_max" in str(found["text"])


def test_a_folder_may_be_named_from_where_one_stands(folder: Path) -> None:
    assert flightlog_process("archive", "run", "--all", "--dir", folder.name, cwd=folder.parent).code == 0
    asked = "SELECT archived, count(*) AS n FROM events GROUP BY ALL ORDER BY ALL"
    said = flightlog_process("query", "--dir", folder.name, asked, "--format", "json", cwd=folder.parent)
    assert said.code == 0, said.err
    assert [count for _, count in said.json["rows"]] == [1, 60]
    assert flightlog_process("stats", "--dir", folder.name, "--json", cwd=folder.parent).code == 0
