"""`verify` and `seal`: what a person sees of the seal, over a folder that `up` kept."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path

from flightlog.config import Settings
from flightlog.wiring import Keeper, keeper_seal
from tests.cli.terminal import flightlog
from tests.contract.making import event


def sealed(folder: Path, events: int = 20) -> None:
    """What `flightlog up` does with events that come."""
    keeper = Keeper(folder, Settings.load(folder), writable=True)
    keeper.journal.append([event(number) for number in range(1, events + 1)])
    seal = keeper_seal(keeper)
    seal.start()
    seal.stop(timeout=30)
    keeper.close()


def test_a_sealed_journal_is_verified_against_the_key_that_was_kept(folder: Path) -> None:
    sealed(folder)
    key = flightlog("seal", "keys", "--dir", folder).out.strip()
    said = flightlog("verify", "--dir", folder, "--key", key)
    assert (said.code, said.out) == (0, "20 sealed events checked, 0 not sealed yet: nothing was altered\n")
    assert flightlog("verify", "--dir", folder, "--json").json["ok"] is True
    status = flightlog("seal", "status", "--dir", folder, "--json").json
    assert (status["events"], status["sealed_id"], status["signed_id"]) == (20, 20, 20)
    assert "20 of 20 events sealed, 20 signed" in flightlog("seal", "status", "--dir", folder).out


def test_what_was_altered_is_named_and_the_exit_code_says_so(folder: Path) -> None:
    sealed(folder)
    with sqlite3.connect(folder / "flightlog.db") as database:
        database.execute("UPDATE run_events SET actor = 'nobody' WHERE id = 7")
        database.execute("DELETE FROM run_events WHERE id = 9")
    database.close()
    said = flightlog("verify", "--dir", folder)
    assert said.code == 1
    assert "changed_envelope: event 7: event e000007" in said.out
    assert "deleted_row: event 9: event e000009 is gone" in said.out
    assert "20 sealed events checked, 0 not sealed yet: 2 findings" in said.out
    assert [one["kind"] for one in flightlog("verify", "--dir", folder, "--json").json["findings"]] == [
        "changed_envelope",
        "deleted_row",
    ]


def test_one_run_or_one_event_is_verified_alone(folder: Path) -> None:
    sealed(folder)
    with sqlite3.connect(folder / "flightlog.db") as database:
        database.execute("UPDATE run_events SET actor = 'nobody' WHERE id = 7")
    database.close()
    said = flightlog("verify", "--event", "e000007", "--dir", folder)
    assert said.code == 1
    assert "changed_envelope: event 7" in said.out
    said = flightlog("verify", "--event", "e000008", "--dir", folder)
    assert (said.code, said.out) == (0, "1 sealed event checked, 0 not sealed yet: nothing was altered\n")
    assert flightlog("verify", "--run", "r1", "--dir", folder, "--json").json["checked"] == 20
    assert "no run 'nosuch'" in flightlog("verify", "--run", "nosuch", "--dir", folder).err
    assert "not both" in flightlog("verify", "--run", "r1", "--event", "e000007", "--dir", folder).err


def test_a_key_that_is_none_and_a_key_of_another_log_are_refused(folder: Path, tmp_path: Path) -> None:
    sealed(folder)
    assert "can't be believed" in flightlog("verify", "--dir", folder, "--key", "nonsense").err
    sealed(tmp_path / "other")
    other = flightlog("seal", "keys", "--dir", tmp_path / "other").out.strip()
    said = flightlog("verify", "--dir", folder, "--key", other)
    assert said.code == 1
    assert "wrong_key" in said.out


def test_a_rotated_key_is_handed_over_and_the_first_still_proves_everything(folder: Path) -> None:
    sealed(folder)
    first = flightlog("seal", "keys", "--dir", folder).out.strip()
    second = flightlog("seal", "rotate", "--dir", folder).out.strip()
    assert [key["key"] for key in flightlog("seal", "keys", "--dir", folder, "--json").json] == [first, second]
    sealed(folder, 30)  # the first 20 are there already
    for key in (first, second):
        assert flightlog("verify", "--dir", folder, "--key", key).code == 0


def test_a_folder_that_nothing_sealed_yet_says_so(folder: Path) -> None:
    keeper = Keeper(folder, Settings.load(folder), writable=True)
    keeper.journal.append([event(1)])
    keeper.close()
    assert "nothing is sealed yet" in flightlog("seal", "status", "--dir", folder).out
    assert "there are no keys yet" in flightlog("seal", "keys", "--dir", folder).out
    said = flightlog("verify", "--dir", folder)
    assert said.code == 1
    assert "there is no checkpoint" in said.out


def test_evidence_of_a_run_holds_where_only_python_is(folder: Path, tmp_path: Path) -> None:
    sealed(folder)
    out = tmp_path / "run.zip"
    said = flightlog("export", "evidence", "r1", "--dir", folder, "--out", out)
    assert said.code == 0
    assert f"{out}: 20 events" in said.out
    with zipfile.ZipFile(out) as archive:
        archive.extractall(tmp_path / "bundle")
    key = flightlog("seal", "keys", "--dir", folder).out.strip()
    done = subprocess.run(
        [sys.executable, "-I", "-S", tmp_path / "bundle/verify.py", "--key", key], capture_output=True
    )
    assert done.returncode == 0, done


def test_evidence_of_nothing_is_refused_and_leaves_no_file(folder: Path, tmp_path: Path) -> None:
    sealed(folder)
    out = tmp_path / "run.zip"
    assert "say whose evidence" in flightlog("export", "evidence", "--dir", folder).err
    said = flightlog("export", "evidence", "nobody", "--dir", folder, "--out", out)
    assert "There is no evidence of run nobody yet" in said.err
    assert list(tmp_path.glob("*.zip*")) == []


def test_a_checkpoint_that_was_kept_elsewhere_is_borne_out(folder: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    sealed(folder)
    assert "no witness is configured" in flightlog("seal", "witness", "--dir", folder).err
    (folder / "flightlog.toml").write_text(f'seal_witnesses = ["file:{kept}"]\n')
    assert f"20 events is at file:{kept}" in flightlog("seal", "witness", "--dir", folder).out
    sealed(folder, 30)
    said = flightlog("seal", "consistent", kept, "--dir", folder)
    assert (said.code, said.out.split("\n")[0]) == (0, "20 events: the journal begins with them")
    (folder / "flightlog.toml").write_text(f'seal_witnesses = ["file:{tmp_path}/no/such/folder"]\n')
    assert "is not at every witness" in flightlog("seal", "witness", "--dir", folder).err


def test_the_doctor_says_how_far_it_is_sealed_and_when_the_checkpoint_does_not_fit(folder: Path) -> None:
    def seal_finding() -> dict[str, object]:
        findings = flightlog("doctor", "--dir", folder, "--json").json["findings"]
        return next(one for one in findings if one["name"] == "seal")

    sealed(folder)
    assert seal_finding()["state"] == "ok"
    with sqlite3.connect(folder / "flightlog.db") as database:
        database.execute("UPDATE seal_state SET size = 5")
    database.close()
    assert "was set back" in str(seal_finding()["text"])
    checkpoint = folder / "seal/checkpoint"
    checkpoint.write_text(checkpoint.read_text().replace("\n20\n", "\n21\n"))
    assert seal_finding()["state"] == "problem"
    assert "can't be believed" in str(seal_finding()["text"])
