"""The page, the code, the dashboard and the alerts name the same metrics as a server that runs."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from flightlog import wiring
from flightlog.metrics.families import BY_NAME, FAMILIES, PROCESS
from tests.cli.terminal import Server
from tests.metrics.promql import names_in

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
PAGE = ROOT / "docs" / "reference" / "metrics.md"
GUIDE = ROOT / "docs" / "how-to" / "metrics.md"
TARGET = {"job", "instance"}  # which Prometheus puts on everything
SERIES = ("_bucket", "_count", "_sum")


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, set[str]]]:
    """Every sample of a real server after a bit of traffic, with its labels."""
    folder = tmp_path_factory.mktemp("watched") / "flight"
    with wiring.open(folder, drain=False) as recorder, recorder.run("watched"):
        recorder.emit("note", {"text": "a bit of traffic"})
    with Server(folder) as server:
        for path in ("/api/runs", "/healthz", "/metrics"):
            with urllib.request.urlopen(server.url + path) as answer:
                text = answer.read().decode()
        samples: dict[str, set[str]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                samples.setdefault(sample.name, set()).update(sample.labels)
        yield samples


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression of the dashboard, the rules and the alerts, with where it stands."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield f"dashboard: {panel['title']}", re.sub(r"\$__(rate_interval|range)", "5m", target["expr"])
    for file in ("alerts.yml", "rules.yml"):
        for rule in rules(file):
            yield f"{file}: {rule.get('alert') or rule['record']}", rule["expr"]


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana" / "flightlog.json").read_text("utf-8"))
    return found


def rules(file: str) -> list[dict[str, Any]]:
    return [
        rule for group in yaml.safe_load((PROMETHEUS / file).read_text("utf-8"))["groups"] for rule in group["rules"]
    ]


def family_of(name: str) -> str:
    return next((name.removesuffix(end) for end in SERIES if name.removesuffix(end) in BY_NAME), name)


def test_a_server_says_everything_that_is_promised_and_nothing_else(scraped: dict[str, set[str]]) -> None:
    said = {family_of(name) for name in scraped}
    assert said == {family.name for family in FAMILIES} | set(PROCESS)
    for name, labels in scraped.items():
        if name in BY_NAME:
            assert labels == set(BY_NAME[name].labels), name


def test_the_page_lists_every_metric_in_the_words_of_the_code() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| (\w+) \| (.*?) \| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert rows == [(one.name, one.kind, ", ".join(f"`{label}`" for label in one.labels), one.help) for one in FAMILIES]
    assert all(f"`{name}`" in PAGE.read_text("utf-8") for name in PROCESS)


def test_every_expression_names_what_a_server_says(scraped: dict[str, set[str]]) -> None:
    recorded = {rule["record"] for rule in rules("rules.yml")}
    checked = 0
    for place, expression in expressions():
        found = names_in(expression)
        known = set(TARGET)
        for name, labels in found.metrics.items():
            assert name in scraped or name in recorded | {"up"}, f"{place} asks for {name}, which nobody says"
            known |= scraped.get(name, set())
            assert labels <= scraped.get(name, set()) | TARGET, f"{place}: {name} has no {labels}"
        assert found.grouped <= known, f"{place} groups by {found.grouped - known}"
        checked += 1
    assert checked > 50


def test_nothing_is_said_that_nobody_looks_at() -> None:
    looked_at = {family_of(name) for _, expression in expressions() for name in names_in(expression).metrics}
    assert {family.name for family in FAMILIES} <= looked_at


@pytest.mark.parametrize("rule", rules("alerts.yml"), ids=lambda rule: str(rule["alert"]))
def test_every_alert_says_what_it_means_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"].endswith(".")
    page, _, section = rule["annotations"]["runbook_url"].partition("#")
    assert ROOT / page == GUIDE
    headings = re.findall(r"^### (\w+)\n\n\S", GUIDE.read_text("utf-8"), re.MULTILINE)
    assert section in [heading.lower() for heading in headings]


def test_every_runbook_has_its_alert() -> None:
    headings = re.findall(r"^### (Flightlog\w+)$", GUIDE.read_text("utf-8"), re.MULTILINE)
    assert headings == [rule["alert"] for rule in rules("alerts.yml")]


def test_panels_stand_side_by_side_and_have_ids_of_their_own() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_the_example_configuration_reads_these_rules() -> None:
    found = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))
    assert all((PROMETHEUS / name).is_file() for name in found["rule_files"])
    assert found["scrape_configs"][0]["job_name"] == "flightlog"


@pytest.mark.parametrize("expression", ["a $ b", "5", "sum(1)"])
def test_an_expression_without_a_metric_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"can't read|no metric"):
        names_in(expression)
