"""`flightlog stats`: a table for people, the document for programs, of a folder and of a server."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from flightlog.cli.stats import _spark
from tests.analytics.flown import flight
from tests.api.serving import open_services
from tests.archive.reading import Archiving
from tests.cli.terminal import flightlog

SINCE = ("--since", "2023-11-14T00:00:00Z", "--until", "2023-11-18T00:00:00Z")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with open_services(tmp_path / "flight") as services:
        services.journal.append(flight(random.Random(11), 200))
        Archiving(services.store, tmp_path / "flight").archive(120)
    return tmp_path / "flight"


def test_a_table_of_models_with_the_others_all_and_bars(folder: Path) -> None:
    done = flightlog("stats", "--dir", str(folder), *SINCE, "--top", "2")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].split()[:4] == ["MODEL", "CALLS", "ERRORS", "ERROR"]
    assert lines[0].rstrip().endswith("DAYS")
    assert [line.split("  ")[0] for line in lines[3:]] == ["(3 others)", "(all)"]
    assert set(lines[-1][-4:]) & set("▁▂▃▄▅▆▇█")
    assert "models from 2023-11-14 00:00 to 2023-11-18 00:00" in done.err


def test_as_json_it_is_what_the_endpoint_says(folder: Path) -> None:
    done = flightlog("stats", "tools", "--dir", str(folder), *SINCE, "--measure", "calls", "--sort", "errors", "--json")
    found = json.loads(done.out)
    assert (found["of"], found["by"], found["sort"], found["bucket"]) == ("tools", "tool", "errors", None)
    errors = [group["numbers"]["errors"] for group in found["groups"]]
    assert errors == sorted(errors, reverse=True)
    assert found["files"] > 0


def test_nonsense_is_refused_and_nothing_is_said_to_be_nothing(folder: Path) -> None:
    refused = flightlog("stats", "moons", "--dir", str(folder))
    assert refused.code != 0
    assert "of is one of models, tools" in refused.err
    nothing = flightlog("stats", "--dir", str(folder), "--since", "1h")
    assert (nothing.code, nothing.out) == (0, "")
    assert "there is nothing of that kind" in nothing.err


def test_many_values_are_put_together_in_one_bar() -> None:
    assert len(_spark([1] * 100)) <= 30
    assert _spark([]) == ""
