"""`drain`, `migrate` and `catalogue`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flightlog import wiring
from flightlog.config import Settings
from flightlog.events.catalogue import CATALOGUE
from flightlog.ops.spools import look_at_spool
from flightlog.recorder import segment
from flightlog.recorder.drain import Drain
from flightlog.store import migrations
from tests.cli.conftest import spool_notes
from tests.cli.terminal import flightlog, on_terminal


def test_what_waits_is_delivered_once(folder: Path) -> None:
    run_id = spool_notes(folder, 50)
    said = flightlog("drain", "--dir", folder, "--json")
    assert said.json == {"place": str(folder), "delivered": 50, "refused": 0, "left": 0}
    assert flightlog("drain", "--dir", folder, "--json").json["delivered"] == 0
    assert flightlog("run", "show", run_id, "--dir", folder, "--json").json["run"]["event_count"] == 50
    assert not list((folder / "spool").glob(f"*{segment.SUFFIX}"))


def test_a_spool_of_many_segments_is_delivered_whole(folder: Path) -> None:
    settings = Settings(spool_segment_bytes_max=4096)
    recorder = wiring.open(folder, drain=False, settings=settings)
    for number in range(500):
        recorder.note(f"note {number}")
    recorder.close()
    assert len(list((folder / "spool").glob(f"*{segment.SUFFIX}"))) > 10
    assert flightlog("drain", "--dir", folder, "--json").json == {
        "place": str(folder), "delivered": 500, "refused": 0, "left": 0,
    }  # fmt: skip


def test_a_producer_that_never_stops_does_not_keep_the_drain_from_ending(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = wiring.open(folder, drain=False)
    recorder.note("first")
    once = Drain.drain_once

    def and_another(self: Drain) -> int:
        recorder.note("one more")
        return once(self)

    monkeypatch.setattr(Drain, "drain_once", and_another)
    said = flightlog("drain", "--dir", folder, "--json")
    assert said.code == 0
    assert said.json["delivered"] >= 1
    recorder.close()


def test_delivering_shows_a_bar_to_a_person(folder: Path) -> None:
    spool_notes(folder, 20)
    code, shown = on_terminal("drain", "--dir", folder)
    assert code == 0
    assert "delivering" in shown
    assert "20 events delivered" in shown


def test_a_new_folder_is_migrated_to_the_newest(folder: Path) -> None:
    folder.mkdir()
    first = flightlog("migrate", "--dir", folder, "--json").json
    assert (first["before"], first["after"], first["migrations"]) == (None, migrations.HEAD, list(migrations.KNOWN))
    again = flightlog("migrate", "--dir", folder, "--json").json
    assert (again["before"], again["migrations"]) == (migrations.HEAD, [])
    assert "nothing to do" in flightlog("migrate", "--dir", folder).out


def test_the_catalogue_lists_every_type() -> None:
    types = flightlog("catalogue", "--json").json["types"]
    assert [entry["type"] for entry in types] == list(CATALOGUE)
    rows = flightlog("catalogue").out.splitlines()
    assert len(rows) == 1 + len(CATALOGUE)
    assert rows[1].startswith("FR-EVT-001  run_started")


def test_one_type_is_shown_whole() -> None:
    found = flightlog("catalogue", "note", "--json").json
    assert found["code"] == "FR-EVT-060"
    assert found["schema"]["required"] == ["text"]
    assert '"text"' in flightlog("catalogue", "note").out


def test_an_unknown_type_is_not_found() -> None:
    said = flightlog("catalogue", "nope", "--json")
    assert (said.code, said.problem["type"]) == (3, "/problems/event-type-not-found")


def test_looking_at_a_spool_changes_nothing_and_knows_the_living_from_the_dead(folder: Path) -> None:
    spool_notes(folder, 10)
    with wiring.open(folder, drain=False) as recorder:
        recorder.note("alive")
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
        spools = look_at_spool(folder / "spool")
        assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert sorted((spool.alive, spool.events) for spool in spools) == [(False, 10), (True, 1)]


def test_a_look_with_a_bound_says_that_it_is_not_whole(folder: Path) -> None:
    spool_notes(folder, 100)
    (spool,) = look_at_spool(folder / "spool", bytes_max=0)
    assert (spool.whole, spool.events) == (False, 0)
    assert spool.bytes > 0


def test_a_spool_that_can_not_be_read_is_empty_not_an_error(tmp_path: Path) -> None:
    assert look_at_spool(tmp_path / "nope") == []
    assert os.listdir(tmp_path) == []
