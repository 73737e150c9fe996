"""Drills as such: order, verdicts, cleaning up, and the report; with checks of the test's own and servers that are not there."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from markdown_it import MarkdownIt

from flightlog.clock import FakeClock
from flightlog.drills.check import Check, Drill, fly
from flightlog.drills.matrix import fly_matrix, markdown
from flightlog.drills.smoke import SMOKE
from flightlog.drills.target import Target
from flightlog.drills.walk import Red, Unproved, Walk
from tests.cli.terminal import flightlog


@pytest.fixture
def nobody() -> Iterator[str]:
    """A URL at which nobody answers: the port is taken, and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def walk_at(url: str) -> Walk:
    return Walk(Target(url), "test", FakeClock())


def good(_: Walk) -> str:
    return "as it should be"


def red(_: Walk) -> str:
    raise Red("200 was to come, and 500 came | <b>`really`</b>")


def unproved(_: Walk) -> str:
    raise Unproved("results are kept for ever here")


def drill(*runs: object) -> Drill:
    return Drill("own", tuple(Check(run.__name__, f"it is {run.__name__}", run) for run in runs))  # type: ignore[attr-defined, arg-type]


def test_every_check_is_tried_and_one_that_is_red_makes_the_drill_red(nobody: str) -> None:
    report = fly(drill(good, red, unproved, good), walk_at(nobody), FakeClock())
    assert [one.verdict for one in report.outcomes] == ["passed", "failed", "skipped", "passed"]
    assert not report.ok
    assert fly(drill(good, unproved), walk_at(nobody), FakeClock()).ok
    assert not fly(drill(unproved), walk_at(nobody), FakeClock()).ok  # nothing was shown


def test_an_answer_that_is_not_what_it_should_be_is_red_and_not_a_crash(nobody: str) -> None:
    def misread(walk: Walk) -> str:
        return str({}["task_id"])

    report = fly(drill(misread), walk_at(nobody), FakeClock())
    assert report.outcomes[0].verdict == "failed"
    assert "KeyError: 'task_id'" in report.outcomes[0].said


def test_a_server_that_is_not_there_is_red_once_and_the_rest_is_not_tried(nobody: str) -> None:
    report = fly(SMOKE, walk_at(nobody), FakeClock())
    verdicts = [one.verdict for one in report.outcomes]
    assert verdicts == ["failed"] + ["skipped"] * (len(SMOKE.checks) - 1)
    assert "can't be reached" in report.outcomes[0].said
    assert report.left_behind == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ZeroDivisionError])
def test_it_cleans_up_whatever_ends_it(nobody: str, error: type[BaseException]) -> None:
    cleaned = []

    def begin(walk: Walk) -> str:
        walk.at_the_end(lambda: cleaned.append("first") or [])
        walk.at_the_end(lambda: cleaned.append("second") or [])
        return ""

    def end(_: Walk) -> str:
        raise error

    with pytest.raises(error):
        fly(drill(begin, end, good), walk_at(nobody), FakeClock())
    assert cleaned == ["second", "first"]


def test_what_could_not_be_put_away_is_told_and_red_and_keeps_nothing_else_from_going(nobody: str) -> None:
    cleaned = []

    def begin(walk: Walk) -> str:
        def broken() -> list[str]:
            raise Red("409 came")

        walk.at_the_end(lambda: cleaned.append("first") or [])
        walk.at_the_end(broken)
        walk.at_the_end(lambda: ["letter 7 is still there"])
        return ""

    report = fly(drill(begin), walk_at(nobody), FakeClock())
    assert report.left_behind == ["letter 7 is still there", "broken: 409 came"]
    assert cleaned == ["first"]
    assert not report.ok


@pytest.mark.parametrize("parallel", [False, True])
def test_the_matrix_has_every_drill_on_every_target_in_order(nobody: str, parallel: bool) -> None:
    targets = {"dev": Target(nobody), "shared": Target(nobody)}
    drills = (drill(good), Drill("other", (Check("red", "x", red),)))
    heard: list[tuple[str, str]] = []
    reports = fly_matrix(
        targets, drills, FakeClock(), lambda: "t", wait_seconds=1, parallel=parallel,
        told=lambda target, name, _: heard.append((target, name)),
    )  # fmt: skip
    places = [("dev", "own"), ("dev", "other"), ("shared", "own"), ("shared", "other")]
    assert [(report.target, report.drill) for report in reports] == places
    assert sorted(heard) == sorted(places)


def test_the_report_is_markdown_with_a_cell_for_everything(nobody: str) -> None:
    reports = fly_matrix(
        {"dev": Target(nobody)}, [drill(good, red, unproved)], FakeClock(), lambda: "t", wait_seconds=1
    )
    html = MarkdownIt().enable("table").render(markdown(reports))
    assert "<h1>Drills</h1>" in html
    assert "1 red" in html
    assert "<b>" not in html  # what a server said is text
    assert "200 was to come, and 500 came | &lt;b&gt;`really`&lt;/b&gt;" in html
    assert html.count("<tr>") == 2 + 1 + 3
    assert html.count("<td") == 3 + 3 * 5


def test_the_verb_is_red_for_a_matrix_with_a_server_that_is_not_there(nobody: str, tmp_path: object) -> None:
    file = f"{tmp_path}/report.md"
    said = flightlog("drill", "matrix", "--targets", f"dev={nobody},shared={nobody}", "--report", file, "--json")
    assert said.code == 1
    assert [one["ok"] for one in said.json["reports"]] == [False] * 4
    with open(file) as report:
        assert report.read().count("can't be reached") > 4


@pytest.mark.parametrize(
    "targets", ["", "http://127.0.0.1:1", "a=ftp://x", "a=http://127.0.0.1:1,a=http://127.0.0.1:2", "=http://x"]
)
def test_targets_are_names_with_urls(targets: str) -> None:
    said = flightlog("drill", "matrix", "--targets", targets, "--json")
    assert (said.code, said.problem["type"]) == (2, "/problems/setting-invalid")
