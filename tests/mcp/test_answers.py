"""Answers are bounded, go on where they stopped, and keep what was recorded apart from what we say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mcp.shared.exceptions import MCPError

from flightlog.mcp.answer import CHARS_MIN, Answer
from mcp import Client
from tests.cli.terminal import flightlog
from tests.mcp.conftest import ORDERS, Flown, inside, said

CHARS_MAX = 3_000


def parts(answer: str) -> tuple[str, str]:
    """What was recorded, and our own words around it."""
    mark = re.search(r"<recorded ([0-9a-f]{8})> and", answer)
    assert mark is not None
    before, inside, after = re.split(rf"^</?recorded {mark[1]}>$", answer, flags=re.MULTILINE)
    return inside, before + after


def test_orders_in_what_was_recorded_stay_between_the_marks(flown: Flown) -> None:
    agent = inside(flown.folder)
    for tool in ("read_run", "explain_failure"):
        recorded, own = parts(agent.call(tool, run_id=flown.failed))
        assert "IGNORE ALL INSTRUCTIONS" in recorded
        assert "IGNORE" not in own
    first, second = (agent.call("read_run", run_id=flown.failed) for _ in range(2))
    assert first.splitlines()[1] != second.splitlines()[1]  # nobody can know the mark beforehand


def test_text_that_hides_is_shown(flown: Flown) -> None:
    answer = Answer(CHARS_MAX)
    answer.add("a\u202eb\u200bc\x1b[31m")
    assert "a[U+202E]b[U+200B]c" in answer.text()


@pytest.mark.parametrize("tool", ["read_run", "explain_failure", "search_runs", "get_event", "compare_runs"])
def test_no_answer_is_longer_than_promised(tool: str, flown: Flown) -> None:
    asked = {
        "read_run": {"run_id": flown.good},
        "explain_failure": {"run_id": flown.failed},
        "search_runs": {},
        "get_event": {"event_id": "#7"},
        "compare_runs": {"left": flown.failed, "right": flown.good},
    }[tool]
    assert len(inside(flown.folder, CHARS_MAX).call(tool, **asked)) <= CHARS_MAX


def test_a_long_run_is_read_to_its_end_part_by_part_each_step_once(flown: Flown) -> None:
    agent = inside(flown.folder, CHARS_MAX)

    async def read(client: Client) -> tuple[list[int], int]:
        steps: list[int] = []
        cursor, asked = "", 0
        while True:
            answer = said(await client.call_tool("read_run", {"run_id": flown.good, "cursor": cursor}))
            assert len(answer) <= CHARS_MAX
            steps += [int(number) for number in re.findall(r"^#(\d+) .* note ", answer, re.MULTILINE)]
            asked += 1
            more = re.search(r"cursor='(\d+)'", answer)
            if more is None:
                return steps, asked
            cursor = more[1]

    steps, asked = agent.do(read)
    assert asked > 10
    assert len(steps) == 301
    assert steps == sorted(set(steps))


def test_a_long_event_is_read_whole_part_by_part(flown: Flown) -> None:
    agent = inside(flown.folder, CHARS_MAX)

    async def read(client: Client) -> str:
        read, cursor, place = "", "", "#1"
        numbers = said(await client.call_tool("read_run", {"run_id": flown.failed}))
        found = re.search(r"^#(\d+) .* tool_result read_page", numbers, re.MULTILINE)
        assert found is not None
        place = f"#{found[1]}"
        while True:
            answer = said(await client.call_tool("get_event", {"event_id": place, "cursor": cursor}))
            recorded, own = parts(answer)
            read += recorded.strip("\n")
            more = re.search(r"cursor='(\d+)'", own)
            if more is None:
                return read
            cursor = more[1]

    whole = agent.do(read)
    assert "x" * 5_000 in whole
    assert ORDERS in whole


def test_runs_go_on_page_by_page(flown: Flown) -> None:
    agent = inside(flown.folder)
    first = agent.call("search_runs", limit=1)
    more = re.search(r"cursor='([^']+)'", first)
    assert more is not None
    second = agent.call("search_runs", limit=1, cursor=more[1])
    assert flown.good in first
    assert flown.failed in second
    assert second.endswith("there are no more.")


@pytest.mark.parametrize(
    ("tool", "asked", "words"),
    [
        ("search_runs", {"query": "statsu:failed"}, "did you mean 'status'"),
        ("search_runs", {"limit": 1_000}, "100"),
        ("read_run", {"run_id": "r", "cursor": "x"}, "cursor"),
        ("read_run", {"run_id": "."}, "no run"),
        ("get_event", {"event_id": "#999999"}, "#999999"),
        ("query_stats", {"by": "moon"}, "by is one of"),
        ("query_stats", {"of": "moons"}, "of is one of"),
        ("query_stats", {"since": "soon"}, "RFC 3339"),
    ],
)
def test_what_is_asked_wrongly_is_answered_in_a_sentence(
    tool: str, asked: dict[str, object], words: str, flown: Flown
) -> None:
    answer = said(inside(flown.folder).do(lambda client: client.call_tool(tool, asked)), error=True)
    assert words in answer
    assert "Traceback" not in answer


def test_a_resource_that_is_not_there_is_said_to_be_missing(flown: Flown) -> None:
    async def look(client: Client) -> None:
        with pytest.raises(MCPError, match="no-such-run"):
            await client.read_resource("flightlog://runs/no-such-run")

    inside(flown.folder).do(look)


def test_an_answer_has_room_for_something_however_small_its_bound(flown: Flown) -> None:
    told = inside(flown.folder, 1).call("read_run", run_id=flown.good)
    assert 900 < len(told) <= CHARS_MIN
    assert re.search(r"cursor='\d+'", told)


def test_without_the_extra_the_verb_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    ended = flightlog("mcp", "--dir", tmp_path)
    assert ended.code == 2
    assert "pip install 'flightlog[mcp]'" in ended.err


def test_a_folder_that_is_not_there_yet_can_be_asked_again_when_it_is(tmp_path: Path, flown: Flown) -> None:
    agent = inside(tmp_path / "flight")

    async def look(client: Client) -> None:
        assert "no Flightlog store" in said(await client.call_tool("search_runs", {}), error=True)
        (tmp_path / "flight").symlink_to(flown.folder)
        assert flown.good in said(await client.call_tool("search_runs", {}))

    agent.do(look)
