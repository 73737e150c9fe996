"""`import`: real files become runs; what can't be read is named and costs the rest nothing."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.terminal import Server, flightlog, on_terminal

SECRET = "ghp_" + "Zq3xN8vB2mK7pL5tR9wY4cF6hJ1dS0aG3eUi"


def session(path: Path, *, broken: bool = False, text: str = "hello") -> Path:
    """A small session of a coding assistant."""
    head = {
        "sessionId": "s-" + path.stem,
        "version": "2.0.0",
        "cwd": "/w",
        "isSidechain": False,
        "userType": "external",
    }
    lines = [
        {**head, "type": "user", "uuid": "u1", "parentUuid": None, "timestamp": "2026-01-02T03:04:05.000Z",
         "message": {"role": "user", "content": text}},
        {**head, "type": "assistant", "uuid": "u2", "parentUuid": "u1", "timestamp": "2026-01-02T03:04:09.000Z",
         "message": {"id": "m1", "role": "assistant", "model": "some-model", "type": "message",
                     "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn",
                     "usage": {"input_tokens": 11, "output_tokens": 3}}},
    ]  # fmt: skip
    rows = [json.dumps(line) for line in lines]
    if broken:
        rows.insert(1, '{"type": "assistant", "cut')
    path.write_text("\n".join(rows) + "\n", "utf-8")
    return path


def test_a_session_becomes_a_run_with_its_own_times(folder: Path, tmp_path: Path) -> None:
    file = session(tmp_path / "a.jsonl")
    said = flightlog("import", "claude-code", file, "--dir", folder, "--project", "shop", "--json")
    assert said.code == 0
    assert said.json["problems"] == 0
    assert said.json["stored"] == said.json["files"][0]["events"] > 2
    run = flightlog("run", "show", said.json["files"][0]["run_ids"][0], "--dir", folder, "--json").json["run"]
    assert run["started_at"].startswith("2026-01-02T03:04:05")
    assert (run["project"], run["tokens_input"], run["tokens_output"]) == ("shop", 11, 3)


def test_the_same_file_again_stores_nothing(folder: Path, tmp_path: Path) -> None:
    file = session(tmp_path / "a.jsonl")
    first = flightlog("import", "claude-code", file, "--dir", folder, "--json").json
    again = flightlog("import", "claude-code", file, "--dir", folder, "--json").json
    assert (again["stored"], again["files"][0]["duplicates"]) == (0, first["stored"])


def test_what_can_not_be_read_is_named_by_line_and_the_rest_is_stored(folder: Path, tmp_path: Path) -> None:
    files = [session(tmp_path / "good.jsonl"), session(tmp_path / "bad.jsonl", broken=True)]
    said = flightlog("import", "claude-code", *files, "--dir", folder, "--json")
    assert said.code == 1
    good, bad = said.json["files"]
    assert good["problems"] == []
    assert [problem["where"] for problem in bad["problems"]] == ["line 2"]
    assert bad["stored"] == good["stored"]
    plain = flightlog("import", "claude-code", *files, "--dir", folder)
    assert plain.code == 1
    assert f"{files[1]}: line 2: " in plain.err
    assert str(files[0]) in plain.out


def test_a_file_that_is_not_there_is_named_and_costs_the_others_nothing(folder: Path, tmp_path: Path) -> None:
    file = session(tmp_path / "a.jsonl")
    said = flightlog("import", "claude-code", tmp_path / "nope.jsonl", file, "--dir", folder, "--json")
    assert said.code == 1
    assert [len(found["problems"]) for found in said.json["files"]] == [1, 0]
    assert said.json["stored"] > 0


def test_a_server_takes_an_import_too(folder: Path, tmp_path: Path) -> None:
    file = session(tmp_path / "a.jsonl")
    with Server(folder) as server:
        first = flightlog("import", "claude-code", file, "--server", server.url, "--json")
        assert first.code == 0
        assert first.json["stored"] > 2
        again = flightlog("import", "claude-code", file, "--server", server.url, "--json").json
        assert (again["stored"], again["files"][0]["duplicates"]) == (0, first.json["stored"])
        runs = flightlog("run", "list", "--server", server.url, "--json").json["runs"]
        assert [run["run_id"] for run in runs] == first.json["files"][0]["run_ids"]


def test_secrets_in_a_file_do_not_reach_the_folder(folder: Path, tmp_path: Path) -> None:
    file = session(tmp_path / "a.jsonl", text=f"my token is {SECRET}")
    said = flightlog("import", "claude-code", file, "--dir", folder, "--json")
    assert said.json["files"][0]["redacted"] > 0
    assert not [path for path in folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


def test_an_unknown_format_is_a_wrong_call(folder: Path, tmp_path: Path) -> None:
    said = flightlog("import", "nope", tmp_path / "x", "--dir", folder, "--json")
    assert said.code == 2
    assert "swe-agent" in said.problem["detail"]


def test_a_person_sees_a_bar_and_a_table(folder: Path, tmp_path: Path) -> None:
    code, shown = on_terminal("import", "claude-code", session(tmp_path / "a.jsonl"), "--dir", folder, columns=140)
    assert code == 0
    assert "100%" in shown
    assert "flightlog run show" in shown
