"""`flightlog tasks`: asked of a running server, followed to their end; read from its folder too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.terminal import Server, flightlog, flightlog_process

PIPELINES = """
from flightlog.tasks import Unrecoverable, pipeline, step

@pipeline("count", states=["QUEUED", "COUNTING"])
class Count:
    @step("COUNTING")
    def count(self, task):
        if task.input is None:
            raise Unrecoverable("there is nothing to count")
        return {"words": len(task.input["text"].split())}

@pipeline("idle", states=["QUEUED", "WAITING"], queue="idle")
class Idle:
    @step("WAITING")
    def wait(self, task):
        import time
        while True:
            task.check()
            time.sleep(0.01)
"""


class Served(NamedTuple):
    folder: Path
    server: list[str]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    place = tmp_path_factory.mktemp("tasks")
    (place / "counting.py").write_text(PIPELINES)
    with Server(place / "flight", "--pipelines", str(place / "counting.py")) as process:
        yield Served(place / "flight", ["--server", process.url])


def test_a_task_is_asked_for_waited_for_and_read_in_every_way(served: Served, tmp_path: Path) -> None:
    done = flightlog("tasks", "submit", "count", "--input", '{"text": "a b c"}', "--wait", *served.server)
    assert (done.code, done.json) == (0, {"words": 3})
    assert "is QUEUED" in done.err
    (tmp_path / "input.json").write_text('{"text": "a b"}')
    told = flightlog(
        "tasks", "submit", "count", "--input", f"@{tmp_path}/input.json", "--user", "ann", "--project", "shop",
        "--priority", "3", "--deadline-seconds", "60", "--wait", "--json", *served.server,
    )  # fmt: skip
    task_id = told.json["task_id"]
    assert told.json["result"] == {"words": 2}
    for place in (served.server, ["--dir", str(served.folder)]):
        listed = flightlog("tasks", "list", "--user", "ann", "--state", "SUCCEEDED", "--json", *place).json
        assert ([task["task_id"] for task in listed["tasks"]], listed["next_cursor"]) == ([task_id], None)
        assert flightlog("tasks", "list", "--id", task_id[:-1], "--since", "1h", *place).out.count("SUCCEEDED") == 1
        shown = flightlog("tasks", "show", task_id, "--json", *place).json
        assert (shown["results"], shown["priority"], shown["project"]) == ({"COUNTING": {"words": 2}}, 3, "shop")
        assert "COUNTING" in flightlog("tasks", "show", task_id, *place).out
        assert flightlog("tasks", "result", task_id, *place).json == {"words": 2}
        assert flightlog("tasks", "result", task_id, "--json", *place).json == told.json
        assert flightlog("tasks", "show", "nosuch", *place).code == 3
        assert "there is no such task" in flightlog("tasks", "list", "--user", "nobody", *place).err
    lines = flightlog("tasks", "watch", task_id, "--json", *served.server).out.splitlines()
    assert json.loads(lines[-1])["state"] == "SUCCEEDED"
    assert "COUNTING" in flightlog("run", "show", task_id, *served.server).out


def test_what_fails_ends_with_a_verdict_and_is_retried_with_a_reason(served: Served) -> None:
    failed = flightlog("tasks", "submit", "count", "--wait", *served.server)
    assert (failed.code, "there is nothing to count" in failed.out) == (1, True)
    task_id = failed.out.split()[1]
    problem = flightlog("tasks", "result", task_id, "--json", *served.server)
    assert (problem.code, problem.problem["type"]) == (2, "/problems/result-missing")
    again = flightlog("tasks", "retry", task_id, "--reason", "once more", "--json", *served.server).json
    assert (again["round_no"], again["reason"]) == (2, "once more")
    watched = flightlog("tasks", "watch", task_id, *served.server)
    assert watched.code == 1
    assert "FAILED" in watched.out.splitlines()[-1]


def test_a_key_makes_it_one_and_what_runs_is_canceled(served: Served) -> None:
    asked = ["tasks", "submit", "idle", "--idempotency-key", "k1", "--json", *served.server]
    first, again = flightlog(*asked), flightlog(*asked)
    assert first.json == again.json
    misused = flightlog("tasks", "submit", "count", "--idempotency-key", "k1", "--json", *served.server)
    assert (misused.code, misused.problem["type"]) == (2, "/problems/key-misused")
    task_id = first.json["task_id"]
    canceled = flightlog("tasks", "cancel", task_id, "--idempotency-key", "c1", "--reason", "enough", *served.server)
    assert ("CANCELED" in canceled.out, "enough" in canceled.out) == (True, True)
    illegal = flightlog("tasks", "cancel", task_id, "--json", *served.server)
    assert (illegal.code, illegal.problem["type"]) == (2, "/problems/move-illegal")


@pytest.mark.parametrize("given", ["{", "@/nosuch/file"])
def test_an_input_that_is_none_is_said_to_be(given: str) -> None:
    wrong = flightlog("tasks", "submit", "count", "--input", given)
    assert wrong.code == 2
    assert "input" in wrong.err or "read" in wrong.err


def test_where_no_server_is_the_verb_says_so() -> None:
    gone = flightlog("tasks", "submit", "count", "--server", "http://127.0.0.1:9", "--json")
    assert (gone.code, gone.problem["type"]) == (5, "/problems/server-unavailable")


def test_the_verbs_that_only_ask_a_server_need_no_store(served: Served) -> None:
    said = flightlog_process("tasks", "list", "--limit", "1", "--json", *served.server)
    assert said.code == 0
