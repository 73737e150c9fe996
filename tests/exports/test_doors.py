"""Exports and imports by the command line and over HTTP."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.api.serving import client_of, open_services
from tests.cli.conftest import record_some
from tests.cli.terminal import COMMAND, Server, environment, flightlog
from tests.contract.making import event


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("doors") / "flight"
    record_some(made)
    return made


def test_a_folder_and_its_server_export_the_same_and_say_so_in_the_audit_trail(folder: Path, tmp_path: Path) -> None:
    from_folder, from_server = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    wanted = ("--types", "llm_request,llm_response", "--project", "shop")
    said = flightlog("export", "events", "--dir", folder, "-o", from_folder, *wanted, "--json")
    assert (said.code, said.json["format"], said.json["bytes"]) == (0, "jsonl", from_folder.stat().st_size)
    with Server(folder) as server:
        assert flightlog("export", "events", "--server", server.url, "-o", from_server, *wanted).code == 0
        audits = flightlog("audit", "list", "--operation", "events.export", "--server", server.url, "--json").json[
            "audits"
        ]
        other = flightlog("export", "events", "--server", server.url, "-q", "type:", "--json", "-o", tmp_path / "c")
        again = flightlog("import", from_folder, "--server", server.url, "--json").json
    assert from_folder.read_bytes() == from_server.read_bytes() != b""
    assert sorted(audit["actor"].startswith("api") for audit in audits) == [False, True]
    assert other.code == 2
    assert not (tmp_path / "c").exists()
    assert (again["files"][0]["format"], again["files"][0]["duplicates"]) == ("jsonl", 2)


def test_the_format_goes_by_the_name_of_the_file(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    begins = {
        "e.jsonl.gz": b"\x1f\x8b", "e.jsonl.zst": b"\x28\xb5\x2f\xfd", "e.parquet": b"PAR1", "e.csv": b"id,event_id",
        "e.otlp.jsonl": b'{"resource', "e": b'{"event_id',
    }  # fmt: skip
    for name, begin in begins.items():
        assert flightlog("export", "events", "--dir", folder, "-o", tmp_path / name).code == 0
        assert (tmp_path / name).read_bytes().startswith(begin), name
    with (tmp_path / "e").open() as lines:
        assert json.loads(next(lines))["type"] == "run_started"


def test_a_reader_that_has_had_enough_ends_it_quietly(folder: Path) -> None:
    command = [*COMMAND, "export", "events", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_over_http_every_format_is_a_file_to_keep(tmp_path: Path) -> None:
    with open_services(tmp_path / "f") as services:
        ask = client_of(services)
        services.journal.append([event(number) for number in range(1, 8)])
        for form, media_type in (("jsonl", "application/jsonl"), ("csv", "text/csv"), ("otlp", "application/jsonl")):
            answer = ask.get(f"/api/events/export?format={form}&type=note")
            assert answer.headers["content-type"].startswith(media_type)
            assert (
                f'filename="events.{"otlp.jsonl" if form == "otlp" else form}"' in answer.headers["content-disposition"]
            )
            assert answer.text.count("e000007") >= 1
        assert ask.get("/api/events/export?format=yaml").status_code == 400
        assert ask.get("/api/events/export?level=loud").status_code == 400
        assert ask.get("/api/events/export?types=audit&format=jsonl").text.count('"operation":"events.export"') == 4


def test_a_backup_is_made_checked_and_restored_by_its_verbs(folder: Path, tmp_path: Path) -> None:
    target, again = tmp_path / "target", tmp_path / "again"
    with Server(folder):
        made = flightlog("backup", target, "--dir", folder, "--with-keys", "--json")
        drilled = flightlog("backup", "drill", "--dir", folder, "--json")
    assert made.code == drilled.code == 0
    assert drilled.json["ok"] is True
    assert drilled.json["differences"] == []
    assert flightlog("backup", "verify", target).code == 0
    restored = flightlog("restore", target, "--dir", again, "--json")
    assert (restored.code, restored.json["ok"]) == (0, True)
    trail = flightlog("audit", "list", "--dir", again, "--json").json["audits"]
    assert trail[0]["operation"] == "backup.restore"
    assert "backup.create" in {
        one["operation"] for one in flightlog("audit", "list", "--dir", folder, "--json").json["audits"]
    }
    assert flightlog("restore", target, "--dir", again).code == 2
    database = Path(made.json["backup"]) / "flightlog.db"
    data = bytearray(database.read_bytes())
    data[5000] ^= 1
    database.write_bytes(data)
    assert flightlog("backup", "verify", target).code == 1
    refused = flightlog("restore", target, "--dir", tmp_path / "third", "--json")
    assert (refused.code, "flightlog.db" in refused.problem["detail"]) == (6, True)
