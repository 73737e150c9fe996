"""`feedback add` and `feedback list`: into a folder and over HTTP, told what became of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flightlog import wiring
from flightlog.store.lock import holder
from tests.cli.conftest import Recorded, record_some
from tests.cli.terminal import Server, flightlog


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


def test_what_is_there_is_linked_what_is_not_waits(own: Recorded) -> None:
    run = own.runs[0]
    given = flightlog(
        "feedback", "add", run, "--score", "0.5", "--name", "quality", "--by", "reviewer", "--json", *own.where
    )
    assert (given.code, given.json["status"], given.json["target_type"], given.json["run_id"]) == (
        0,
        "linked",
        "run",
        run,
    )
    assert (given.json["value"], given.json["name"], given.json["given_by"], given.json["source"]) == (
        0.5, "quality", "reviewer", "cli",
    )  # fmt: skip
    waits = flightlog("feedback", "add", "never", "--thumb", "down", *own.where)
    assert waits.code == 0
    assert "pending" in waits.out
    assert "nothing has the id never yet" in waits.out
    listed = flightlog("feedback", "list", "--json", *own.where).json
    assert [(each["target_id"], each["value"], each["status"]) for each in listed["feedback"]] == [
        ("never", "down", "pending"),
        (run, 0.5, "linked"),
    ]
    assert listed["next_cursor"] is None
    pending = flightlog("feedback", "list", "status:pending", *own.where).out
    assert "never" in pending
    assert run not in pending
    shown = flightlog("run", "show", run, "--json", *own.where).json["run"]
    assert [each["value"] for each in shown["feedback"]] == [0.5]
    report = flightlog("doctor", "--dir", own.folder, "--json").json
    (finding,) = [each for each in report["findings"] if each["name"] == "feedback"]
    assert (finding["state"], finding["facts"]["pending"]) == ("warn", 1)


def test_under_a_key_the_last_word_holds(own: Recorded) -> None:
    for way in ("up", "up", "down"):
        said = flightlog("feedback", "add", own.runs[0], "--thumb", way, "--key", "ann", "--comment", "so", *own.where)
        assert said.code == 0
    (held,) = flightlog("feedback", "list", "--target", own.runs[0], "--json", *own.where).json["feedback"]
    assert (held["value"], held["comment"], held["key"]) == ("down", "so", "ann")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--thumb", "sideways"], "up or down"),
        (["--score", "nan"], "finite"),
        (["--thumb", "up", "--score", "1"], "two"),
        ([], "empty"),
        (["--label", "x", "--by", "me"], "given_by is one of"),
        (["--label", "x", "--type", "event"], "target_type is one of"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(server: Recorded, recorded: Recorded, options: list[str], words: str) -> None:
    for place in (server, recorded):
        said = flightlog("feedback", "add", place.runs[0], *options, *place.where)
        assert said.code == 2
        assert words in said.err


def test_a_folder_that_is_not_there_is_not_made(folder: Path) -> None:
    assert flightlog("feedback", "add", "r1", "--thumb", "up", "--dir", folder).code == 3
    assert not folder.exists()


def test_into_a_folder_that_somebody_serves_it_goes_by_the_spool(tmp_path: Path) -> None:
    folder = tmp_path / "flight"
    run = record_some(folder)[0]
    with Server(folder) as process:
        assert holder(folder) == process.pid
        said = flightlog("feedback", "add", run, "--label", "fine", "--dir", folder, "--json")
        assert said.json["status"] == "linked"


def test_a_model_call_is_judged_by_the_id_that_the_recorder_gave(tmp_path: Path) -> None:
    folder = tmp_path / "flight"
    with wiring.open(folder) as recorder:
        with recorder.run("answer") as run, run.llm("small") as call:
            call.record("so")
        call.feedback(value="up")
        assert recorder.flush(30)
    said = flightlog("feedback", "add", call.generation_id, "--correction", "not so", "--dir", folder, "--json").json
    assert (said["target_type"], said["generation_id"], said["run_id"]) == ("generation", call.generation_id, run.id)
    table = flightlog("feedback", "list", "--dir", folder).out.splitlines()
    assert [row.split()[2] for row in table[1:]] == ["correction", "thumb"]
