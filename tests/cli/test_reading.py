"""`run list`, `run show` and `events`, from a folder and from a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Recorded, spool_notes
from tests.cli.terminal import Server, flightlog, flightlog_process, on_terminal


def test_runs_are_listed_newest_first(place: Recorded) -> None:
    page = flightlog("run", "list", *place.where, "--json").json
    assert [run["run_id"] for run in page["runs"]] == place.runs[::-1]
    assert [run["status"] for run in page["runs"]] == ["running", "failed", "succeeded"]
    assert page["next_cursor"] is None
    assert page["runs"][2]["tokens_input"] == 10


def test_the_list_of_runs_is_a_plain_table_in_a_pipe(place: Recorded) -> None:
    rows = flightlog("run", "list", *place.where).out.splitlines()
    assert rows[0].split()[:4] == ["RUN", "NAME", "STATUS", "STARTED"]
    assert rows[3].startswith(f"{place.runs[0]}  mend the till")
    assert "\x1b" not in "".join(rows)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--status", "failed,succeeded"], [1, 0]),
        (["--status", "running"], [2]),
        (["--name", "WATCH"], [2]),
        (["--actor", "agent-7"], [2, 0]),
        (["--task", "T-1"], [0]),
        (["--project", "nobody"], []),
        (["--since", "1h"], [2, 1, 0]),
        (["--until", "1h"], []),
        (["--actor", "agent-7", "--status", "succeeded"], [0]),
    ],
)
def test_filters_of_runs_combine(place: Recorded, options: list[str], found: list[int]) -> None:
    page = flightlog("run", "list", *place.where, *options, "--json").json
    assert [place.runs.index(run["run_id"]) for run in page["runs"]] == found


def test_pages_of_runs_follow_the_cursor(place: Recorded) -> None:
    first = flightlog("run", "list", *place.where, "--limit", "2", "--json").json
    rest = flightlog("run", "list", *place.where, "--limit", "2", "--cursor", first["next_cursor"], "--json").json
    assert [run["run_id"] for run in first["runs"] + rest["runs"]] == place.runs[::-1]
    hinted = flightlog("run", "list", *place.where, "--limit", "2")
    assert f"--cursor {first['next_cursor']}" in hinted.err


def test_a_run_is_read_from_its_totals_to_its_end(place: Recorded) -> None:
    said = flightlog("run", "show", place.runs[0], *place.where)
    assert said.code == 0
    assert "tokens    10 in (0 cached), 4 out (0 reasoning)" in said.out
    order = ["run_started", "span_started", "llm_request", "llm_response", "span_finished", "tool_call", "run_finished"]
    places = [said.out.index(f"  {kind} ") for kind in order]
    assert places == sorted(places)
    assert "shop.counted" in said.out


def test_recorded_text_can_not_steer_the_terminal(place: Recorded) -> None:
    for verb in (["run", "show", place.runs[0]], ["events", "--type", "note", "--payloads"]):
        said = flightlog(*verb, *place.where)
        assert "\x1b" not in said.out
        assert "\\x1b[31mdone" in said.out or "\\u001b[31mdone" in said.out


def test_the_newest_run_is_shown_when_none_is_named(place: Recorded) -> None:
    assert flightlog("run", "show", *place.where, "--json").json["run"]["run_id"] == place.runs[2]


def test_pages_of_a_run_go_on_after_an_id(place: Recorded) -> None:
    whole = flightlog("run", "show", place.runs[0], *place.where, "--json").json["events"]
    found, after = [], []
    while True:
        page = flightlog("run", "show", place.runs[0], *place.where, "--limit", "4", *after, "--json").json
        found += page["events"]
        if not page["more"]:
            break
        after = ["--after-id", str(page["next_after_id"])]
    assert found == whole


def test_events_of_a_run_can_be_chosen_by_type(place: Recorded) -> None:
    page = flightlog("run", "show", place.runs[0], *place.where, "--types", "note,tool_call", "--json").json
    assert [event["type"] for event in page["events"]] == ["tool_call", "note"]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--types", "tool_call,tool_result"], ["tool_call", "tool_result"]),
        (["--type", "note", "--type", "shop.counted"], ["note", "shop.counted"]),
        (["--level", "error"], ["run_finished"]),
        (["--status", "failed"], ["run_finished"]),
        (["--name", "grep"], ["tool_call", "tool_result"]),
        (["--task", "T-1", "--type", "note"], ["note"]),
        (["--actor", "agent-8"], ["run_started", "run_finished"]),
        (["--actor", "agent-8", "--actor", "agent-7", "--type", "run_started"], ["run_started"] * 3),
        (["--source", "agent", "--project", "shop", "--type", "note", "--since", "1h"], ["note"]),
        (["--source", "elsewhere"], []),
        (["--until", "2001-01-01T00:00:00Z"], []),
    ],
)
def test_filters_of_events_combine(place: Recorded, options: list[str], found: list[str]) -> None:
    page = flightlog("events", *place.where, *options, "--json").json
    assert [event["type"] for event in page["events"]] == found


def test_events_are_found_by_their_ids_of_all_kinds(place: Recorded) -> None:
    call = flightlog("events", *place.where, "--type", "tool_call", "--json").json["events"][0]
    pair = flightlog("events", *place.where, "--correlation", call["correlation_id"], "--json").json["events"]
    assert [event["type"] for event in pair] == ["tool_call", "tool_result"]
    of_run = flightlog("events", *place.where, "--run", place.runs[0], "--json").json["events"]
    assert {event["run_id"] for event in of_run} == {place.runs[0]}
    of_trace = flightlog("events", *place.where, "--trace", call["trace_id"], "--json").json["events"]
    assert of_trace == of_run
    span = flightlog("events", *place.where, "--span", call["span_id"], "--json").json["events"]
    assert call in span


def test_events_show_the_newest_and_page_backwards(place: Recorded) -> None:
    newest = flightlog("events", *place.where, "--limit", "3", "--json").json
    before = flightlog(
        "events", *place.where, "--limit", "3", "--before-id", str(newest["next_before_id"]), "--json"
    ).json
    ids = [event["id"] for event in before["events"] + newest["events"]]
    assert len(ids) == 6
    assert ids == sorted(ids)
    after = flightlog("events", *place.where, "--after-id", str(ids[0]), "--limit", "2", "--json").json
    assert [event["id"] for event in after["events"]] == ids[1:3]


def test_all_events_come_one_a_line(place: Recorded) -> None:
    lines = flightlog("events", *place.where, "--all", "--json").out.splitlines()
    events = [json.loads(line) for line in lines]
    ids = [event["id"] for event in events]
    assert ids == sorted(ids)
    of_runs = sum(run["event_count"] for run in flightlog("run", "list", *place.where, "--json").json["runs"])
    assert of_runs == sum(
        event["run_id"] is not None for event in events
    )  # what was asked of the store is told beside them


def test_folder_and_server_give_the_same_json(tmp_path: Path, recorded: Recorded) -> None:
    queries = [["run", "list"], ["run", "show", recorded.runs[0]], ["events", "--limit", "5"], ["events", "--all"]]
    from_folder = [flightlog(*query, "--dir", recorded.folder, "--json").out for query in queries]
    with Server(recorded.folder) as server:
        assert [flightlog(*query, "--server", server.url, "--json").out for query in queries] == from_folder


@pytest.mark.parametrize(
    ("args", "code", "slug"),
    [
        (["run", "show", "nope"], 3, "run-not-found"),
        (["run", "show", ".."], 3, "run-not-found"),
        (["run", "show", "a/b"], 3, "run-not-found"),
        (["run", "list", "--limit", "0"], 2, "limit-invalid"),
        (["run", "list", "--cursor", "nope"], 2, "cursor-invalid"),
        (["run", "list", "--status", "nope"], 2, "filter-invalid"),
        (["run", "list", "--since", "yesterday"], 2, "filter-invalid"),
        (["events", "--limit", "1001"], 2, "limit-invalid"),
        (["events", "--after-id", "-1"], 2, "cursor-invalid"),
        (["events", "--level", "loud"], 2, "filter-invalid"),
        (["events", "--all", "--limit", "3"], 2, "bad-input"),
        (["tail", "--until-finished"], 2, "bad-input"),
    ],
)
def test_what_can_not_be_done_is_said_in_the_same_words_everywhere(
    place: Recorded, args: list[str], code: int, slug: str
) -> None:
    said = flightlog(*args, *place.where, "--json")
    assert (said.code, said.out) == (code, "")
    assert said.problem["type"] == f"/problems/{slug}"
    assert said.problem["exit_code"] == code
    plain = flightlog(*args, *place.where)
    assert plain.code == code
    assert plain.err.startswith("flightlog: ")
    assert said.problem["detail"] in plain.err


def test_a_folder_without_a_store_is_named(folder: Path) -> None:
    said = flightlog("run", "list", "--dir", folder, "--json")
    assert said.code == 3
    assert str(folder) in said.problem["detail"]


def test_the_folder_comes_from_the_environment_when_no_option_names_it(recorded: Recorded) -> None:
    env: dict[str, str | None] = {"FLIGHTLOG_DIR": str(recorded.folder)}
    assert len(flightlog("run", "list", "--json", env=env).json["runs"]) == 3


def test_a_folder_and_a_server_at_once_are_one_too_many(recorded: Recorded) -> None:
    said = flightlog("run", "list", "--dir", recorded.folder, "--server", "http://127.0.0.1:1", "--json")
    assert said.code == 2


def test_a_server_that_does_not_answer_is_named() -> None:
    said = flightlog("run", "list", "--server", "http://127.0.0.1:1", "--json")
    assert said.code == 5
    assert said.problem["type"] == "/problems/server-unavailable"


def test_what_is_no_url_is_not_asked() -> None:
    said = flightlog("run", "list", "--server", "file:///etc/passwd", "--json")
    assert (said.code, said.problem["type"]) == (2, "/problems/setting-invalid")


def test_waiting_events_are_hinted_at_when_nobody_delivers_them(folder: Path) -> None:
    spool_notes(folder, 5)
    said = flightlog("run", "list", "--dir", folder)
    assert said.code == 3  # there is no store yet
    assert "5 events wait in the spool; run `flightlog drain` or `flightlog up`" in said.err
    assert flightlog("drain", "--dir", folder).code == 0
    assert "spool" not in flightlog("run", "list", "--dir", folder).err


def test_a_reader_that_has_had_enough_ends_the_verb_quietly(recorded: Recorded, tmp_path: Path) -> None:
    import subprocess

    from tests.cli.terminal import COMMAND, environment

    command = [*COMMAND, "events", "--all", "--payloads", "--dir", str(recorded.folder)]
    popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    assert popen.stdout is not None
    assert popen.stderr is not None
    popen.stdout.close()  # gone before the first line
    assert popen.stderr.read() == b""
    popen.stderr.close()
    assert popen.wait(30) == 0


def test_a_terminal_gets_colours_and_lines_that_fit(recorded: Recorded) -> None:
    code, shown = on_terminal("events", "--dir", recorded.folder, columns=60)
    assert code == 0
    assert "\x1b[" in shown
    import re

    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert max(len(line) for line in plain.split("\r\n")) <= 60


def test_no_color_is_obeyed(recorded: Recorded) -> None:
    import re

    _, shown = on_terminal("run", "list", "--dir", recorded.folder, NO_COLOR="1")
    colours = {int(code) for codes in re.findall(r"\x1b\[([0-9;]*)m", shown) for code in codes.split(";") if code}
    assert not [code for code in colours if 30 <= code <= 49 or 90 <= code <= 107]


def test_a_narrow_terminal_leaves_columns_out_but_never_cuts_an_id(recorded: Recorded) -> None:
    _, shown = on_terminal("run", "list", "--dir", recorded.folder, columns=70)
    assert recorded.runs[0] in shown
    assert "actor" not in shown


def test_json_is_utf8_whatever_the_locale_says(folder: Path) -> None:
    flightlog_process("exec", "--dir", folder, "--run-name", "Brûlée ☃", "--", "true")
    said = flightlog_process("run", "list", "--dir", folder, "--json", PYTHONIOENCODING="utf-8")
    assert said.json["runs"][0]["name"] == "Brûlée ☃"
    poor = flightlog_process("run", "list", "--dir", folder, PYTHONIOENCODING="ascii")
    assert poor.code == 0
    assert "Br\\xfbl\\xe9e" in poor.out


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("status:failed", [1]),
        ("-status:failed actor:agent*", [2, 0]),
        ("mend", [0]),
        ('"mend the" input:10', [0]),
        ("input:>10", []),
        ("since:1h", [2, 1, 0]),
    ],
)
def test_runs_are_found_by_a_query(place: Recorded, where: str, found: list[int]) -> None:
    page = flightlog("run", "list", *place.where, "--where", where, "--json").json
    assert [place.runs.index(run["run_id"]) for run in page["runs"]] == found


def test_a_query_that_can_not_be_read_is_shown_with_carets_under_what_is_wrong(place: Recorded) -> None:
    for verb in (["run", "list"], ["events"], ["events", "--all"], ["tail", "--where"]):
        said = flightlog(*verb, "a stauts:failed", *place.where)
        assert said.code == 2
        assert "at character 2" in said.err
        assert "did you mean 'status'" in said.err
        assert said.err.splitlines()[-2:] == ["  a stauts:failed", "    ^^^^^^"]


def test_a_problem_in_json_has_the_place_and_the_query(place: Recorded) -> None:
    said = flightlog("run", "list", "cost:cheap", *place.where, "--json")
    assert said.problem["type"] == "/problems/query-invalid"
    assert {name: said.problem["facts"][name] for name in ("at", "length", "query")} == {
        "at": 5, "length": 5, "query": "cost:cheap",
    }  # fmt: skip


def test_a_query_may_be_an_argument_or_an_option_but_there_is_one(place: Recorded) -> None:
    def found(*args: str) -> list[str]:
        return [run["run_id"] for run in flightlog("run", "list", *args, *place.where, "--json").json["runs"]]

    assert found("status:failed") == found("--where", "status:failed") == [place.runs[1]]
    assert found("--where", "-actor:agent-7") == [place.runs[1]]
    types = flightlog("events", "type:tool_* -type:tool_result", *place.where, "--json").json["events"]
    assert [event["type"] for event in types] == ["tool_call"]
    both = flightlog("run", "list", "a", "--where", "b", *place.where)
    assert both.code == 2
    assert "two queries" in both.err


def test_events_are_found_by_a_query_and_by_text(place: Recorded) -> None:
    page = flightlog("events", *place.where, "--where", "type:run_started mend", "--json").json
    assert [event["run_id"] for event in page["events"]] == [place.runs[0]]
    assert page["events"][0]["type"] == "run_started"


def test_runs_are_sorted_by_what_is_asked(place: Recorded) -> None:
    page = flightlog("run", "list", *place.where, "--sort", "-tokens", "--json").json
    assert page["runs"][0]["run_id"] == place.runs[0]
    assert flightlog("run", "list", *place.where, "--sort", "luck").code == 2


def test_two_runs_are_compared(place: Recorded) -> None:
    said = flightlog("run", "compare", place.runs[0], place.runs[1], *place.where)
    assert said.code == 0
    assert said.out.splitlines()[1].split()[0] == "status"
    found = flightlog("run", "compare", place.runs[0], place.runs[1], *place.where, "--json").json
    assert found["left"]["run_id"] == place.runs[0]
    assert {row["relation"] for row in found["rows"]} <= {"same", "changed", "left", "right"}
    assert flightlog("run", "compare", place.runs[0], "nobody", *place.where).code != 0
