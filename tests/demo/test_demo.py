"""The demo: a flight that is real, the same every time, and ends well only when it went well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flightlog.cli import demo as verb
from flightlog.demo import agent, model, workspace
from flightlog.demo.agent import Outcome, fly
from flightlog.demo.workspace import SECRET, make_workspace, test_command, test_environment
from flightlog.events.catalogue import check_event
from flightlog.testing import MemoryRecorder
from tests.cli.terminal import Process, flightlog, flightlog_process

# pytest would take these for tests.
COMMAND, ENVIRONMENT = test_command, test_environment
del test_command, test_environment

UNSTEADY = {"duration_ns", "time_to_first_chunk_ns", "uptime_ns"}


def flown(folder: Path) -> tuple[MemoryRecorder, Outcome]:
    recorder = MemoryRecorder()
    return recorder, fly(recorder, make_workspace(folder))


@pytest.fixture(scope="module")
def flight(tmp_path_factory: pytest.TempPathFactory) -> tuple[MemoryRecorder, Outcome, Path]:
    folder = tmp_path_factory.mktemp("demo") / "headline"
    return (*flown(folder), folder)


def test_the_tests_of_the_project_are_red_before_and_green_after(flight: tuple[MemoryRecorder, Outcome, Path]) -> None:
    recorder, outcome, folder = flight
    assert outcome.ok
    assert [payload["failed"] for payload in recorder.payloads("test_result")] == [2, 0]
    assert [payload["passed"] for payload in recorder.payloads("test_result")] == [3, 5]
    # Not only said: the file is changed, and who runs the tests now sees them pass.
    again = subprocess.run(COMMAND(), cwd=folder, env=ENVIRONMENT(), capture_output=True, check=False)
    assert again.returncode == 0


@pytest.mark.parametrize(
    "command", [["pytest", "-q", "-p", "no:cacheprovider"], ["unittest"]], ids=["pytest", "unittest"]
)
def test_the_project_is_red_under_both_test_runners(tmp_path: Path, command: list[str]) -> None:
    folder = make_workspace(tmp_path / "headline")
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=ENVIRONMENT(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "2 failed" in done.stdout or "failures=2" in done.stderr


def test_the_flight_has_everything_that_work_is_made_of(flight: tuple[MemoryRecorder, Outcome, Path]) -> None:
    recorder, outcome, _ = flight
    types = [event.type for event in recorder.events]
    assert types[0] == "run_started"
    assert types[-1] == "run_finished"
    assert {event.run_id for event in recorder.events} == {outcome.run_id}
    wanted = {
        "llm_request": 5,
        "llm_response": 5,
        "tool_call": 6,
        "tool_result": 6,
        "patch_proposed": 2,
        "patch_applied": 2,
    }
    assert {kind: types.count(kind) for kind in wanted} == wanted
    assert [event.status for event in recorder.events if event.type == "capability_decision"] == [
        "requested", "denied", "requested", "granted", "requested", "granted",
    ]  # fmt: skip
    assert recorder.bad_calls == 0


def test_every_event_of_the_flight_is_valid(flight: tuple[MemoryRecorder, Outcome, Path]) -> None:
    for event in flight[0].events:
        check_event(event)


def test_requests_and_their_answers_are_paired(flight: tuple[MemoryRecorder, Outcome, Path]) -> None:
    pairs: dict[str, list[str]] = {}
    for event in flight[0].events:
        if event.correlation_id:
            pairs.setdefault(event.correlation_id, []).append(event.type)
    assert all(len(pair) == 2 for pair in pairs.values())
    assert sorted(pairs.values()).count(["patch_proposed", "patch_applied"]) == 2


def test_the_patch_comes_after_the_permission(flight: tuple[MemoryRecorder, Outcome, Path]) -> None:
    steps = [(event.type, event.status) for event in flight[0].events if event.type.startswith(("patch", "capability"))]
    assert steps[2:6] == [
        ("patch_proposed", None),
        ("capability_decision", "requested"),
        ("capability_decision", "granted"),
        ("patch_applied", "ok"),
    ]


def test_the_model_answers_in_the_shape_of_a_chat_completion(flight: tuple[MemoryRecorder, Outcome, Path]) -> None:
    responses = flight[0].payloads("llm_response")
    assert [response["finish_reasons"] for response in responses] == [["tool_calls"]] * 4 + [["stop"]]
    assert [response["usage"]["input_tokens"] for response in responses] == [turn.input_tokens for turn in model.SCRIPT]
    assert [response["streamed"] for response in responses] == [False] * 4 + [True]
    assert responses[-1]["message"]["content"] == model.SCRIPT[-1].text
    assert all(response["cost_usd"] > 0 for response in responses)
    assert responses[0]["message"]["tool_calls"][0]["name"] == "read_file"


def test_the_secret_that_the_agent_read_is_not_in_its_record(flight: tuple[MemoryRecorder, Outcome, Path]) -> None:
    recorder, _, folder = flight
    assert SECRET in (folder / "publish.toml").read_text()
    assert not [body for body in recorder.memory.bodies if SECRET.encode() in body]
    redacted = [event for event in recorder.events if b"[REDACTED:" in bytes(event.payload)]
    assert {event.type for event in redacted} >= {"tool_result", "llm_request"}


def steady(recorder: MemoryRecorder, folder: Path) -> list[Any]:
    """The flight without what time, place and keys make of it."""

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: strip(it) for key, it in value.items() if key not in UNSTEADY}
        if isinstance(value, list):
            return [strip(it) for it in value]
        return value

    import re

    found = []
    for event in recorder.events:
        text = bytes(event.payload).decode().replace(str(folder.parent), "")
        text = re.sub(r"(\d+) (passed|failed)([^\"]*?) in [0-9.]+s", r"\1 \2\3", text)
        text = re.sub(r"\[REDACTED:([a-z-]+):[0-9a-f]+\]", r"[REDACTED:\1]", text)
        found.append([event.event_id, event.type, event.name, event.status, strip(msgspec.json.decode(text))])
    return found


def test_two_flights_are_the_same(flight: tuple[MemoryRecorder, Outcome, Path], tmp_path: Path) -> None:
    recorder, _, folder = flight
    again, _ = flown(tmp_path / "headline")
    first, second = steady(recorder, folder), steady(again, tmp_path / "headline")
    for one, other in zip(first, second, strict=True):
        one[4].pop("bytes", None)
        # The lengths of outputs follow the time that a test run took to say how long it took.
        assert drop_counts(one) == drop_counts(other)


def drop_counts(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: drop_counts(it) for key, it in value.items() if key not in ("bytes", "action_digest")}
    if isinstance(value, list):
        return [drop_counts(it) for it in value]
    return value


def test_a_repair_that_does_not_work_is_a_flight_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = list(model.SCRIPT)
    name, arguments = script[2].calls[1]
    script[2] = script[2]._replace(calls=(script[2].calls[0], (name, {**arguments, "new": arguments["old"] + "\n"})))
    monkeypatch.setattr(model, "SCRIPT", tuple(script))
    recorder, outcome = flown(tmp_path / "headline")
    assert (outcome.before, outcome.after, outcome.ok) == ("failed", "failed", False)
    assert recorder.events[-1].status == "failed"
    said = flightlog("demo", "--dir", tmp_path / "flight", "--no-serve", "--json")
    assert (said.code, said.json["ok"], said.json["tests"]) == (1, False, ["failed", "failed"])


def test_an_edit_outside_the_workspace_is_denied(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "headline")
    outside = tmp_path / "outside.txt"
    outside.write_text("keep\n")
    recorder = MemoryRecorder()
    with recorder.run("try") as run:
        worker = agent.Agent(run, folder)
        answer = worker._use("replace_in_file", {"path": "../outside.txt", "old": "keep", "new": "gone"}, "c1")
    assert "PermissionError" in answer
    assert outside.read_text() == "keep\n"
    assert [p["decision"] for p in recorder.payloads("capability_decision")] == ["requested", "denied"]


def test_unittest_takes_over_where_pytest_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace.importlib.util, "find_spec", lambda name: None)
    assert COMMAND()[1:] == ["-m", "unittest"]
    recorder, outcome = flown(tmp_path / "headline")
    assert outcome.ok
    assert [p["framework"] for p in recorder.payloads("test_result")] == ["unittest", "unittest"]


# ── the verb ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_verb_shows_what_the_store_holds(tmp_path: Path) -> None:
    said = flightlog_process("demo", "--dir", tmp_path / "flight", "--no-serve")
    assert said.code == 0, said.err
    assert "failed → passed" in said.out
    assert "in 0 files of the record" in said.out
    assert "flightlog run show" in said.out
    found = flightlog("run", "show", "--dir", tmp_path / "flight", "--json").json
    assert found["run"]["run_id"] in said.out
    assert found["run"]["status"] == "succeeded"
    assert found["run"]["tokens_input"] == sum(turn.input_tokens for turn in model.SCRIPT)


def test_the_verb_in_json(tmp_path: Path) -> None:
    found = flightlog_process("demo", "--dir", tmp_path / "flight", "--no-serve", "--json").json
    assert found["ok"] is True
    assert found["tests"] == ["failed", "passed"]
    assert found["decisions"] == {"requested": 3, "denied": 1, "granted": 2}
    assert found["redacted"] > 0
    assert found["secret_found_in"] == []


def test_a_secret_in_the_folder_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "flight"
    folder.mkdir()
    (folder / "leak.txt").write_text(f"oh {SECRET} no")
    said = flightlog("demo", "--dir", folder, "--no-serve", "--json")
    assert said.code == 1
    assert said.json["secret_found_in"] == [str(folder / "leak.txt")]


def test_without_redaction_the_demo_fails(tmp_path: Path) -> None:
    said = flightlog_process("demo", "--dir", tmp_path / "flight", "--no-serve", "--json", FLIGHTLOG_REDACT="false")
    assert said.code == 1
    assert said.json["secret_found_in"] != []


def test_it_serves_the_run_afterwards(tmp_path: Path) -> None:
    with Process(["demo", "--dir", tmp_path / "flight", "--port", "0"]) as process:
        url = process.line(lambda line: line.startswith("http://"))
        with urllib.request.urlopen(url, timeout=20) as answer:
            assert agent.NAME in answer.read().decode()


def test_in_json_the_url_is_one_line_too(tmp_path: Path) -> None:
    with Process(["demo", "--dir", tmp_path / "flight", "--port", "0", "--json"]) as process:
        assert json.loads(process.line())["ok"] is True
        url = json.loads(process.line())["url"]
        with urllib.request.urlopen(url, timeout=20) as answer:
            assert answer.status == 200


def test_a_taken_port_is_stepped_over(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Process(["demo", "--dir", tmp_path / "flight", "--port", str(port)]) as process:
            url = process.line(lambda line: line.startswith("http://"))
            assert port < int(url.split(":")[2].split("/")[0]) < port + verb.PORTS_TRIED


def test_the_demo_flies_beside_a_server_of_the_folder(tmp_path: Path) -> None:
    from tests.cli.terminal import Server

    with Server(tmp_path / "flight") as server:
        said = flightlog_process("demo", "--dir", tmp_path / "flight")
        assert said.code == 0
        assert str(server.pid) in said.err
        runs = flightlog("run", "list", "--server", server.url, "--json").json["runs"]
        assert [run["name"] for run in runs] == [agent.NAME]


def test_nothing_of_the_workspace_is_left_behind(tmp_path: Path) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    said = flightlog_process("demo", "--dir", tmp_path / "flight", "--no-serve", TMPDIR=str(scratch))
    assert said.code == 0
    assert os.listdir(scratch) == []
