"""The doctor: what is well is said to be well, what is wrong is found, and each trouble comes with what to do."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flightlog import wiring
from flightlog.config import Settings
from flightlog.events.envelope import Event
from flightlog.ops import doctor, storecheck
from flightlog.ops.doctor import examine
from flightlog.ops.findings import Finding
from flightlog.ops.origins import trace_settings
from flightlog.recorder import segment
from flightlog.store.lock import holder
from flightlog.wiring import Keeper
from tests.cli.conftest import Recorded, spool_notes
from tests.cli.terminal import Server, flightlog


def finding(folder: Path, name: str) -> Finding:
    """What the doctor says under this name; the worst of it."""
    order = ["ok", "unknown", "warn", "problem"]
    found = [it for it in examine(folder).findings if it.name == name]
    return max(found, key=lambda it: order.index(it.state))


@pytest.fixture
def healthy(folder: Path) -> Path:
    """A folder with a store, a bit in it, and nothing wrong."""
    folder.mkdir(mode=0o700)
    spool_notes(folder, 10)
    assert flightlog("drain", "--dir", folder).code == 0
    return folder


def test_a_healthy_folder_has_nothing_but_good_findings(healthy: Path) -> None:
    report = examine(healthy)
    assert [it.name for it in report.findings if it.state != "ok"] == []
    assert report.ok
    names = {it.name for it in report.findings}
    looked_at = {"versions", "settings", "folder", "writer", "spool", "disk"}
    assert names == looked_at | {
        "store",
        "integrity",
        "health",
        "audit",
        "feedback",
        "unmapped",
        "seal",
        "archive",
        "retention",
    }
    said = flightlog("doctor", "--dir", healthy)
    assert (said.code, said.out.splitlines()[-1]) == (0, "all is well")


def test_everything_is_in_the_json(healthy: Path) -> None:
    said = flightlog("doctor", "--dir", healthy, "--json")
    assert (said.code, said.json["ok"]) == (0, True)
    facts = {it["name"]: it["facts"] for it in said.json["findings"]}
    assert facts["store"]["last_id"] == 10
    assert facts["versions"]["server_extra"] is True
    assert facts["disk"]["free_bytes"] > 0
    assert {row["name"] for row in said.json["settings"]} == set(Settings.__struct_fields__)


def test_a_folder_that_is_not_there_is_a_problem(folder: Path) -> None:
    said = flightlog("doctor", "--dir", folder, "--json")
    assert (said.code, said.json["ok"]) == (1, False)
    assert not folder.exists()


def test_a_folder_that_others_can_look_into_is_pointed_out(healthy: Path) -> None:
    healthy.chmod(0o755)
    assert finding(healthy, "folder").state == "warn"
    assert examine(healthy).ok


def test_abandoned_events_are_a_problem_until_they_are_delivered(healthy: Path) -> None:
    spool_notes(healthy, 5)
    found = finding(healthy, "writer")
    assert (found.state, found.facts["waiting"]) == ("problem", 5)
    assert "flightlog drain" in (found.advice or "")
    said = flightlog("doctor", "--dir", healthy)
    assert said.code == 1
    assert " dead " in said.out
    flightlog("drain", "--dir", healthy)
    assert finding(healthy, "writer").state == "ok"


def test_events_of_a_living_producer_are_only_worth_knowing(healthy: Path) -> None:
    with wiring.open(healthy, drain=False) as recorder:
        recorder.note("here")
        assert finding(healthy, "writer").state == "warn"
        assert [spool.alive for spool in examine(healthy).spools] == [True]


def test_delivered_events_whose_segment_is_still_open_do_not_wait(healthy: Path) -> None:
    with Server(healthy), wiring.open(healthy, drain=False) as recorder:
        recorder.note("here")
        assert recorder.flush(30)
        recorder.note("there")
        while sum(spool.events for spool in examine(healthy).spools):
            pass  # the test's own timeout bounds this


def test_the_writer_is_named(healthy: Path) -> None:
    with Server(healthy) as server:
        found = finding(healthy, "writer")
        assert (found.state, found.facts["pid"]) == ("ok", server.pid)
        assert " up " in found.facts["command"]
        assert examine(healthy).ok


def test_damage_in_the_spool_is_a_problem(healthy: Path) -> None:
    spool_notes(healthy, 20)
    (path,) = (healthy / "spool").glob(f"*{segment.SUFFIX}")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    found = finding(healthy, "spool-damage")
    assert found.state == "problem"
    assert found.facts["bytes"] > 0


def test_refused_events_in_quarantine_are_a_problem(healthy: Path) -> None:
    with wiring.open(healthy, drain=False) as recorder:
        first = recorder.note("one")
    flightlog("drain", "--dir", healthy)
    # The same id with other content: the store keeps the first.
    clash = Event(event_id=first, type="note", created_at=time.time_ns(), payload=msgspec.Raw(b'{"text":"two"}'))
    folder = healthy / "spool"
    path = folder / f"{'0' * 8}-0000-7000-8000-{'0' * 12}.00000001{segment.SUFFIX}"
    path.write_bytes(segment.HEADER + segment.frame(1, msgspec.json.encode(clash)))
    drained = flightlog("drain", "--dir", healthy, "--json")
    assert (drained.code, drained.json["refused"]) == (1, 1)
    found = finding(healthy, "quarantine")
    assert found.state == "problem"
    assert list(found.facts["files"].values()) == [1]
    health = finding(healthy, "health")
    assert health.facts["lost"] == {"rejected": 1}


def test_a_nearly_full_spool_is_a_problem(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with wiring.open(healthy, drain=False) as recorder:
        recorder.note("x" * 9_000)
        monkeypatch.setenv("FLIGHTLOG_SPOOL_BYTES_MAX", "10000")
        found = finding(healthy, "spool")
    assert found.state == "problem"
    assert "debug and info events are dropped" in found.text


def test_a_full_disk_is_a_problem_and_a_small_one_worth_knowing(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(healthy)
    fields = list(real)

    def with_free(count: int) -> Any:
        fields[4] = count // real.f_frsize
        return os.statvfs_result(fields)

    for free, state in ((1024**2, "problem"), (500 * 1024**2, "warn"), (5 * 1024**3, "ok")):
        monkeypatch.setattr(doctor.os, "statvfs", lambda _, free=free: with_free(free))
        assert finding(healthy, "disk").state == state


def test_a_damaged_database_is_found(healthy: Path) -> None:
    flightlog("drain", "--dir", healthy)
    path = healthy / "flightlog.db"
    with sqlite3.connect(path) as database:
        page_size = database.execute("PRAGMA page_size").fetchone()[0]
        root = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'event_payloads'").fetchone()[0]
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * page_size + 8)
        file.write(os.urandom(200))
    report = examine(healthy)
    assert not report.ok
    assert [it.name for it in report.findings if it.state == "problem"] in (["integrity"], ["store"])


def test_what_is_no_database_at_all_is_found(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "flightlog.db").write_bytes(b"this is no database, whatever its name says" * 100)
    found = finding(folder, "store")
    assert found.state == "problem"
    assert flightlog("run", "list", "--dir", folder, "--json").code == 6


def test_a_look_that_takes_too_long_is_given_up(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storecheck, "LOOK_STEPS", 1)
    names = {it.name: it.state for it in examine(healthy, integrity_seconds_max=0.0).findings}
    assert names["integrity"] == "unknown"
    assert {it.name: it.state for it in examine(healthy, integrity_seconds_max=None).findings}["integrity"] == "ok"


def test_a_store_of_a_newer_version_is_a_problem(healthy: Path) -> None:
    with sqlite3.connect(healthy / "flightlog.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    found = finding(healthy, "store")
    assert found.state == "problem"
    assert "9999" in found.text
    assert flightlog("run", "list", "--dir", healthy, "--json").code == 6


def test_no_store_yet_is_nothing_wrong(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    assert finding(folder, "store").state == "ok"


def test_losses_that_the_record_tells_of_are_summed_up(healthy: Path) -> None:
    with wiring.open(healthy) as recorder:
        for count in (2, 3):
            recorder.emit("degraded", {"reason": "spool_full", "count": count}, level="warn")
        recorder.emit("degraded", {"reason": "store_unavailable", "count": 0}, status="began")
        recorder.emit("degraded", {"reason": "gap", "count": "odd"})
        assert recorder.flush(30)
    assert finding(healthy, "health").facts["lost"] == {"spool_full": 5}


def test_settings_say_where_they_come_from(tmp_path: Path) -> None:
    (tmp_path / "flightlog.toml").write_text('project = "shop"\nhung_seconds = 5\n')
    found = trace_settings(tmp_path, {"FLIGHTLOG_HUNG_SECONDS": "7", "FLIGHTLOG_DIR": "x", "HOME": "/"})
    origins = {row.name: (row.value, row.origin) for row in found.rows}
    assert origins["project"] == ("shop", "flightlog.toml")
    assert origins["hung_seconds"] == (7.0, "FLIGHTLOG_HUNG_SECONDS")
    assert origins["redact"] == (True, "default")
    assert (found.error, found.strangers) == (None, {})


def test_a_setting_that_can_not_be_is_a_problem_and_the_rest_is_looked_at(healthy: Path) -> None:
    (healthy / "flightlog.toml").write_text("hung_seconds = 'often'\n")
    report = examine(healthy)
    assert [it.name for it in report.findings if it.state == "problem"] == ["settings"]
    assert "hung_seconds" in next(it.text for it in report.findings if it.name == "settings")


def test_variables_that_name_no_setting_are_pointed_out() -> None:
    found = trace_settings(Path("nowhere"), {"FLIGHTLOG_PAYLOAD_BYTE_MAX": "1", "FLIGHTLOG_FOO": "1"})
    assert found.strangers == {"FLIGHTLOG_FOO": None, "FLIGHTLOG_PAYLOAD_BYTE_MAX": "FLIGHTLOG_PAYLOAD_BYTES_MAX"}


def test_a_server_is_asked_about_itself(server: Recorded) -> None:
    said = flightlog("doctor", *server.where, "--json")
    assert (said.code, said.json["ok"]) == (0, True)
    assert {it["name"] for it in said.json["findings"]} == {"versions", "store", "health", "drain"}


def test_the_doctor_takes_no_lock_and_changes_no_byte(healthy: Path) -> None:
    spool_notes(healthy, 3)
    before = {path: path.read_bytes() for path in healthy.rglob("*") if path.is_file() and path.suffix != ".db-shm"}
    examine(healthy)
    after = {path: path.read_bytes() for path in before}
    assert after == before
    assert holder(healthy) is None
    keeper = Keeper(healthy, Settings(), writable=True)
    keeper.close()


def test_every_finding_is_documented(healthy: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "doctor.md").read_text("utf-8")
    room = Path(doctor.__file__).parent
    done = subprocess.run(
        ["grep", "-ohE", r'(ok|warn|problem|unknown)\)?\("[a-z-]+"', *map(str, room.glob("*.py"))],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = {line.split('"')[1] for line in done.stdout.splitlines()}
    assert names >= {"writer", "quarantine", "integrity"}
    assert not [name for name in names if f"| `{name}` |" not in page]
