"""The report over HTTP, on the command line, on the run's page and in its bundle."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import httpx
import pytest

from flightlog.api.app import Services
from flightlog.config import Settings
from flightlog.reports.render import MEDIA_TYPES, PAGE_POLICY
from flightlog.wiring import Keeper, keeper_seal
from tests.api.serving import BASE_URL, Client, Server
from tests.cli.terminal import Server as Up
from tests.cli.terminal import flightlog
from tests.contract.making import event
from tests.reports.flights import record, whole_flight


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a whole flight under a signed checkpoint."""
    made = tmp_path / "kept"
    keeper = Keeper(made, Settings.load(made), writable=True)
    keeper.journal.append([*whole_flight(), event(17, run_id="r2")])
    seal = keeper_seal(keeper)
    seal.start()
    seal.stop(timeout=30)
    keeper.close()
    return made


@pytest.mark.parametrize("form", MEDIA_TYPES)
def test_http_gives_every_format_under_its_own_media_type(services: Services, client: Client, form: str) -> None:
    record(services, *whole_flight())
    answer = client.get(f"/api/runs/r1/report?format={form}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, MEDIA_TYPES[form])
    assert "mend the till" in answer.text


def test_http_gives_markdown_with_links_to_itself_unless_told_otherwise(services: Services, client: Client) -> None:
    record(services, *whole_flight())
    assert f"[event]({BASE_URL}/events/e000003)" in client.get("/api/runs/r1/report").text
    elsewhere = client.get("/api/runs/r1/report?linkBase=https://log.example/").text
    assert "[event](https://log.example/events/e000003)" in elsewhere
    assert BASE_URL not in elsewhere


def test_the_page_over_http_may_use_its_own_style_and_nothing_else(services: Services, client: Client) -> None:
    record(services, *whole_flight())
    policy = client.get("/api/runs/r1/report?format=html").headers["content-security-policy"]
    assert policy == f"{PAGE_POLICY}; frame-ancestors 'none'"
    assert "script" not in policy


@pytest.mark.parametrize(
    ("query", "status"), [("format=pdf", 400), ("linkBase=javascript:x", 400), ("nonsense=1", 400), ("format=md", 200)]
)
def test_what_can_not_be_is_refused(services: Services, client: Client, query: str, status: int) -> None:
    record(services, *whole_flight())
    assert client.get(f"/api/runs/r1/report?{query}").status_code == status


def test_a_run_that_nobody_knows_has_no_report(client: Client) -> None:
    assert client.get("/api/runs/nobody/report").status_code == 404


def test_the_page_of_the_run_leads_to_its_report(services: Services, client: Client) -> None:
    record(services, *whole_flight())
    assert 'href="/api/runs/r1/report?format=html"' in client.get("/runs/r1", headers={"accept": "text/html"}).text


def test_the_command_line_gives_markdown_of_a_folder_and_says_how_far_it_is_sealed(folder: Path) -> None:
    said = flightlog("report", "r1", "--dir", folder)
    assert said.code == 0
    assert said.out.startswith("# Run report: mend the till\n")
    assert "Sealed: all 16 events (1 to 16 of the journal) are under a signed checkpoint of 17 events" in said.out


def test_a_checkpoint_that_can_not_be_believed_is_told(folder: Path) -> None:
    (folder / "seal" / "checkpoint").write_text("nobody signed this\n")
    assert "Not to be believed: " in flightlog("report", "r1", "--dir", folder).out


def test_the_name_of_the_file_says_the_format(folder: Path, tmp_path: Path) -> None:
    for name, begins in (
        ("a.html", "<!doctype html>"),
        ("a.md", "# Run report"),
        ("a.json", "{"),
        ("a.txt", "# Run report"),
    ):
        said = flightlog("report", "r1", "--dir", folder, "--out", tmp_path / name)
        assert (said.code, said.out) == (0, "")
        assert (tmp_path / name).read_text("utf-8").startswith(begins)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_as_data_it_is_one_document(folder: Path) -> None:
    assert flightlog("report", "r1", "--dir", folder, "--json").json["seal"]["covered"] == 16
    assert flightlog("report", "--dir", folder, "--format", "json").json["run_id"] == "r2"  # the newest


def test_problems_end_as_all_verbs_do(folder: Path, tmp_path: Path) -> None:
    assert flightlog("report", "nobody", "--dir", folder).code == 3
    assert flightlog("report", "r1", "--dir", folder, "--format", "pdf").code == 2
    assert flightlog("report", "r1", "--dir", folder, "--json", "--format", "md").code == 2
    assert flightlog("report", "r1", "--dir", folder, "--link-base", "nowhere").code == 2
    assert flightlog("report", "r1", "--dir", folder, "--out", tmp_path / "no" / "such" / "file.md").code == 2


def test_the_command_line_gives_the_same_of_a_server_with_links_to_it(services: Services, server: Server) -> None:
    record(services, *whole_flight())
    said = flightlog("report", "r1", "--server", server.url)
    assert said.code == 0
    assert f"[event]({server.url}/events/e000003)" in said.out
    assert "https://log.example/events/" in flightlog(
        "report", "r1", "--server", server.url, "--link-base", "https://log.example"
    ).out  # fmt: skip
    assert json.loads(flightlog("report", "r1", "--server", server.url, "--json").out)["run_id"] == "r1"


def test_the_bundle_of_a_run_holds_its_report_under_the_manifest(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "evidence.zip"
    assert flightlog("export", "evidence", "r1", "--dir", folder, "--out", out).code == 0
    with zipfile.ZipFile(out) as bundle:
        assert bundle.read("run.md").decode().startswith("# Run report: mend the till\n")
        assert bundle.read("run.html").decode().startswith("<!doctype html>")
        assert {"run.md", "run.html"} <= json.loads(bundle.read("manifest.json"))["files"].keys()
        assert "run.html" in bundle.read("report.md").decode()


def test_the_bundle_over_http_holds_it_too(folder: Path) -> None:
    up = Up(folder)
    with up:
        made = httpx.get(f"{up.url}/api/runs/r1/evidence", timeout=30)
    with zipfile.ZipFile(io.BytesIO(made.content)) as bundle:
        assert bundle.read("run.md").decode().startswith("# Run report: mend the till\n")
        assert "Sealed: all 16 events" in bundle.read("run.md").decode()


def test_the_bundle_of_more_than_one_run_holds_none(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "evidence.zip"
    assert flightlog("export", "evidence", "--since", "2020-01-01T00:00:00Z", "--dir", folder, "--out", out).code == 0
    with zipfile.ZipFile(out) as bundle:
        assert "run.md" not in bundle.namelist()
