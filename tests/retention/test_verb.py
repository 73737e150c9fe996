"""`flightlog retention`: look, hold, remove, read the receipts; on a folder and through a server."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from flightlog.clock import NS_PER_SECOND, SystemClock
from flightlog.keeping import keeper_retention
from flightlog.retention.janitor import Janitor
from tests.cli.terminal import flightlog
from tests.retention.flight import Flight


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two runs of nine days ago, one of now."""
    flight = Flight(tmp_path / "flight", rules='[[rule]]\nlabel = "noise"\nlevel = "debug"\nkeep = "1d"\n')
    flight.clock.jump((time.time_ns() - flight.clock.now_ns()) / NS_PER_SECOND - 9 * 86_400)
    flight.run("old", notes=3)
    flight.run("claimed", notes=2)
    flight.days(9)
    flight.run("young")
    flight.seal()
    flight.close()
    return tmp_path / "flight"


def asked(*words: object) -> Any:
    said = flightlog("retention", *words, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_look_hold_remove_and_read_the_receipts(folder: Path) -> None:
    assert [rule["label"] for rule in asked("rules", "--dir", folder)["rules"]] == [
        "noise",
        "default for audit records",
        "default",
    ]
    assert asked("plan", "--dir", folder)["events"] == 9
    assert "9 events would go" in flightlog("retention", "plan", "--dir", folder).out
    held = asked("hold", "add", "--run", "claimed", "--reason", "claim 17", "--dir", folder)
    assert [one["hold_id"] for one in asked("hold", "list", "--dir", folder)["holds"]] == [held["hold_id"]]
    plan = asked("plan", "--dir", folder)
    assert (plan["events"], plan["held"], plan["by_project"]["default"]["events"]) == (5, 4, 5)
    assert "nobody can be asked here" in flightlog("retention", "run", "--dir", folder).err
    said = flightlog("retention", "run", "--yes", "--dir", folder)
    assert (said.code, "5 events removed" in said.out) == (0, True), said.err
    (receipt,) = asked("receipts", "--dir", folder)["receipts"]
    assert receipt["details"]["rules"] == {"default": 5}
    assert "default 5" in flightlog("retention", "receipts", "--dir", folder).out
    assert "legal hold" in flightlog("erase", "claimed", "--yes", "--reason", "r", "--dir", folder).err
    asked("hold", "release", held["hold_id"], "--reason", "settled", "--dir", folder)
    assert asked("run", "--yes", "--dir", folder)["events"] == 4
    assert flightlog("verify", "--dir", folder).out.startswith("9 events went by the rules of retention")
    assert [one["release_reason"] for one in asked("hold", "list", "--released", "--dir", folder)["holds"]] == [
        "settled"
    ]
    assert "no event is due" in flightlog("retention", "plan", "--dir", folder).out


def test_what_a_hold_needs(folder: Path) -> None:
    assert "a hold says what it covers" in flightlog("retention", "hold", "add", "--reason", "r", "--dir", folder).err
    assert "say why" in flightlog("retention", "hold", "add", "--run", "x", "--reason", " ", "--dir", folder).err
    assert (
        "no hold 'x' that stands"
        in flightlog("retention", "hold", "release", "x", "--reason", "r", "--dir", folder).err
    )
    words = ("hold", "add", "--where", "actor:ann level:error", "--reason", "r", "--dir", folder)
    assert asked(*words)["selection"] == {"query": "actor:ann level:error"}


def test_rules_that_cannot_be_read_remove_nothing(folder: Path) -> None:
    (folder / "retention.toml").write_text('[[rule]]\nkeep = "soon"\ntype = "note"\n')
    said = flightlog("retention", "run", "--yes", "--dir", folder)
    assert (said.code, "rule 1: 'soon' is neither an age" in said.err) == (2, True)


def test_the_janitor_comes_by_and_says_what_it_did(tmp_path: Path) -> None:
    flight = Flight(tmp_path / "flight")
    flight.run("old")
    flight.days(8)
    flight.seal()
    janitor = Janitor(
        keeper_retention(flight.keeper, "janitor", flight.clock), seconds=0.01, share_max=1.0, clock=SystemClock()
    )
    assert janitor.health().state == "stopped"
    janitor.start()
    until = time.monotonic() + 20
    while not janitor.health().removed and time.monotonic() < until:
        flight.keeper.store.commits().wait(flight.keeper.store.commits().seen, 0.05)
    janitor.stop(timeout=20)
    janitor.stop(timeout=0)
    assert (janitor.health().removed, janitor.health().state) == (3, "stopped")
    assert flight.ids() == []
    flight.close()


def test_the_doctor_says_what_keeps_it_from_its_work_and_which_runs_are_too_long(folder: Path) -> None:
    def finding() -> Any:
        report = json.loads(flightlog("doctor", "--dir", folder, "--json").out)
        (found,) = [each for each in report["findings"] if each["name"] == "retention"]
        return found["state"], found["text"]

    assert finding() == ("ok", "1 rules beside the defaults, 0 legal holds.")
    (folder / "flightlog.toml").write_text("run_events_max = 4")
    state, said = finding()
    assert (state, "More than 4 events were recorded to 1 runs: old." in said) == ("warn", True)
    (folder / "retention.toml").write_text("[[rule]]")
    state, said = finding()
    assert (state, "rule 1: keep is missing" in said) == ("problem", True)
