"""The drills as they are flown: on a real server, on one that takes none, and ended in the middle."""

from __future__ import annotations

import json
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flightlog.cli.serving import known_pipelines
from flightlog.clock import FakeClock
from flightlog.config import Settings
from flightlog.drills.joining import drill_handlers
from flightlog.drills.pipeline import NAME
from flightlog.drills.smoke import takes_drills
from flightlog.drills.target import Answer, Target
from flightlog.drills.walk import Red, Walk
from tests.cli.terminal import SECONDS_MAX, Process, Server, flightlog


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that keeps results for a moment only, so that this can be seen too."""
    folder = tmp_path_factory.mktemp("drilled") / "flight"
    with Server(folder, FLIGHTLOG_TASK_RESULT_SECONDS="3") as server:
        yield server.url


def get(url: str, path: str) -> Any:
    with urllib.request.urlopen(url + path, timeout=SECONDS_MAX) as answer:
        return json.load(answer)


def left_behind(url: str) -> tuple[int, list[str]]:
    """Open dead letters, and tasks that are under way."""
    under_way = get(url, "/v1/tasks?state=QUEUED,FIRST,SECOND&limit=500")["tasks"]
    return get(url, "/v1/deadletters/groups?status=OPEN")["letters"], [task["task_id"] for task in under_way]


def red(found: Any) -> list[str]:
    return [f"{one['name']}: {one['said']}" for one in found["outcomes"] if one["verdict"] == "failed"]


def test_both_drills_are_green_on_a_server_that_keeps_its_promises(url: str, tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    said = flightlog("drill", "matrix", "--targets", f"dev={url}", "--report", str(report), "--json")
    found = said.json["reports"]
    assert [red(one) for one in found] == [[], []]
    assert [one["left_behind"] for one in found] == [[], []]
    assert said.code == 0
    assert [one["verdict"] for one in found[0]["outcomes"]] == ["passed"] * len(found[0]["outcomes"])  # 410 is seen too
    assert "**all green**" in report.read_text("utf-8")
    assert left_behind(url) == (0, [])
    with urllib.request.urlopen(url + "/metrics", timeout=SECONDS_MAX) as answer:
        said = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#"))
    assert float(said['flightlog_tasks_finished_total{pipeline="flightlog-drill",state="FAILED"}']) == 50 + 2 + 1
    assert float(said['flightlog_replay_items_total{outcome="replayed"}']) == 50 + 2 + 2
    assert float(said["flightlog_dead_letters_open"]) == 0
    assert float(said['flightlog_workers{state="RUNNING"}']) == 1


class Silent(Target):
    """A server without the drill's pipeline."""

    def ask(self, *_: Any, **__: Any) -> Answer:
        return Answer(200, {"content-type": "application/json"}, b'{"pipelines": []}')


def test_a_server_that_takes_no_drills_is_red_and_says_why() -> None:
    assert known_pipelines(Settings(drills=False)) == {}
    assert drill_handlers(Settings(drills=False)) == {}
    assert list(known_pipelines(Settings())) == [NAME]
    with pytest.raises(Red, match="its setting `drills` is off"):
        takes_drills(Walk(Silent("http://127.0.0.1:1"), "test", FakeClock()))


def test_a_drill_that_is_ended_in_the_middle_cleans_up(url: str) -> None:
    head = get(url, "/api/health")["store"]["last_event_id"]
    with Process(["drill", "deadletters", "--server", url]) as process:
        letters = f"{url}/api/events/stream?type=dead_letter&afterId={head}"
        with urllib.request.urlopen(letters, timeout=SECONDS_MAX) as stream:
            next(line for line in stream if line.startswith(b"data:"))
        process.send(signal.SIGINT)
        assert process.wait() == 130
    assert left_behind(url) == (0, [])
