"""SWE-agent trajectories: the three real ones to the last count, and what goes wrong in small ones of our own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog.events.diff import parse_diff
from flightlog.ingest.importers.base import ImportResult, Problem, collect
from flightlog.ingest.importers.swe_agent import read_swe_agent, read_trajectory
from tests.ingest.reading import of, payload, sound, total, types

SECOND = 1_000_000_000
WRITTEN_NS = 1_700_000_000 * SECOND


def read(document: Any, **options: Any) -> ImportResult:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return collect(read_trajectory(data, name="some-instance", written_ns=WRITTEN_NS, **options))


def step(action: str = "ls", observation: str = "x", response: str = "I look.", **more: Any) -> dict[str, Any]:
    return {"action": action, "observation": observation, "response": response, "thought": response, **more}


def trajectory(*steps: Any, **more: Any) -> dict[str, Any]:
    return {
        "environment": "main",
        "trajectory": list(steps),
        "history": [],
        "info": {"exit_status": "submitted"},
        **more,
    }


@pytest.fixture(scope="module")
def folder(samples: Path) -> Path:
    return samples / "swe-agent-traj"


# Real files


@pytest.mark.parametrize(
    ("name", "steps", "tokens", "cost", "errors", "lines"),
    [
        ("humanevalfix-python-0.traj", 5, (0, 0), 0.0, 0, (1, 1)),
        ("marshmallow-1867.function_calling_v1.traj", 11, (0, 0), 0.0, 1, (2, 1)),
        ("pydicom-1458.gpt4.traj", 12, (122_612, 1_369), 1.26719, 4, (3, 2)),
    ],
)
def test_a_real_trajectory_is_read_to_the_last_count(
    folder: Path, name: str, steps: int, tokens: tuple[int, int], cost: float, errors: int, lines: tuple[int, int]
) -> None:
    events, problems = collect(read_swe_agent(folder / name))
    assert problems == []
    assert types(events) == {
        "run_started": 1,
        "llm_request": steps,
        "llm_response": steps,
        "tool_call": steps,
        "tool_result": steps,
        "patch_proposed": 1,
        "run_finished": 1,
    }
    assert (total(events, "input_tokens"), total(events, "output_tokens")) == tokens
    assert sum(payload(event).get("cost_usd", 0) for event in of(events, "llm_response")) == cost
    assert sum(event.status == "error" for event in of(events, "tool_result")) == errors
    patch = payload(of(events, "patch_proposed")[0])
    assert (patch["added"], patch["deleted"], len(patch["files"])) == (*lines, 1)
    assert of(events, "run_finished")[0].status == "succeeded"
    sound(events)


def test_the_patch_has_the_stats_of_the_patch_file_that_came_with_it(folder: Path) -> None:
    events = collect(read_swe_agent(folder / "pydicom-1458.gpt4.traj")).events
    patch = payload(of(events, "patch_proposed")[0])
    beside = parse_diff((folder / "pydicom-1458.patch").read_text())
    assert patch["files"] == [file.as_payload() for file in beside.files]
    assert patch["files"][0]["path"] == "pydicom/pixel_data_handlers/numpy_handler.py"


def test_a_demonstration_is_part_of_the_prompt_and_no_step(folder: Path) -> None:
    events = collect(read_swe_agent(folder / "pydicom-1458.gpt4.traj")).events
    first = payload(of(events, "llm_request")[0])["messages"]
    assert [(message["role"], message.get("demonstration", False)) for message in first] == [
        ("system", False),
        ("user", True),
        ("user", False),
    ]
    started = payload(of(events, "run_started")[0])
    assert started["input"].startswith("Pixel Representation attribute should be optional")
    assert "INSTRUCTIONS" not in started["input"]


def test_requests_carry_what_is_new_and_not_the_history_again(folder: Path) -> None:
    for path in folder.glob("*.traj"):
        requests = [payload(event)["messages"] for event in of(collect(read_swe_agent(path)).events, "llm_request")]
        assert all(len(messages) == 1 for messages in requests[1:])
        assert sum(len(json.dumps(messages)) for messages in requests) < path.stat().st_size


def test_function_calls_keep_their_names_arguments_and_call_ids(folder: Path) -> None:
    events = collect(read_swe_agent(folder / "marshmallow-1867.function_calling_v1.traj")).events
    calls, results = of(events, "tool_call"), of(events, "tool_result")
    assert [event.name for event in calls][:4] == ["create", "insert", "bash", "bash"]
    assert payload(calls[0])["arguments"] == {"filename": "reproduce.py"}
    assert payload(calls[-1])["arguments"] == {}
    assert [payload(event)["call_id"] for event in calls] == [payload(event)["call_id"] for event in results]
    # The file uses call ids more than once; pairs are told apart all the same.
    assert len({event.correlation_id for event in calls}) == len(calls)
    assert [event.correlation_id for event in calls] == [event.correlation_id for event in results]
    assert {event.name for event in of(events, "llm_request")} == {"gpt-4o"}


def test_times_are_spaced_by_the_steps_durations_and_end_when_the_file_was_written(
    folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "copy.traj"
    path.write_bytes((folder / "marshmallow-1867.function_calling_v1.traj").read_bytes())
    os.utime(path, ns=(WRITTEN_NS, WRITTEN_NS))
    events = collect(read_swe_agent(path)).events
    seconds = [step["execution_time"] for step in json.loads(path.read_bytes())["trajectory"]]
    assert events[-1].created_at == WRITTEN_NS
    assert events[-1].duration_ns == pytest.approx(sum(seconds) * SECOND, abs=100)
    assert events[0].created_at == WRITTEN_NS - (events[-1].duration_ns or 0)
    assert [event.duration_ns for event in of(events, "tool_result")] == [int(s * SECOND) for s in seconds]
    assert [event.created_at for event in events] == sorted(event.created_at for event in events)
    assert payload(events[0])["attributes"]["times"] == "estimated"


def test_the_same_content_from_another_path_has_the_same_ids(folder: Path, tmp_path: Path) -> None:
    for path in folder.glob("*.traj"):
        copy = tmp_path / "deep" / path.name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
        one, two = collect(read_swe_agent(path)).events, collect(read_swe_agent(copy)).events
        assert [event.event_id for event in one] == [event.event_id for event in two]
        assert {event.run_id for event in one + two} == {one[0].run_id}


def test_a_trajectory_cut_anywhere_never_raises_and_never_loses_a_step_it_had(folder: Path) -> None:
    for path in folder.glob("*.traj"):
        data, steps = path.read_bytes(), []
        for length in range(0, len(data), 997):
            cut = read(data[:length])
            steps.append(len(of(cut.events, "tool_call")))
            assert cut.problems, f"{path.name} cut at {length} and no word of it"
            sound(cut.events)
        assert steps == sorted(steps)
        assert steps[-1] == len(json.loads(data)["trajectory"])


# Small files


def test_a_cut_file_says_where_it_was_cut_and_leaves_the_run_open() -> None:
    whole = json.dumps(trajectory(step("a"), step("b"), step("c")), indent=1)
    cut = read(whole[: whole.index('"c"')].encode())
    assert [payload(event)["arguments"]["command"] for event in of(cut.events, "tool_call")] == ["a", "b"]
    assert Problem("trajectory[2]", "cut off") in cut.problems
    assert of(cut.events, "run_finished") == []
    assert "stays open" in cut.problems[-1].reason


def test_a_damaged_step_is_reported_and_its_neighbours_are_kept() -> None:
    history = [{"role": "system", "content": "s"}, {"role": "assistant", "content": "I look.", "action": "a"}]
    whole = json.dumps(trajectory(step("a"), step("b"), step("c"), history=history))
    damaged = read(whole.replace('"action": "b"', '"action": b"').encode())
    assert [payload(event)["arguments"]["command"] for event in of(damaged.events, "tool_call")] == ["a", "c"]
    assert damaged.problems == [Problem("trajectory[1]", "damaged; reading went on behind it")]
    assert payload(of(damaged.events, "llm_request")[0])["messages"] == [{"role": "system", "content": "s"}]
    assert of(damaged.events, "run_finished")[0].status == "succeeded"


def test_a_step_of_the_wrong_kind_is_reported_and_its_neighbours_are_kept() -> None:
    result = read(trajectory(step("a"), 42, {"action": 7}, None, step("b")))
    assert len(of(result.events, "tool_call")) == 2
    assert [problem.where for problem in result.problems] == ["step 1", "step 2", "step 3"]


@pytest.mark.parametrize(
    "data", [b"", b"null", b"[1]", b"42", b"{}", b"\xff\xfe\x00", b'{"trajectory": 5}', b"{" * 5_000]
)
def test_a_file_that_is_no_trajectory_is_a_problem_and_not_an_exception(data: bytes) -> None:
    result = read(data)
    assert [event.type for event in result.events if event.type not in ("run_started", "run_finished")] == []
    assert result.problems


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.traj"
    path.write_text(json.dumps(trajectory(step())))
    size = path.stat().st_size
    monkeypatch.setattr("flightlog.ingest.importers.swe_agent.FILE_BYTES_MAX", size)
    assert collect(read_swe_agent(path)).problems == []
    monkeypatch.setattr("flightlog.ingest.importers.swe_agent.FILE_BYTES_MAX", size - 1)
    assert collect(read_swe_agent(path)) == ([], [Problem("file", f"larger than {size - 1} bytes")])


@pytest.mark.parametrize(
    ("exit_status", "status"),
    [
        ("submitted", "succeeded"),
        ("submitted (exit_cost)", "failed"),
        ("exit_context", "failed"),
        ("exit_forfeit", "failed"),
        ("interrupted", "canceled"),
    ],
)
def test_the_outcome_is_that_of_the_exit_status(exit_status: str, status: str) -> None:
    finished = of(read(trajectory(step(), info={"exit_status": exit_status})).events, "run_finished")[0]
    assert finished.status == status
    assert payload(finished)["output"] == {"exit_status": exit_status}
    assert ("error" in payload(finished)) == (status == "failed")


def test_a_file_without_an_outcome_leaves_the_run_open() -> None:
    result = read(trajectory(step(), info={}))
    assert of(result.events, "run_finished") == []
    assert result.problems == [Problem("info.exit_status", "the file says no outcome, so the run stays open")]


@pytest.mark.parametrize(
    ("action", "observation", "kind"),
    [
        ("python x.py", "a\nTraceback (most recent call last):\n  File 'x'\nValueError: no\n", "ValueError"),
        ("python x.py", "Traceback (most recent call last):\n  File 'x'\npkg.mod.MyError\n", "pkg.mod.MyError"),
        ("fooo", "bash: fooo: command not found", "ShellError"),
        ("fooo", "/bin/bash: line 1: fooo: command not found\n", "ShellError"),
        (
            "edit 1:2\nx\nend_of_edit",
            "Your proposed edit has introduced new syntax error(s).\n- E999 IndentationError: x",
            "IndentationError",
        ),
        ("str_replace_editor x", "No replacement was performed, old_str did not appear", "ToolError"),
        ("open nope.py", "File nope.py not found", "ToolError"),
        ("sleep 99", "\nEXECUTION TIMED OUT BECAUSE NO OUTPUT WAS PRODUCED", "TimeoutError"),
        ("open log.txt", "1:Traceback (most recent call last):\n2:ValueError: no", None),
        ("cat x", "Error is what this file is about\nno Traceback", None),
        ("cat x", "Traceback (most recent call last):\nand then it went on", None),
        ("ls", "", None),
    ],
)
def test_a_tools_error_is_found_only_where_the_text_says_so_clearly(
    action: str, observation: str, kind: str | None
) -> None:
    result = of(read(trajectory(step(action, observation))).events, "tool_result")[0]
    assert result.status == ("error" if kind else "ok")
    assert result.level == ("error" if kind else "info")
    assert payload(result).get("error", {}).get("kind") == kind
    assert payload(result)["result"] == observation


def test_a_test_run_inside_an_action_is_an_event_of_its_own() -> None:
    failed = "FAILED tests/test_x.py::test_a - assert 1 == 2"
    output = f"...F\n=== short test summary info ===\n{failed}\n====== 1 failed, 3 passed in 0.12s ======\n"
    events = read(trajectory(step("cd repo && python -m pytest -q", output, execution_time=2.5))).events
    assert [event.type for event in events][3:7] == ["tool_call", "test_started", "test_result", "tool_result"]
    result = of(events, "test_result")[0]
    assert (result.status, result.name, result.duration_ns) == ("failed", "pytest", 2_500_000_000)
    assert {key: payload(result)[key] for key in ("total", "passed", "failed", "errors", "skipped")} == {
        "total": 4,
        "passed": 3,
        "failed": 1,
        "errors": 0,
        "skipped": 0,
    }
    assert payload(result)["failures"] == [{"name": "tests/test_x.py::test_a", "message": "assert 1 == 2"}]
    assert result.correlation_id == of(events, "test_started")[0].correlation_id


def test_a_step_without_an_action_is_kept_as_what_it_says() -> None:
    events = read(
        trajectory(step(), {"action": "", "observation": "", "response": "", "thought": "Exit due to cost"})
    ).events
    assert len(of(events, "tool_call")) == 1
    assert payload(of(events, "note")[0])["text"] == "Exit due to cost"


def test_a_cut_file_still_has_the_patch_that_the_last_step_printed() -> None:
    diff = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1,2 @@\n-a\n+b\n+c\n"
    whole = json.dumps(trajectory(step("submit\n", diff)))
    events = read(whole[: whole.index('"history"')].encode()).events
    assert payload(of(events, "patch_proposed")[0])["added"] == 2


def test_a_response_that_is_not_in_the_history_does_not_shift_the_others() -> None:
    def answer(action: str) -> dict[str, Any]:
        return {"role": "assistant", "content": action, "action": action}

    def told(text: str) -> dict[str, Any]:
        return {"role": "user", "content": text}

    history = [
        told("task"),
        answer("a"),
        told("after a"),
        answer("retried"),
        told("bad format"),
        answer("c"),
        told("end"),
    ]
    events = read(trajectory(step("a"), step("b", "after b"), step("c"), history=history)).events
    contents = [[m["content"] for m in payload(event)["messages"]] for event in of(events, "llm_request")]
    assert contents == [["task"], ["x"], ["after a", "retried", "bad format"]]


def test_a_demonstration_that_is_told_in_turns_is_no_turn_of_this_run_either() -> None:
    demo = [
        {"role": "user", "content": "demo task", "is_demo": True},
        {"role": "assistant", "content": "demo", "action": "ls", "is_demo": True},
    ]
    history = [*demo, {"role": "user", "content": "task"}, {"role": "assistant", "content": "I look.", "action": "ls"}]
    events = read(trajectory(step("ls"), history=history)).events
    messages = payload(of(events, "llm_request")[0])["messages"]
    assert [(m["content"], m.get("demonstration", False)) for m in messages] == [
        ("demo task", True),
        ("demo", True),
        ("task", False),
    ]
    assert len(of(events, "llm_response")) == 1


def test_replay_config_may_be_json_text_and_names_the_model_and_the_instance() -> None:
    config = json.dumps(
        {"agent": {"model": {"name": "claude-x"}}, "problem_statement": {"id": "org__repo-1", "text": "Fix it"}}
    )
    started = of(read(trajectory(step(), replay_config=config)).events, "run_started")[0]
    assert started.name == "org__repo-1"
    assert payload(started)["input"] == "Fix it"
    assert payload(started)["attributes"]["model"] == "claude-x"


def test_strange_values_are_no_reason_to_fall() -> None:
    long = "n" * 2_000
    config = {"problem_statement": {"id": long}, "agent": {"model": {"name": "m\udc00"}}}
    info = {
        "exit_status": "submitted",
        "model_stats": {"tokens_sent": -1, "tokens_received": "9", "instance_cost": 1e400},
    }
    info["submission"] = {"patch": "x"}
    result = read(
        trajectory(step(execution_time=-4, extra="\ud800"), step(execution_time=1e300), info=info, replay_config=config)
    )
    assert result.problems == []
    assert len(of(result.events, "tool_call")) == 2
    assert "usage" not in payload(of(result.events, "llm_response")[-1])
    sound(result.events)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(["action", "observation", "response", "thought", "execution_time", "query", "state"])
entries = st.dictionaries(
    st.sampled_from(["role", "content", "action", "tool_calls", "tool_call_ids", "is_demo"]), values
)
infos = st.dictionaries(st.sampled_from(["exit_status", "submission", "model_stats"]), values)


@given(
    st.fixed_dictionaries(
        {"trajectory": st.lists(st.dictionaries(keys, values) | values, max_size=4) | values},
        optional={"history": st.lists(entries | values, max_size=4), "info": infos | values, "replay_config": values},
    )
)
def test_no_document_makes_the_importer_raise(document: dict[str, Any]) -> None:
    result = read(document)
    sound(result.events)
    assert result == read(document)


@given(st.binary(max_size=60), st.integers(0, 400))
def test_no_damage_makes_the_importer_raise(noise: bytes, at: int) -> None:
    data = json.dumps(trajectory(step("a"), step("b"))).encode()
    sound(read(data[:at] + noise + data[at + len(noise) :]).events)
