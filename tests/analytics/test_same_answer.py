"""The numbers are those of the events, wherever the events lie: in the store, in the archive, or on both sides of the line."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from flightlog.analytics.answer import Answer
from flightlog.analytics.engine import Child, Here
from flightlog.analytics.fold import Part
from flightlog.analytics.kept import Kept
from flightlog.analytics.sql import Asked
from flightlog.errors import ArchiveFileMissing, StatsTooMuch
from flightlog.services import Services
from tests.analytics.conftest import NOW, Ask
from tests.analytics.flown import HOUR, MODELS, flight, plainly
from tests.api.serving import START
from tests.archive.reading import Archiving
from tests.contract.test_coverage import span

DAY = 24 * HOUR
Holds = Callable[[dict[str, Any]], bool]

# What is asked, and the same as a condition on a row of the plain walk.
QUESTIONS: list[tuple[dict[str, Any], Holds]] = [
    ({}, lambda row: True),
    ({"by": "model"}, lambda row: True),
    ({"by": "model", "bucket": "day"}, lambda row: True),
    ({"by": "provider", "bucket": "hour"}, lambda row: True),
    ({"by": "project", "q": "model:alpha-5,alpine*"}, lambda row: (row["model"] or "").startswith(("alpha-5", "alpine"))),
    ({"by": "actor", "q": "-model:ÜNÏ*"}, lambda row: True),  # letters beyond the Latin alphabet are told apart
    ({"by": "actor", "q": "-model:Ünïc*"}, lambda row: not (row["model"] or "").startswith("Ü")),
    ({"by": "error", "q": "status:error"}, lambda row: row["failed"]),
    ({"by": "model", "q": "status:ok cost:>0.1"}, lambda row: not row["failed"] and (row["cost"] or 0) > 10**8),
    ({"by": "model", "q": "input:1..20"}, lambda row: row["input"] == 12),
    ({"by": "model", "project": "shop", "since": START + 7 * HOUR, "until": START + 31 * HOUR},
     lambda row: row["project"] == "shop" and within(row, 7, 31)),
    ({"of": "tools", "by": "tool"}, lambda row: True),
    ({"of": "tools", "by": "tool", "bucket": "day", "q": "status:error"}, lambda row: row["failed"]),
    ({"of": "tools", "by": "project", "q": "name:bash duration:>1ms"},
     lambda row: row["tool"] == "bash" and (row["took"] or 0) > 10**6),
    ({"of": "tools", "by": "actor", "since": START + 20 * HOUR}, lambda row: within(row, 20, 90)),
]  # fmt: skip


def within(row: dict[str, Any], first: int, last: int) -> bool:
    """Between two hours after the start, which is taken to the minute before, and the end to the one after."""
    minute = HOUR // 60
    return bool((START + first * HOUR) // minute * minute <= row["at"] < -(-(START + last * HOUR) // minute) * minute)


@pytest.mark.parametrize(
    "seed", [1, pytest.param(2, marks=pytest.mark.torture), pytest.param(3, marks=pytest.mark.torture)]
)
def test_hot_half_and_wholly_archived_give_what_a_plain_walk_gives(
    seed: int, services: Services, ask: Ask, archiving: Archiving
) -> None:
    events = flight(random.Random(seed), 900)
    services.journal.append(events)
    answers = [[ask(**asked) for asked, _ in QUESTIONS]]
    for until in (1, len(events) // 2, len(events)):
        archiving.archive(until, drop=until != len(events) // 2)  # rows may lie below the line for a while
        answers.append([ask(**asked) for asked, _ in QUESTIONS])
    for place, (asked, holds) in enumerate(QUESTIONS):
        width = {"day": DAY, "hour": HOUR}.get(asked.get("bucket", ""))
        of, by = asked.get("of", "models"), asked.get("by")
        for number, given in enumerate(answers):
            told = given[place]
            assert groups_of(told) == plainly_grouped(events, of, by, holds), (asked, number)
            total = plainly(events, of, None, None, holds).get((None, 0))
            assert told.total.numbers["calls"] == (total or {"calls": 0})["calls"]
            if total:
                assert plain(told.total) == total
            if width:
                assert in_buckets(told, width) == plainly(events, of, by, width, holds), (asked, number)


def plain(part: Part) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(part.numbers)
    return found


def groups_of(told: Answer) -> dict[Any, Any]:
    assert told.others is None
    return {(group.value, 0): plain(group.part) for group in told.groups}


def plainly_grouped(events: Any, of: str, by: str | None, holds: Holds) -> Any:
    return {} if by is None else plainly(events, of, by, None, holds)


def in_buckets(told: Answer, width: int) -> dict[Any, Any]:
    found = {}
    for group in told.groups:
        series = msgspec.to_builtins(group.part.series)
        for place, at in enumerate(told.times):
            numbers = {name: values[place] for name, values in series.items()}
            if numbers["calls"]:
                found[group.value, at // width] = numbers
    return found


def test_what_is_in_no_group_of_its_own_is_in_the_others(services: Services, ask: Ask, archiving: Archiving) -> None:
    events = flight(random.Random(4), 400)
    services.journal.append(events)
    archiving.archive(200)
    whole = ask(by="model", bucket="day")
    some = ask(by="model", bucket="day", top=2)
    assert [group.value for group in some.groups] == [group.value for group in whole.groups[:2]]
    assert some.total == whole.total
    assert some.others is not None
    assert some.others.values == len(MODELS) - 2
    rest = [group.part.numbers["tokens_output"] for group in whole.groups[2:]]
    assert some.others.part.numbers["tokens_output"] == sum(rest)
    assert some.others.part.numbers["latency_ns"].count == sum(
        group.part.numbers["latency_ns"].count for group in whole.groups[2:]
    )


def test_more_values_than_can_be_told_apart_at_once_give_the_same_answer(
    services: Services, ask: Ask, archiving: Archiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.journal.append(flight(random.Random(5), 400))
    archiving.archive(300)
    for sort in ("calls", "cost_usd", "tokens_output"):
        monkeypatch.undo()
        whole = ask(by="model", bucket="day", top=2, sort=sort)
        monkeypatch.setattr("flightlog.analytics.answer.CELLS_MAX", 3)
        assert ask(by="model", bucket="day", top=2, sort=sort) == whole


def test_only_files_of_the_time_the_project_and_the_kind_are_read(
    services: Services, ask: Ask, archiving: Archiving
) -> None:
    services.journal.append(flight(random.Random(6), 300))
    archiving.archive()
    answers = [file for file in archiving.files() if "llm_response" in file.type_counts]
    assert ask(by="model").files == len(answers)
    assert ask(by="model", project="shop").files == len([file for file in answers if file.project == "shop"])
    first = START + 40 * HOUR
    late = [file for file in answers if file.created_at_max >= first // (HOUR // 60) * (HOUR // 60)]
    assert ask(by="model", since=first).files == len(late) < len(answers)
    assert ask(by="model", q="run:r1").files <= len(answers)
    assert ask(by="model", q="run:nosuchrun").files == 0
    assert ask(by="model", since=NOW).files == 0


def test_the_same_question_is_not_counted_twice_and_a_merged_archive_gives_the_same_answer(
    services: Services, ask: Ask, archiving: Archiving, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.journal.append(flight(random.Random(8), 300))
    before = ask(of="tools", by="tool", bucket="day")
    archiving.archive(250)
    asked: list[Asked] = []
    plain = Here.ask
    monkeypatch.setattr(Here, "ask", lambda self, sql: (asked.append(sql), plain(self, sql))[1])
    assert ask(of="tools", by="tool", bucket="day").groups == before.groups
    some = len(asked)
    assert ask(of="tools", by="tool", bucket="day").groups == before.groups
    assert len(asked) == some > 0
    archiving.archive(280)
    assert ask(of="tools", by="tool", bucket="day").groups == before.groups
    assert all("/date=" in sql.sql for sql in asked)
    # What was archived since is all that was read.
    assert max(sql.sql.count(".parquet") for sql in asked[some:]) < min(
        sql.sql.count(".parquet") for sql in asked[:some]
    )
    some = len(asked)
    files = len(archiving.files())
    archiving.compact()
    assert len(archiving.files()) < files
    assert ask(of="tools", by="tool", bucket="day").groups == before.groups
    assert len(asked) > some


def test_a_file_that_is_missing_for_good_is_an_error_and_not_a_smaller_number(
    services: Services, ask: Ask, archiving: Archiving
) -> None:
    services.journal.append(flight(random.Random(9), 100))
    archiving.archive()
    archiving.objects.delete(archiving.files()[0].path)
    with pytest.raises(ArchiveFileMissing):
        ask(of="events", by="type")


def test_what_takes_too_long_is_stopped_and_the_next_question_is_answered() -> None:
    child = Child(seconds_max=0.5)
    with pytest.raises(StatsTooMuch, match=r"0\.5 seconds"):
        child.ask(
            Asked("SELECT count(*) FROM range(100000000000) a, range(1000) b WHERE a.range * b.range % 7 = 8", [])
        )
    child = Child()
    try:
        assert child.ask(Asked("SELECT 2 + ?", [2])) == [[4]]
        with pytest.raises(StatsTooMuch, match="memory"):
            child.ask(Asked("SELECT list(range) FROM range(1000000000)", []))
        assert child.ask(Asked("SELECT ?", ["ö"])) == [["ö"]]
    finally:
        child.close()


def test_tokens_and_cost_of_a_call_that_is_told_twice_count_once(
    services: Services, ask: Ask, archiving: Archiving
) -> None:
    services.journal.append([span("r", 1, None, "call", tokens=70), span("r", 2, 1, "call", tokens=70)])
    for _ in ("hot", "archived"):
        numbers = ask(of="models").total.numbers
        assert (numbers["calls"], numbers["tokens_input"], numbers["tokens_output"]) == (2, 70, 1)
        archiving.archive()
