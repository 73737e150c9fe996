"""`flightlog audit`: into a folder and over HTTP, told what became of it; listed, shown, added up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flightlog import wiring
from flightlog.store.lock import holder
from tests.cli.conftest import Recorded, record_some
from tests.cli.terminal import Server, flightlog

SLOW = {"FLIGHTLOG_AUDIT_TIMEOUT_SECONDS": "60"}


@pytest.fixture(params=["folder", "server"])
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A place of this test alone, both ways."""
    folder = tmp_path / "flight"
    runs = record_some(folder)
    if request.param == "folder":
        yield Recorded(folder, runs)
        return
    with Server(folder) as process:
        yield Recorded(folder, runs, process.url)


def test_what_is_recorded_is_told_listed_and_shown(own: Recorded) -> None:
    run = own.runs[0]
    made = flightlog(
        "audit", "add", "repo.push", "--subject", "repo:acme/shop", "--outcome", "refused", "--level", "warn",
        "--details", '{"branch": "main"}', "--actor", "ann", "--run", run, "--json", *own.where, env=SLOW,
    )  # fmt: skip
    assert (made.code, made.json["state"], made.json["reason"]) == (0, "stored", None)
    orphan = flightlog("audit", "add", "repo.push", "--task", "never", *own.where, env=SLOW)
    assert (orphan.code, orphan.out.split()[0]) == (0, "orphaned")
    listed = flightlog("audit", "list", "--operation", "repo.push", "--json", *own.where).json
    assert [(each["orphan"], each["subject_id"], each["source"]) for each in listed["audits"]] == [
        ("orphaned", "never", "cli"), ("known", "acme/shop", "cli"),
    ]  # fmt: skip
    table = flightlog("audit", "list", "--orphaned", *own.where).out
    assert "task:never" in table
    assert "acme" not in table
    assert "acme" in flightlog("audit", "list", "status:refused actor:ann", *own.where).out
    assert [each["run_id"] for each in flightlog("audit", "list", "--run", run, "--subject", "repo:acme/shop", "--json",
                                                 *own.where).json["audits"]] == [run]  # fmt: skip
    shown = flightlog("audit", "show", made.json["event_id"], *own.where).out
    assert '"branch": "main"' in shown
    assert "repo:acme/shop" in shown
    assert flightlog("audit", "show", "never", *own.where).code == 3
    report = flightlog("doctor", "--dir", own.folder, "--json").json
    (finding,) = [each for each in report["findings"] if each["name"] == "audit"]
    assert (finding["state"], finding["facts"]["orphans"], finding["facts"]["tasks"]) == ("warn", 1, ["never"])


def test_decisions_are_added_up(own: Recorded) -> None:
    with wiring.open(own.folder) as recorder:
        assert recorder.capability("fs.write", decide=True)
        assert not recorder.capability("fs.write", decide=False)
        assert recorder.flush(60)
    found = flightlog("audit", "decisions", "--capability", "fs.write", "--json", *own.where).json
    assert [(row["requested"], row["granted"], row["denied"]) for row in found["capabilities"]] == [(2, 1, 1)]
    assert "fs.write" in flightlog("audit", "decisions", *own.where).out
    denied = flightlog("audit", "list", "decision:denied capability:fs.write", "--json", *own.where).json["audits"]
    assert [each["rule"] for each in denied] == [None]
    other = flightlog("audit", "show", denied[0]["event_id"], *own.where).out
    assert "requested" in other


@pytest.mark.parametrize(
    "options",
    [["--details", "{"], ["--level", "loud"], ["--limti", "3"]],
    ids=str,
)
def test_what_makes_no_sense_is_refused(recorded: Recorded, options: list[str]) -> None:
    assert flightlog("audit", "add", "repo.push", *options, *recorded.where).code == 2


def test_a_folder_that_is_not_there_is_not_made(folder: Path) -> None:
    assert flightlog("audit", "add", "repo.push", "--dir", folder).code == 3
    assert not folder.exists()


def test_into_a_folder_that_somebody_serves_it_goes_by_the_spool(tmp_path: Path) -> None:
    folder = tmp_path / "flight"
    record_some(folder)
    with Server(folder) as process:
        assert holder(folder) == process.pid
        made = flightlog("audit", "add", "repo.push", "--dir", folder, "--strict", "--json", env=SLOW)
        assert (made.code, made.json["state"]) == (0, "stored")
