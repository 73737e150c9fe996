"""What works with the base install alone, and how the rest says what is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Recorded, spool_notes
from tests.cli.terminal import SECONDS_MAX, Said, Server, environment, flightlog

# The packages of the server extra, as if they were not installed.
WITHOUT = """
import sys
from importlib.machinery import PathFinder
GONE = {"alembic", "fastapi", "jinja2", "sqlalchemy", "starlette", "uvicorn"}
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name.split(".")[0] in GONE else PathFinder.find_spec(name, path, target)
    invalidate_caches = staticmethod(PathFinder.invalidate_caches)
sys.meta_path[:] = [Finder if it is PathFinder else it for it in sys.meta_path]
from flightlog.cli.main import main
main()
"""


def without_extra(*args: str | Path, **env: str) -> Said:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *map(str, args)],
        capture_output=True, text=True, env=environment(**env), timeout=SECONDS_MAX, check=False,
    )  # fmt: skip
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    "args",
    [
        ["up", "--port", "0"],
        ["demo", "--no-serve"],
        ["run", "list"],
        ["run", "show"],
        ["tail"],
        ["events"],
        ["import", "swe-agent", "x.traj"],
        ["export", "events", "-o", "x.jsonl"],
        ["backup", "target"],
        ["restore", "target"],
        ["migrate"],
        ["drain"],
    ],
    ids=" ".join,
)
def test_what_needs_the_extra_says_how_to_get_it(folder: Path, args: list[str]) -> None:
    said = without_extra(*args, "--dir", folder, "--json")
    assert (said.code, said.out) == (2, "")
    assert said.problem["type"] == "/problems/server-extra-missing"
    assert "pip install 'flightlog[server]'" in said.problem["detail"]
    assert not folder.exists()


def test_commands_are_recorded_and_wait_for_somebody_who_delivers(folder: Path) -> None:
    said = without_extra("exec", "--dir", folder, "--", "sh", "-c", "echo hello; exit 4")
    assert (said.code, said.out) == (4, "hello\n")
    assert "wait in the spool" in said.err
    assert flightlog("drain", "--dir", folder, "--json").json["delivered"] == 4
    assert flightlog("run", "show", "--dir", folder, "--json").json["run"]["status"] == "failed"


def test_a_server_is_read_recorded_to_and_imported_to(server: Recorded, tmp_path: Path) -> None:
    assert (
        without_extra("run", "list", *server.where, "--json").out
        == flightlog("run", "list", *server.where, "--json").out
    )
    assert without_extra("run", "show", server.runs[0], *server.where, "--json").json["run"]["name"] == "mend the till"
    assert without_extra("events", *server.where, "--limit", "1", "--json").code == 0
    assert without_extra("tail", server.runs[0], *server.where, "--until-finished").code == 0
    assert without_extra("doctor", *server.where).code == 0
    for form in ("jsonl", "otlp"):
        out = tmp_path / f"e.{form}"
        assert without_extra("export", "events", *server.where, "--format", form, "-o", out).code == 0
        again = without_extra("import", out, *server.where, "--json").json["files"][0]
        assert (again["format"], again["stored"], again["problems"]) == (form, 0, [])
        assert again["duplicates"] > 10
    with Server(tmp_path / "flight") as own:
        env = {"XDG_STATE_HOME": str(tmp_path / "state")}
        said = without_extra("exec", "--server", own.url, "--json", "--", "true", **env)
        assert said.json["delivered"] is True
        assert without_extra("drain", "--server", own.url, "--json", **env).json["delivered"] == 0


def test_the_catalogue_needs_nothing_more(folder: Path) -> None:
    assert without_extra("catalogue", "--json").json == flightlog("catalogue", "--json").json


def test_the_doctor_looks_at_what_it_can(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    spool_notes(folder, 5)
    said = without_extra("doctor", "--dir", folder, "--json")
    found = {it["name"]: it for it in json.loads(said.out)["findings"]}
    assert found["store"]["state"] == "unknown"
    assert found["spool"]["facts"]["events"] == 5
    assert found["writer"]["state"] == "problem"
