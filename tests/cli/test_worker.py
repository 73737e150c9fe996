"""Tasks done by `flightlog up` and `flightlog worker`: as real processes that are killed, stopped, and started anew."""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flightlog.cli.app import VERBS
from tests.cli.terminal import SECONDS_MAX, Process, Server, flightlog
from tests.contract.postgres import drop_database, make_database

assert {"worker", "queues"} <= VERBS.keys()

# A step that says on standard output when it is there; the first attempt then waits for ever, unless the input says otherwise.
WORDS = """
import threading, time
from pathlib import Path
from flightlog.tasks import pipeline, step

@pipeline("words", states=["QUEUED", "COUNTING", "WRITING"], queue="slow")
class Words:
    @step("COUNTING")
    def count(self, task):
        task.recorder.emit("note", {"text": "counting"})
        return len(task.input["text"].split())

    @step("WRITING")
    def write(self, task):
        print("writing", task.attempt_no, flush=True)
        if task.attempt_no <= task.input.get("hang", 0):
            threading.Event().wait()
        while task.attempt_no == 1 and "gate" in task.input and not Path(task.input["gate"]).exists():
            time.sleep(0.02)
        return f"{task.results['COUNTING']} words, VERSION"
"""


@pytest.fixture
def words(tmp_path: Path) -> Path:
    file = tmp_path / "words.py"
    file.write_text(WORDS.replace("VERSION", "one"), "utf-8")
    return file


def ask(url: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=SECONDS_MAX) as answer:
        return json.loads(answer.read())


def submit(url: str, **given: Any) -> str:
    return str(ask(url, "/v1/tasks", {"pipeline": "words", "input": {"text": "to be or not", **given}})["task_id"])


def ended(url: str, task_id: str) -> Any:
    """The task as its stream tells it last: the server ends the stream when the task is over."""
    with urllib.request.urlopen(f"{url}/v1/tasks/{task_id}/stream", timeout=SECONDS_MAX) as stream:
        for _ in stream:
            pass
    return ask(url, f"/v1/tasks/{task_id}")


def test_a_task_outlives_a_kill_and_a_stop_and_ends_in_the_next_version(folder: Path, words: Path) -> None:
    with Server(folder, "--pipelines", str(words)) as server:
        task_id = submit(server.url, hang=2)
        server.line(lambda line: line == "writing 1")
        assert flightlog("queues", "--server", server.url, "--json").json["queues"][-1]["running"] == 1
        health = ask(server.url, "/api/health")
        assert health["status"] == "ok"
        assert (health["tasks"]["worker"], health["tasks"]["running"]) == ("running", 1)
        refused = flightlog("worker", "--dir", folder, "--pipelines", words, "--json")
        assert refused.code != 0
        assert "flightlog up --pipelines" in refused.problem["detail"]
        server.send(signal.SIGKILL)
        server.wait()

    # Nobody serves the folder: a worker keeps it itself. It is told to stop, and then that nobody waits.
    with Process(["worker", "--dir", folder, "--pipelines", words, "--json"]) as worker:
        worker.line(lambda line: '"worker":"embedded"' in line)
        began = time.monotonic()
        worker.line(lambda line: line == "writing 2")
        assert time.monotonic() - began < 5
        worker.send(signal.SIGTERM)
        while flightlog("queues", "--dir", folder, "--json").json["workers"][0]["state"] != "DRAINING":
            pass
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
        assert "flightlog: stopped; 1 task handed back" in worker.errors

    words.write_text(WORDS.replace("VERSION", "two"), "utf-8")
    with Server(folder, "--pipelines", str(words)) as server:
        task = ended(server.url, task_id)
        assert (task["state"], task["attempt_no"], task["deaths"], task["tries"]) == ("SUCCEEDED", 3, 1, 0)
        assert task["results"] == {"COUNTING": 4, "WRITING": "4 words, two"}
        run = flightlog("run", "show", task_id, "--server", server.url, "--types", "note", "--json").json
        assert len(run["events"]) == 1  # the step that was done was not done again


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "a worker needs pipelines"),
        (["--pipelines", "nothing_of_the_kind"], "there is no module"),
        (["--pipelines", "WORDS", "--queues", "slow,quick"], "in the queue quick; they are in"),
    ],
)
def test_a_worker_that_could_do_nothing_says_why(folder: Path, words: Path, more: list[str], said: str) -> None:
    answer = flightlog("worker", "--dir", folder, *(one.replace("WORDS", str(words)) for one in more), "--json")
    assert answer.code != 0
    assert said in answer.problem["detail"]
    assert not (folder / "flightlog.db").exists()


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of processes on one PostgreSQL store, whose workers are dead after 0.6 s of silence."""
    url = make_database()
    yield {
        "FLIGHTLOG_STORE": url, "FLIGHTLOG_WORKER_HEARTBEAT_SECONDS": "0.1", "FLIGHTLOG_WORKER_SILENT_SECONDS": "0.6",
        "FLIGHTLOG_WORKER_SWEEP_SECONDS": "0.1", "XDG_STATE_HOME": str(tmp_path),
    }  # fmt: skip
    drop_database(url)


def states(at: str) -> list[str]:
    return sorted(one["state"] for one in ask(at, "/v1/queues")["workers"])


@pytest.mark.torture
def test_workers_share_a_store_and_what_a_killed_one_had_is_done_by_another(
    shared: dict[str, str], words: Path
) -> None:
    options = ["--pipelines", words, "--json"]
    with (
        Process(["up", "--port", "0", "--no-worker", *options], **shared) as server,
        Process(["worker", *options, "--queues", "slow", "--concurrency", "1"], **shared) as first,
    ):
        at = json.loads(server.line())["url"]
        assert json.loads(first.line())["queues"] == ["slow"]
        task_id = submit(at, hang=1)
        first.line(lambda line: line == "writing 1")
        with Process(["worker", *options], **shared) as second:
            second.line()
            first.send(signal.SIGKILL)
            second.line(lambda line: line == "writing 2")
            task = ended(at, task_id)
            assert (task["state"], task["deaths"]) == ("SUCCEEDED", 1)
            assert states(at) == ["DEAD", "RUNNING"]
            second.send(signal.SIGTERM)
            assert second.wait() == 0


@pytest.mark.torture
def test_a_worker_that_only_seemed_dead_stores_nothing_and_comes_back(
    shared: dict[str, str], words: Path, tmp_path: Path
) -> None:
    options = ["--pipelines", words, "--json"]
    gate = tmp_path / "gate"
    with (
        Process(["up", "--port", "0", "--no-worker", *options], **shared) as server,
        Process(["worker", *options], **shared) as zombie,
    ):
        at = json.loads(server.line())["url"]
        zombie.line()
        task_id = submit(at, gate=str(gate))
        zombie.line(lambda line: line == "writing 1")
        zombie.send(signal.SIGSTOP)
        with Process(["worker", *options], **shared) as living:
            task = ended(at, task_id)
            assert (task["state"], task["attempt_no"], task["deaths"]) == ("SUCCEEDED", 2, 1)
            assert states(at) == ["DEAD", "RUNNING"]
            gate.touch()
            zombie.send(signal.SIGCONT)
            while states(at) != ["RUNNING", "RUNNING"]:
                pass
            living.send(signal.SIGTERM)
            assert living.wait() == 0
        assert ended(at, submit(at))["state"] == "SUCCEEDED"  # by the one that came back
        zombie.line(lambda line: line == "writing 1")
        assert ask(at, f"/v1/tasks/{task_id}") == task
        zombie.send(signal.SIGTERM)
        assert zombie.wait() == 0
