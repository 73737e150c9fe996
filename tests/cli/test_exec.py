"""`exec`: the command is run as without us, and what it did is in the record."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import COMMAND, SECONDS_MAX, Process, Server, environment, flightlog, flightlog_process


def show(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = flightlog("run", "show", "--dir", folder, "--json").json
    return found


def payload(folder: Path, kind: str) -> dict[str, Any]:
    return next(event["payload"] for event in show(folder)["events"] if event["type"] == kind)


def test_output_and_exit_code_are_the_commands(folder: Path) -> None:
    said = flightlog_process("exec", "--dir", folder, "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (said.code, said.out) == (7, "out\n")
    assert said.err.startswith("err\n")
    assert "recorded as run" in said.err
    found = show(folder)
    assert [event["type"] for event in found["events"]] == [
        "run_started",
        "exec_started",
        "exec_result",
        "run_finished",
    ]
    assert found["run"]["status"] == "failed"
    result = payload(folder, "exec_result")
    assert result["command"] == ["sh", "-c", "echo out; echo err >&2; exit 7"]
    assert (result["exit_code"], result["stdout"]["head"], result["stderr"]["head"]) == (7, "out\n", "err\n")


def test_a_command_that_ends_well_is_a_run_that_succeeded(folder: Path) -> None:
    args = ["--run-name", "the name", "--actor", "me", "--task", "T-9", "--project", "shop", "--quiet"]
    said = flightlog_process("exec", "--dir", folder, *args, "true")
    assert (said.code, said.out, said.err) == (0, "", "")
    run = show(folder)["run"]
    assert [run[key] for key in ("name", "status", "actor", "task_id", "project")] == [
        "the name",
        "succeeded",
        "me",
        "T-9",
        "shop",
    ]


def test_json_has_standard_output_to_itself(folder: Path) -> None:
    said = flightlog_process("exec", "--dir", folder, "--json", "--", "echo", "hello")
    assert said.err == "hello\n"
    assert said.json["exit_code"] == 0
    assert said.json["delivered"] is True
    assert said.json["run_id"] == show(folder)["run"]["run_id"]


def test_options_after_the_command_are_the_commands(folder: Path) -> None:
    code = "import sys; print(sys.argv[1:])"
    said = flightlog_process("exec", "--dir", folder, "-q", sys.executable, "-c", code, "--json", "--", "--dir", "x")
    assert said.out == "['--json', '--', '--dir', 'x']\n"


def test_arguments_that_are_no_text_get_through(folder: Path) -> None:
    command = [os.fsencode(word) for word in [*COMMAND, "exec", "--dir", str(folder), "-q", "--", "printf", "%s"]]
    done = subprocess.run(
        [*command, b"\xff\xfe"], capture_output=True, env=environment(), timeout=SECONDS_MAX, check=True
    )
    assert done.stdout == b"\xff\xfe"
    assert payload(folder, "exec_result")["command"][0] == "printf"


def test_standard_input_is_handed_on(folder: Path) -> None:
    command = [*COMMAND, "exec", "--dir", str(folder), "-q", "--", "cat"]
    done = subprocess.run(
        command, input=b"typed", capture_output=True, env=environment(), timeout=SECONDS_MAX, check=True
    )
    assert done.stdout == b"typed"


@pytest.mark.parametrize(
    ("command", "code", "kind"),
    [(["/no/such/command"], 127, "FileNotFoundError"), (["/etc"], 126, "PermissionError")],
)
def test_a_command_that_can_not_be_run_ends_as_a_shell_says_it(
    folder: Path, command: list[str], code: int, kind: str
) -> None:
    said = flightlog_process("exec", "--dir", folder, "--", *command)
    assert said.code == code
    assert f"flightlog exec: {command[0]}: " in said.err
    assert "Traceback" not in said.err
    assert payload(folder, "exec_result")["error"]["kind"] == kind
    assert show(folder)["run"]["status"] == "failed"


def test_a_signal_shows_in_the_exit_code(folder: Path) -> None:
    said = flightlog_process("exec", "--dir", folder, "--", "sh", "-c", "kill -9 $$")
    assert said.code == 128 + 9
    assert payload(folder, "exec_result")["signal"] == "SIGKILL"


def test_a_signal_to_us_goes_to_the_command_and_the_run_is_finished(folder: Path) -> None:
    script = "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    with Process(["exec", "--dir", folder, "--", "sh", "-c", script]) as process:
        process.line(lambda line: line == "ready")
        process.send(signal.SIGTERM)
        process.line(lambda line: line == "caught")
        assert process.wait() == 5
    assert show(folder)["run"]["status"] == "failed"


def test_output_comes_while_the_command_runs(folder: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with Process(["exec", "--dir", folder, "--", "sh", "-c", f"echo first; read x < {gate}; echo $x"]) as process:
        process.line(lambda line: line == "first")  # the command is still waiting for the gate
        gate.write_text("second\n")
        process.line(lambda line: line == "second")
        assert process.wait() == 0


def test_no_command_is_a_wrong_call(folder: Path) -> None:
    said = flightlog("exec", "--dir", folder, "--json")
    assert (said.code, said.problem["type"]) == (2, "/problems/bad-input")
    assert not folder.exists()


def test_a_server_takes_the_run(tmp_path: Path) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path / "state")}
    with Server(tmp_path / "flight") as server:
        said = flightlog_process("exec", "--server", server.url, "--json", "--", "true", **env)
        assert said.json["delivered"] is True
        assert flightlog("run", "show", "--server", server.url, "--json").json["run"]["run_id"] == said.json["run_id"]


def test_a_server_that_is_down_costs_the_command_nothing_and_gets_it_later(tmp_path: Path) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path / "state")}
    with Server(tmp_path / "flight") as server:
        url, port = server.url, server.url.rsplit(":", 1)[1]
    said = flightlog_process("exec", "--server", url, "--", "sh", "-c", "exit 3", **env)
    assert said.code == 3
    assert "wait in the spool" in said.err
    with Process(["up", "--dir", tmp_path / "flight", "--port", port, "--json"]) as again:
        again.line()
        drained = flightlog_process("drain", "--server", url, "--json", **env)
        # The four of the run, and what the recorder said of its trouble.
        assert drained.json["delivered"] >= 4
        assert drained.json["left"] == 0
        assert flightlog("run", "show", "--server", url, "--json").json["run"]["status"] == "failed"


def test_secrets_on_the_command_line_stay_out_of_the_folder(folder: Path) -> None:
    secret = "ghp_" + "Zq3xN8vB2mK7pL5tR9wY4cF6hJ1dS0aG3eUi"
    flightlog_process("exec", "--dir", folder, "--", "echo", f"token={secret}")
    assert show(folder)["run"]["event_count"] == 4
    assert not [path for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def test_commands_side_by_side_all_arrive(folder: Path) -> None:
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(Process(["exec", "--dir", folder, "--", "sleep", "0.2"])) for _ in range(4)]
        assert [process.wait() for process in running] == [0] * 4
    runs = flightlog("run", "list", "--dir", folder, "--json").json["runs"]
    assert [(run["status"], run["event_count"]) for run in runs] == [("succeeded", 4)] * 4
