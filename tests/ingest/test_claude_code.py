"""Claude Code sessions: the real files to the last count, and what real sessions do, written small."""

from __future__ import annotations

import json
import os
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog.clock import parse_ns
from flightlog.events.envelope import Event
from flightlog.ingest.importers.base import ImportResult, Problem, collect
from flightlog.ingest.importers.claude_code import read_claude_code, read_lines
from tests.ingest.claude import SESSION, Transcript, text, thinking, use
from tests.ingest.reading import of, payload, sound, total, types

SECOND = 1_000_000_000


def read(*entries: Any, **options: Any) -> ImportResult:
    return collect(read_lines([e if isinstance(e, bytes) else json.dumps(e).encode() for e in entries], **options))


@pytest.fixture(scope="module")
def folder(samples: Path) -> Path:
    return samples / "claude-code-jsonl"


# Real files


@pytest.mark.parametrize(
    ("name", "turns", "calls", "results", "prompts", "tokens"),
    [
        ("representative_messages.jsonl", 5, 2, 2, 4, (218, 445)),
        ("session_b.jsonl", 1, 0, 0, 2, (20, 35)),
        ("todowrite_examples.jsonl", 6, 3, 3, 2, (883, 328)),
        ("edge_cases.jsonl", 4, 3, 1, 6, (488, 435)),
    ],
)
def test_a_real_session_is_read_to_the_last_count(
    folder: Path, name: str, turns: int, calls: int, results: int, prompts: int, tokens: tuple[int, int]
) -> None:
    events = collect(read_claude_code(folder / name)).events
    counts = types(events)
    assert (counts["llm_request"], counts["llm_response"]) == (turns, turns)
    assert (counts.get("tool_call", 0), counts.get("tool_result", 0)) == (calls, results)
    assert Counter(event.name for event in of(events, "note"))["prompt"] == prompts
    assert (total(events, "input_tokens"), total(events, "output_tokens")) == tokens
    assert total(events, "cached_input_tokens") == 0
    assert not any("cost_usd" in payload(event) for event in events)
    runs = {event.run_id for event in events}
    assert counts["run_started"] == counts["run_finished"] == len(runs) == (2 if name == "edge_cases.jsonl" else 1)
    sound(events)


def test_malformed_lines_of_a_real_file_are_reported_by_line(folder: Path) -> None:
    assert collect(read_claude_code(folder / "edge_cases.jsonl")).problems == [
        Problem("line 10", "its message has no content"),
        Problem("line 11", "it has no message"),
        Problem("line 13", "it is not a JSON object"),
        Problem("line 14", "it has no type"),
        Problem("line 15", "it is not a JSON object"),
        Problem("line 16", "it is not a JSON object"),
        Problem("line 18", "content[0] is not an object"),
    ]
    for name in ("representative_messages.jsonl", "session_b.jsonl", "todowrite_examples.jsonl"):
        assert collect(read_claude_code(folder / name)).problems == []


def test_a_real_files_times_are_kept(folder: Path) -> None:
    events = collect(read_claude_code(folder / "representative_messages.jsonl")).events
    assert events[0].created_at == parse_ns("2025-06-14T10:00:00Z")
    assert [event.created_at for event in of(events, "tool_call")] == [
        parse_ns("2025-06-14T10:01:30Z"),
        parse_ns("2025-06-14T10:03:00Z"),
    ]
    assert [event.duration_ns for event in of(events, "tool_result")] == [SECOND, SECOND]
    assert of(events, "run_finished")[0].duration_ns == 240 * SECOND


def test_a_file_that_grew_line_by_line_adds_only_what_is_new(folder: Path) -> None:
    for path in folder.glob("*.jsonl"):
        lines = path.read_bytes().splitlines()
        grows_into_itself(lines)


def test_a_file_cut_anywhere_never_raises_and_only_its_last_line_is_missing(folder: Path) -> None:
    for path in folder.glob("*.jsonl"):
        data, sizes = path.read_bytes(), []
        for length in [*range(0, len(data), 997), len(data)]:
            result = read(*data[:length].split(b"\n"))
            sizes.append(len(of(result.events, "llm_response")))
            cut = data[:length].count(b"\n") + 1
            assert {p.where for p in result.problems} - {f"line {cut}"} <= {
                p.where for p in read(*data.split(b"\n")).problems
            }
            sound(result.events)
        assert sizes == sorted(sizes)


def test_the_same_file_from_another_path_has_the_same_events(folder: Path, tmp_path: Path) -> None:
    for path in folder.glob("*.jsonl"):
        copy = tmp_path / "elsewhere.jsonl"
        copy.write_bytes(path.read_bytes())
        os.utime(copy, (1, 1))
        assert collect(read_claude_code(path)).events == collect(read_claude_code(copy)).events


# Messages that lie on several lines


def test_lines_of_one_message_are_one_response_and_their_usage_counts_once() -> None:
    t = Transcript()
    result = read(
        t.prompt(),
        t.answer(thinking("hm"), message_id="m1", output=1),
        t.answer(text("I look."), message_id="m1", output=1),
        t.answer(use("t1", command="ls"), message_id="m1", output=260),
        t.result("t1"),
        t.answer(text("Done."), message_id="m2", output=40),
    )
    responses = of(result.events, "llm_response")
    assert len(responses) == len(of(result.events, "llm_request")) == 2
    assert (total(result.events, "input_tokens"), total(result.events, "output_tokens")) == (6, 300)
    message = payload(responses[0])["message"]
    assert (message["thinking"], message["content"]) == ("hm", "I look.")
    assert [call["name"] for call in message["tool_calls"]] == ["Bash"]
    assert responses[0].duration_ns == 3 * SECOND


def test_the_usage_is_that_of_the_line_with_most_output_and_so_is_the_model() -> None:
    t = Transcript()
    result = read(
        t.answer(text("a"), message_id="m1", output=500, model="claude-big", usage={"cache_read_input_tokens": 7}),
        t.answer(text("b"), message_id="m1", output=2, model="claude-small", usage={"cache_read_input_tokens": 99}),
    )
    assert of(result.events, "llm_response")[0].name == "claude-big"
    assert payload(of(result.events, "llm_response")[0])["usage"] == {
        "input_tokens": 10,
        "output_tokens": 500,
        "cached_input_tokens": 7,
    }


def test_a_tool_result_between_the_lines_of_a_message_does_not_split_it() -> None:
    t = Transcript()
    result = read(
        t.prompt(),
        t.answer(use("t1"), message_id="m1", output=8),
        t.result("t1"),
        t.answer(use("t2"), message_id="m1", output=310),
        t.result("t2"),
        t.answer(text("Done."), message_id="m2", output=5),
    )
    assert [event.type for event in result.events][2:] == [
        "llm_request",
        "llm_response",
        "tool_call",
        "tool_result",
        "tool_call",
        "tool_result",
        "llm_request",
        "llm_response",
        "run_finished",
    ]
    assert total(result.events, "output_tokens") == 315
    asked = payload(of(result.events, "llm_request")[1])["messages"]
    assert [message["tool_call_id"] for message in asked] == ["t1", "t2"]


def test_a_message_that_goes_on_after_another_one_is_counted_by_its_difference() -> None:
    t = Transcript()
    result = read(
        t.answer(text("one"), message_id="m1", output=10, costUSD=0.5),
        t.answer(text("two"), message_id="m2", output=20, costUSD=0.25),
        t.answer(text("one again"), message_id="m1", output=15, costUSD=0.5),
    )
    assert (total(result.events, "input_tokens"), total(result.events, "output_tokens")) == (6, 35)
    assert len(of(result.events, "llm_request")) == 2
    assert sum(payload(event).get("cost_usd", 0) for event in of(result.events, "llm_response")) == 0.75
    assert payload(of(result.events, "llm_response")[2])["continued"] is True


def test_lines_that_repeat_the_answer_so_far_keep_it_once() -> None:
    t = Transcript()
    result = read(
        t.answer(text("I"), message_id="m1", output=1),
        t.answer(text("I look."), use("t1"), message_id="m1", output=9),
        t.answer(text("I look."), use("t1"), use("t2"), message_id="m1", output=20),
    )
    message = payload(of(result.events, "llm_response")[0])["message"]
    assert message["content"] == "I look."
    assert [call["id"] for call in message["tool_calls"]] == ["t1", "t2"]
    assert len(of(result.events, "tool_call")) == 2


def test_the_same_line_twice_counts_once() -> None:
    t = Transcript()
    lines = [t.prompt(), t.answer(text("a"), message_id="m1"), t.prompt("b")]
    assert read(*lines, *lines).events == read(*lines).events


def test_input_tokens_hold_the_cached_ones() -> None:
    usage = {"input_tokens": 4, "cache_read_input_tokens": 1_000, "cache_creation_input_tokens": 200}
    result = read(Transcript().answer(text("a"), message_id="m1", output=7, usage=usage))
    assert payload(of(result.events, "llm_response")[0])["usage"] == {
        "input_tokens": 1_204,
        "output_tokens": 7,
        "cached_input_tokens": 1_000,
        "cache_creation_input_tokens": 200,
    }


@pytest.mark.parametrize("usage", [None, [], {"input_tokens": "9"}, {"input_tokens": -1, "output_tokens": 2**60}])
def test_usage_that_makes_no_sense_counts_nothing(usage: Any) -> None:
    entry = Transcript().answer(text("a"), message_id="m1")
    entry["message"]["usage"] = usage
    assert "usage" not in payload(of(read(entry).events, "llm_response")[0])


# Tools


def test_a_tool_call_and_its_result_are_a_pair() -> None:
    t = Transcript()
    detail = {"stdout": "a\nb", "stderr": "", "interrupted": False, "durationMs": 250}
    result = read(t.answer(use("t1", command="ls"), message_id="m1"), t.result("t1", "a\nb", detail))
    call, outcome = of(result.events, "tool_call")[0], of(result.events, "tool_result")[0]
    assert (call.name, outcome.name, call.correlation_id, outcome.correlation_id) == ("Bash", "Bash", "t1", "t1")
    assert payload(call) == {"tool": "Bash", "arguments": {"command": "ls"}, "call_id": "t1"}
    assert payload(outcome) == {
        "tool": "Bash",
        "result": "a\nb",
        "call_id": "t1",
        "detail": {"interrupted": False, "durationMs": 250},
    }
    assert (outcome.status, outcome.duration_ns) == ("ok", SECOND // 4)


def test_a_failed_tool_says_so_with_its_exit_code() -> None:
    t = Transcript()
    result = read(
        t.answer(use("t1", command="false"), message_id="m1"),
        t.result("t1", "Exit code 3\nno such thing", "Error: Exit code 3\nno such thing", is_error=True),
    )
    outcome = of(result.events, "tool_result")[0]
    assert (outcome.status, outcome.level) == ("error", "error")
    assert payload(outcome)["exit_code"] == 3
    assert payload(outcome)["error"]["message"].startswith("Exit code 3")


def test_a_result_may_be_a_list_with_images_and_a_call_may_be_missing() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBOR" * 4}}
    t = Transcript()
    result = read(t.result("lost", [text("see"), image]), t.result("lost too", None))
    first, second = of(result.events, "tool_result")
    assert payload(first)["tool"] == "unknown"
    assert payload(first)["result"] == [text("see"), image]
    assert payload(second)["result"] is None


def test_an_image_in_a_prompt_is_kept_in_the_request_and_named_in_the_note() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBOR" * 4}}
    t = Transcript()
    result = read(t.prompt([text("what is this?"), image]), t.answer(text("a cat"), message_id="m1"))
    assert payload(of(result.events, "note")[0])["text"] == "what is this?\n[image image/png 20 characters]"
    assert payload(of(result.events, "llm_request")[0])["messages"][0]["content"][1] == image


def test_an_edit_with_its_patch_is_a_patch_applied_with_stats() -> None:
    t = Transcript()
    hunk = {"oldStart": 3, "oldLines": 3, "newStart": 3, "newLines": 4, "lines": [" a", "-b", "+c", "+d", " e"]}
    detail = {"filePath": "/repo/x.py", "oldString": "b", "newString": "c\nd", "originalFile": "secret copy" * 100}
    result = read(
        t.answer(use("t1", "Edit", file_path="/repo/x.py"), message_id="m1"),
        t.result("t1", "The file was updated.", detail | {"structuredPatch": [hunk]}),
    )
    patch = of(result.events, "patch_applied")[0]
    assert (patch.name, patch.correlation_id, patch.status) == ("/repo/x.py", "t1", "ok")
    assert payload(patch) == {
        "files": [{"path": "/repo/x.py", "change": "modified", "added": 2, "deleted": 1}],
        "added": 2,
        "deleted": 1,
        "diff": "--- a//repo/x.py\n+++ b//repo/x.py\n@@ -3,3 +3,4 @@\n a\n-b\n+c\n+d\n e\n",
    }
    assert "originalFile" not in payload(of(result.events, "tool_result")[0])["detail"]


def test_a_written_file_is_a_patch_of_all_its_lines() -> None:
    t = Transcript()
    created = {
        "type": "create",
        "filePath": "/repo/n.py",
        "content": "a\nb\nc",
        "structuredPatch": [],
        "originalFile": None,
    }
    result = read(
        t.answer(use("t1", "Write"), message_id="m1"),
        t.result("t1", "File created successfully", created),
    )
    patch = payload(of(result.events, "patch_applied")[0])
    assert patch["files"] == [{"path": "/repo/n.py", "change": "added", "added": 3, "deleted": 0}]
    assert patch["diff"].endswith("@@ -0,0 +1,3 @@\n+a\n+b\n+c\n\\ No newline at end of file\n")


@pytest.mark.parametrize(
    ("detail", "is_error"),
    [
        ({"filePath": "/x", "structuredPatch": [{"lines": ["+a"]}]}, True),
        ({"filePath": "/x", "structuredPatch": []}, False),
        ({"filePath": "/x"}, False),
        ({"structuredPatch": [{"lines": ["+a"]}]}, False),
        ("File created successfully", False),
    ],
)
def test_no_patch_is_made_up_where_none_is_told(detail: Any, is_error: bool) -> None:
    t = Transcript()
    result = read(t.answer(use("t1", "Edit"), message_id="m1"), t.result("t1", "x", detail, is_error=is_error))
    assert of(result.events, "patch_applied") == []


def test_a_test_run_in_the_shell_is_an_event_of_its_own() -> None:
    t = Transcript()
    output = "..\n============= 2 passed, 1 skipped in 0.50s =============\n"
    result = read(t.answer(use("t1", command="uv run pytest -q | tail -3"), message_id="m1"), t.result("t1", output))
    suite = of(result.events, "test_result")[0]
    assert (suite.status, suite.duration_ns, payload(suite)["total"]) == ("passed", SECOND, 3)
    assert of(result.events, "test_started")[0].created_at == of(result.events, "tool_call")[0].created_at


def test_todos_are_a_tool_call_like_any_other() -> None:
    t = Transcript()
    result = read(t.answer(use("t1", "TodoWrite", todos=["broken", {"id": "1"}]), message_id="m1"))
    assert payload(of(result.events, "tool_call")[0])["arguments"] == {"todos": ["broken", {"id": "1"}]}


# Subagents, notices, summaries


def subagent() -> list[dict[str, Any]]:
    t = Transcript()
    return [
        t.prompt("find it"),
        t.answer(use("task1", "Task", prompt="look for it", subagent_type="Explore"), message_id="m1", output=5),
        t.prompt("look for it", isSidechain=True, uuid="s1"),
        t.answer(use("t2"), message_id="m2", output=7, isSidechain=True, uuid="s2", parentUuid="s1"),
        t.result("t2", "here", isSidechain=True, uuid="s3", parentUuid="s2"),
        t.answer(text("It is here."), message_id="m3", output=9, isSidechain=True, uuid="s4", parentUuid="s3"),
        t.result("task1", "It is here.", {"totalDurationMs": 4_000, "agentId": "a1"}),
        t.answer(text("Found."), message_id="m4", output=11),
    ]


def test_a_subagent_is_a_span_of_the_run_between_its_call_and_its_result() -> None:
    result = read(*subagent())
    assert [(event.type, event.name) for event in result.events] == [
        ("run_started", "find it"),
        ("note", "prompt"),
        ("llm_request", "claude-x"),
        ("llm_response", "claude-x"),
        ("tool_call", "Task"),
        ("span_started", "subagent"),
        ("note", "prompt"),
        ("llm_request", "claude-x"),
        ("llm_response", "claude-x"),
        ("tool_call", "Bash"),
        ("tool_result", "Bash"),
        ("llm_request", "claude-x"),
        ("llm_response", "claude-x"),
        ("span_finished", "subagent"),
        ("tool_result", "Task"),
        ("llm_request", "claude-x"),
        ("llm_response", "claude-x"),
        ("run_finished", "find it"),
    ]
    started, finished = of(result.events, "span_started")[0], of(result.events, "span_finished")[0]
    root = result.events[0].span_id
    assert started.parent_span_id == root
    assert payload(started)["attributes"]["tool_call_id"] == "task1"
    assert finished.duration_ns == 4 * SECOND
    inside = [event for event in result.events if event.span_id == started.span_id]
    assert len(inside) == 9
    assert all(event.parent_span_id == root for event in inside)
    assert total(result.events, "output_tokens") == 32


def test_a_subagent_in_a_file_of_its_own_belongs_to_the_same_run() -> None:
    t = Transcript()
    own = [
        t.prompt("look for it", isSidechain=True, agentId="a1"),
        t.answer(text("Here."), message_id="m9", isSidechain=True, agentId="a1"),
    ]
    result = read(*own)
    assert types(result.events) == {
        "span_started": 1,
        "note": 1,
        "llm_request": 1,
        "llm_response": 1,
        "span_finished": 1,
    }
    assert {event.run_id for event in result.events} == {f"claude-code-{SESSION}"}


def test_two_subagents_at_once_are_told_apart() -> None:
    t = Transcript()
    result = read(
        t.prompt(),
        t.answer(use("ta", "Task", prompt="A"), use("tb", "Task", prompt="B"), message_id="m1"),
        t.prompt("A", isSidechain=True, uuid="a1"),
        t.prompt("B", isSidechain=True, uuid="b1"),
        t.answer(text("a"), message_id="ma", isSidechain=True, uuid="a2", parentUuid="a1"),
        t.answer(text("b"), message_id="mb", isSidechain=True, uuid="b2", parentUuid="b1"),
        t.result("ta"),
        t.result("tb", is_error=True),
    )
    finished = of(result.events, "span_finished")
    assert [event.status for event in finished] == ["ok", "error"]
    assert len({event.span_id for event in finished}) == 2
    asked = {
        payload(e)["messages"][0]["content"]: e.span_id for e in of(result.events, "llm_request") if e.parent_span_id
    }
    assert asked == {"A": finished[0].span_id, "B": finished[1].span_id}


def test_notices_of_claude_code_are_notes_and_its_errors_are_errors() -> None:
    t = Transcript()
    result = read(
        t.prompt(),
        t.entry(
            "system",
            content="Conversation compacted",
            subtype="compact_boundary",
            level="info",
            compactMetadata={"preTokens": 9},
        ),
        t.entry("system", subtype="api_error", level="error", error={"status": 529}),
        t.entry("system", content="careful", level="warning"),
    )
    compact, careful = of(result.events, "note")[1:]
    assert payload(compact) == {
        "text": "Conversation compacted",
        "subtype": "compact_boundary",
        "detail": {"compactMetadata": {"preTokens": 9}},
    }
    assert (careful.level, payload(careful)["text"]) == ("warn", "careful")
    error = of(result.events, "error")[0]
    assert (error.level, payload(error)["kind"], payload(error)["handled"]) == ("error", "api_error", True)


def test_bookkeeping_lines_are_stepped_over_and_unknown_ones_reported() -> None:
    t = Transcript()
    result = read(t.entry("file-history-snapshot"), t.entry("queue-operation"), t.entry("telepathy"), t.prompt())
    assert result.problems == [Problem("line 3", "the line type 'telepathy' is not known")]
    assert [event.type for event in result.events] == ["run_started", "note", "run_finished"]


def test_a_summary_goes_to_the_session_it_names_or_to_the_first_one() -> None:
    one, two = Transcript("session-one"), Transcript("session-two")
    first, second = one.prompt(), two.prompt()
    result = read(
        {"type": "summary", "summary": "early", "leafUuid": "elsewhere"},
        first,
        second,
        {"type": "summary", "summary": "about one", "leafUuid": first["uuid"]},
        {"type": "summary"},
    )
    notes = {payload(event)["text"]: event.run_id for event in of(result.events, "note") if event.name == "summary"}
    assert notes == {"early": "claude-code-session-one", "about one": "claude-code-session-one"}
    assert result.problems == [Problem("line 5", "it has no summary")]
    lonely = read({"type": "summary", "summary": "x", "leafUuid": "y"})
    assert lonely == ([], [Problem("line 1", "the summary belongs to no session of this file")])


# Runs


def test_each_session_of_a_file_is_a_run_named_after_its_first_prompt() -> None:
    one, two = Transcript("session-one"), Transcript("a session with spaces/and\ud800")
    result = read(
        one.prompt("Fix the login\nbug"), two.prompt("x" * 200), one.prompt("b"), two.entry("system", content="s")
    )
    started = of(result.events, "run_started")
    assert [event.name for event in started] == ["Fix the login", "x" * 79 + "…"]
    assert started[0].run_id == "claude-code-session-one"
    assert len(started[1].run_id or "") == len("claude-code-") + 32
    assert payload(started[0])["input"] == "Fix the login\nbug"
    assert payload(started[0])["attributes"] == {
        "session_id": "session-one",
        "claude_code_version": "2.1.0",
        "cwd": "/repo",
    }
    assert len(of(result.events, "run_finished")) == 2


@pytest.mark.parametrize(
    ("first", "name"),
    [
        (
            {"content": "<command-message>init is running</command-message>\n<command-name>/init</command-name>"},
            "/init",
        ),
        ({"content": "Caveat: local commands", "isMeta": True}, "Claude Code in repo"),
        ({"content": "x", "isMeta": True, "cwd": "C:\\work\\shop\\"}, "Claude Code in shop"),
        ({"content": [], "cwd": None}, "Claude Code 11111111"),
    ],
)
def test_a_session_that_begins_without_a_prompt_has_a_name_too(first: dict[str, Any], name: str) -> None:
    t = Transcript()
    begin = t.prompt(**first) if first["content"] else t.entry("system", content="s", cwd=None)
    assert of(read(begin, t.prompt("later")).events, "run_started")[0].name == name


def test_the_outcome_is_success_unless_the_last_word_is_an_error_or_an_interruption() -> None:
    def status(*entries: Any) -> str | None:
        return of(read(*entries).events, "run_finished")[0].status

    t = Transcript()
    failed = t.answer(text("API Error: 500"), message_id="e", model="<synthetic>", isApiErrorMessage=True)
    assert status(t.prompt(), t.answer(text("a"), message_id="m1")) == "succeeded"
    assert status(t.prompt(), failed) == "failed"
    assert status(t.prompt(), failed, t.answer(text("a"), message_id="m2")) == "succeeded"
    assert status(t.prompt(), t.prompt([text("[Request interrupted by user]")])) == "canceled"
    assert status(t.prompt("[Request interrupted by user]"), t.prompt("go on")) == "succeeded"


def test_an_answer_made_up_by_claude_code_is_no_model_turn() -> None:
    t = Transcript()
    result = read(
        t.prompt(),
        t.answer(text("API Error: 500"), message_id="e", model="<synthetic>", isApiErrorMessage=True),
        t.answer(text("No response requested."), message_id="n", model="<synthetic>"),
        t.answer(text("a"), message_id="m1"),
    )
    assert [event.name for event in of(result.events, "llm_request")] == ["claude-x"]
    assert payload(of(result.events, "llm_request")[0])["messages"] == [{"role": "user", "content": "please"}]
    assert payload(of(result.events, "error")[0])["message"] == "API Error: 500"


def test_what_is_still_being_written_is_left_for_the_next_import() -> None:
    t = Transcript()
    lines = [t.prompt(), t.answer(text("a"), message_id="m1"), t.prompt("b"), t.answer(thinking("h"), message_id="m2")]
    now = parse_ns(lines[-1]["timestamp"]) + 5 * SECOND
    live = read(*lines, now_ns=now)
    assert len(of(live.events, "llm_response")) == 1
    assert of(live.events, "run_finished") == []
    assert "still being written" in live.problems[0].reason
    later = [*lines, t.answer(text("b!"), message_id="m2", output=90)]
    whole = read(*later, now_ns=now + 3_600 * SECOND)
    assert [e for e in live.events if e not in whole.events] == []
    assert (len(of(whole.events, "llm_response")), total(whole.events, "output_tokens")) == (2, 100)
    settled = read(*lines, now_ns=now + 56 * SECOND)
    assert len(of(settled.events, "llm_response")) == 2
    assert len(of(settled.events, "run_finished")) == 1


def test_a_session_that_just_ended_with_a_whole_answer_is_imported_whole() -> None:
    t = Transcript()
    lines = [t.prompt(), t.answer(text("a"), message_id="m1", stop_reason="end_turn")]
    result = read(*lines, now_ns=parse_ns(lines[-1]["timestamp"]) + SECOND)
    assert result.problems == []
    assert types(result.events)["run_finished"] == types(result.events)["llm_response"] == 1


def test_a_session_that_waits_for_its_model_is_still_running() -> None:
    t = Transcript()
    lines = [t.prompt(), t.answer(use("t1"), message_id="m1", stop_reason="tool_use"), t.result("t1")]
    result = read(*lines, now_ns=parse_ns(lines[-1]["timestamp"]) + SECOND)
    assert len(of(result.events, "tool_result")) == 1
    assert of(result.events, "run_finished") == []


def test_a_grown_session_adds_only_its_new_part() -> None:
    grows_into_itself([json.dumps(entry).encode() for entry in subagent()])


# Damage


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"{", "it is not valid JSON"),
        (b'"massive error"', "it is not a JSON object"),
        (b"42", "it is not a JSON object"),
        (b"[" * 50_000, "it is nested too deeply"),
        (b'{"type":5}', "it has no type"),
        (b'{"type":"user","message":[]}', "it has no message"),
        (b'{"type":"user","message":{}}', "its message has no content"),
        (b'{"type":"user","message":{"content":"x"}}', "it has no sessionId"),
        (b'{"type":"user","sessionId":"s","message":{"content":"x"}}', "it has no time, and nothing before it has one"),
        (
            b'{"type":"user","sessionId":"s","timestamp":"soon","message":{"content":"x"}}',
            "it has no time, and nothing before it has one",
        ),
    ],
)
def test_a_bad_line_is_reported_by_number_and_its_neighbours_are_kept(raw: bytes, reason: str) -> None:
    alone = read(raw)
    assert alone == ([], [Problem("line 1", reason)])
    t = Transcript()
    before, after = t.prompt(), t.answer(text("a"), message_id="m1")
    if "sessionId" not in reason and "time" not in reason:
        assert read(before, raw, after).problems == [Problem("line 2", reason)]
        assert read(before, raw, after).events == read(before, after).events


def test_a_line_without_a_time_or_session_takes_those_of_the_line_before() -> None:
    t = Transcript()
    first, second = t.prompt(), t.prompt("b")
    del second["timestamp"], second["sessionId"]
    result = read(first, second)
    assert result.problems == [Problem("line 2", "it has no time; that of the line before it was taken")]
    notes = of(result.events, "note")
    assert (notes[1].run_id, notes[1].created_at) == (notes[0].run_id, notes[0].created_at)


def test_a_line_that_is_too_long_is_reported_and_stepped_over(
    write_lines: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flightlog.ingest.importers.claude_code.LINE_BYTES_MAX", 1_000)
    t = Transcript()
    path = write_lines(t.prompt("a"), t.prompt("b" * 2_500), t.prompt("c"))
    seen: list[int] = []
    result = collect(read_claude_code(path, on_bytes=seen.append))
    assert result.problems == [Problem("line 2", "the line is longer than 1000 bytes")]
    assert [payload(event)["text"] for event in of(result.events, "note")] == ["a", "c"]
    assert sum(seen) == path.stat().st_size


def test_bytes_that_are_not_utf8_and_a_byte_order_mark_are_survived() -> None:
    t = Transcript()
    line = json.dumps(t.prompt("caf\u00e9"), ensure_ascii=False).encode("latin-1")
    result = read(b"\xef\xbb\xbf" + line)
    assert payload(of(result.events, "note")[0])["text"] == "caf\ufffd"


def test_strange_values_are_no_reason_to_fall() -> None:
    t = Transcript()
    result = read(
        t.prompt([text("\ud800 \u0000")], uuid=5, parentUuid=[], cwd={}, version=1),
        t.answer(
            use("t" * 999, "N" * 999), {"type": "tool_use"}, {"type": []}, {}, message_id="m" * 999, model="\udfff"
        ),
        t.result("t" * 999, {"a": 1}, [1]),
        t.entry("system", content=5, subtype=[], level=[]),
    )
    assert result.problems == []
    call, answer = of(result.events, "tool_call")[0], of(result.events, "tool_result")[0]
    assert call.correlation_id == answer.correlation_id
    sound(result.events)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
ids = st.sampled_from(["a", "b", "c"])
blocks = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "thinking", "tool_use", "tool_result", "image"])},
    optional={
        "text": values,
        "id": ids | values,
        "tool_use_id": ids | values,
        "name": st.sampled_from(["Bash", "Task"]) | values,
        "input": st.fixed_dictionaries({}, optional={"command": st.just("pytest"), "prompt": st.just("p")}) | values,
        "content": values,
        "is_error": st.booleans() | values,
    },
)
entries = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["user", "assistant", "system", "summary"]),
        "sessionId": ids,
        "timestamp": st.sampled_from(["2025-06-14T10:00:00Z", "2025-06-14T10:00:01+02:00", 1_750_000_000_000]) | values,
        "message": st.fixed_dictionaries(
            {"content": st.lists(blocks | values, max_size=3) | st.just("p") | values},
            optional={"id": ids | values, "usage": values, "model": st.just("<synthetic>") | values},
        )
        | values,
    },
    optional={
        "uuid": ids | values,
        "parentUuid": ids | values,
        "isSidechain": st.booleans(),
        "agentId": ids | values,
        "toolUseResult": st.fixed_dictionaries(
            {}, optional={"agentId": ids, "filePath": ids, "structuredPatch": values}
        )
        | values,
        "summary": values,
        "leafUuid": ids | values,
        "isApiErrorMessage": values,
    },
)


@given(st.lists(entries, max_size=12))
def test_no_session_makes_the_importer_raise(session: list[dict[str, Any]]) -> None:
    result = read(*session)
    sound(result.events)
    assert read(*session) == result


@given(st.lists(st.binary(max_size=40), max_size=5), st.integers(0, 5))
def test_noise_lines_never_raise_and_never_touch_their_neighbours(noise: list[bytes], at: int) -> None:
    good = [json.dumps(entry).encode() for entry in subagent()]
    noise = [line for line in noise if line.removeprefix(BOM_UTF8).strip()]
    result = read(*good[:at], *noise, *good[at:])
    assert result.events == read(*good).events
    assert {problem.where for problem in result.problems} <= {f"line {at + 1 + index}" for index in range(len(noise))}
    assert bool(result.problems) == bool(noise)


def grows_into_itself(lines: list[bytes]) -> None:
    """Importing after each line adds to the import before: nothing is lost, and nothing but an end is said twice."""
    whole = read(*lines).events
    kept: dict[str, Event] = {}
    for length in range(len(lines) + 1):
        for event in read(*lines[:length]).events:
            assert kept.setdefault(event.event_id, event) == event, "same id, other content"
    more = [event for event in kept.values() if event not in whole]
    assert all(event in kept.values() for event in whole)
    assert {event.type for event in more} <= {"run_finished", "span_finished"}
