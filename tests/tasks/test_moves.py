"""Every move that a task can be asked to make, written out by hand: which are allowed, and that all others are refused."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from flightlog.errors import PipelineInvalid
from flightlog.tasks.pipeline import CANCELED, FAILED, MEDIA, QUEUED, START, SUCCEEDED, Pipeline, Retries, Step

# Lines: from. Columns: to. x: allowed.
MEDIA_MOVES = """
               START UPLOADED QUEUED PREPROCESSING DETECTING INPAINTING PACKAGING SUCCEEDED FAILED CANCELED
START            -      x       -         -            -         -          -         -        -       -
UPLOADED         -      -       x         -            -         -          -         -        x       x
QUEUED           -      -       -         x            -         -          -         -        x       x
PREPROCESSING    -      -       x         -            x         -          -         -        x       x
DETECTING        -      -       x         -            -         x          -         -        x       x
INPAINTING       -      -       x         -            -         -          x         -        x       x
PACKAGING        -      -       x         -            -         -          -         x        x       x
SUCCEEDED        -      -       -         -            -         -          -         -        -       -
FAILED           -      -       x         -            -         -          -         -        -       -
CANCELED         -      -       x         -            -         -          -         -        -       -
"""
SUMMARISE_MOVES = """
           START QUEUED READING WRITING SUCCEEDED FAILED CANCELED
START        -     x       -       -        -        -       -
QUEUED       -     -       x       -        -        x       x
READING      -     x       -       x        -        x       x
WRITING      -     x       -       -        x        x       x
SUCCEEDED    -     -       -       -        -        -       -
FAILED       -     x       -       -        -        -       -
CANCELED     -     x       -       -        -        -       -
"""
# Nothing is done in it: a task that begins is done.
BARE_MOVES = """
           START QUEUED SUCCEEDED FAILED CANCELED
START        -     x        -        -       -
QUEUED       -     -        x        x       x
SUCCEEDED    -     -        -        -       -
FAILED       -     x        -        -       -
CANCELED     -     x        -        -       -
"""
SUMMARISE = Pipeline("summarise", ("QUEUED", "READING", "WRITING"))
BARE = Pipeline("bare", ("QUEUED",))
TABLES = [(MEDIA, MEDIA_MOVES), (SUMMARISE, SUMMARISE_MOVES), (BARE, BARE_MOVES)]
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "tasks.md"


def cells(table: str) -> dict[tuple[str, str], bool]:
    head, *lines = [line.split() for line in table.strip().splitlines()]
    named = {"START": START}
    return {
        (named.get(line[0], line[0]), named.get(to, to)): mark == "x"
        for line in lines
        for to, mark in zip(head, line[1:], strict=True)
    }


@pytest.mark.parametrize(("pipeline", "table"), TABLES)
def test_exactly_these_moves_are_allowed(pipeline: Pipeline, table: str) -> None:
    written = cells(table)
    states = (START, *pipeline.states, SUCCEEDED, FAILED, CANCELED)
    assert set(written) == set(itertools.product(states, states))
    assert {move: pipeline.allows(*move) for move in written} == written


@pytest.mark.parametrize(("pipeline", "table"), TABLES)
def test_the_page_says_the_same_moves(pipeline: Pipeline, table: str) -> None:
    queued = pipeline.states.index(QUEUED)
    places = {
        "–": (START,), "a state before QUEUED": pipeline.states[:queued], "QUEUED": (QUEUED,),
        "a state after QUEUED": pipeline.states[queued + 1 :], SUCCEEDED: (SUCCEEDED,), FAILED: (FAILED,),
        CANCELED: (CANCELED,),
    }  # fmt: skip
    after = {"its first state": lambda state: pipeline.initial, "the next state": pipeline.next_of}
    section = PAGE.read_text("utf-8").split("## States and moves")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", section, re.MULTILINE)[1:]
    assert [before for before, _ in rows] == list(places)
    said = {
        (state, after[word](state) if word in after else word)
        for before, words in rows
        for state in places[before]
        for word in words.split(", ")
        if word != "–"
    }
    assert said == {move for move, is_allowed in cells(table).items() if is_allowed}


def test_a_state_that_nobody_declared_is_no_way_out_and_no_way_in() -> None:
    assert not MEDIA.allows("READING", QUEUED)
    assert not MEDIA.allows(QUEUED, "READING")


@pytest.mark.parametrize(
    ("name", "states", "reason"),
    [
        ("Summarise", ("QUEUED",), "lower-case"),
        ("s", ("queued",), "in capitals"),
        ("s", ("QUEUED", "FAILED"), "FAILED is given"),
        ("s", ("QUEUED", "READING", "READING"), "twice"),
        ("s", ("READING",), "QUEUED is missing"),
        ("s", (), "QUEUED is missing"),
    ],
)
def test_a_pipeline_that_can_not_be_is_refused_with_a_reason(name: str, states: tuple[str, ...], reason: str) -> None:
    with pytest.raises(PipelineInvalid, match=reason):
        Pipeline(name, states)


def test_a_step_is_of_a_state_that_tasks_work_in() -> None:
    with pytest.raises(PipelineInvalid, match="QUEUED is no state after QUEUED"):
        Pipeline("s", ("QUEUED", "READING"), (Step("QUEUED", print),))
    with pytest.raises(PipelineInvalid, match="two steps"):
        Pipeline("s", ("QUEUED", "READING"), (Step("READING", print), Step("READING", len)))


def test_waiting_doubles_and_stays_within_its_jitter() -> None:
    retries = Retries(seconds_base=1.0, factor=2.0, jitter=0.2)
    for failed, middle in ((1, 1.0), (2, 2.0), (3, 4.0)):
        waits = [retries.delay_seconds(failed, chance / 10) for chance in range(11)]
        assert min(waits) == pytest.approx(middle * 0.8)
        assert max(waits) == pytest.approx(middle * 1.2)
