"""Plans as data: every move written out by hand, when a stage is over, how many at once, what the hash is of."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog.config import Settings
from flightlog.deadletters.filter import LetterFilter
from flightlog.deadletters.plan import ENDS, MOVES, RUNNING, STAGES, Next, ReplayAsked, Tally, hash_of, judge, pace
from flightlog.errors import ReplayInvalid

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "dead-letters.md"

# Lines: from. Columns: to. x: allowed.
WRITTEN = """
           PLANNED CANARY_1 CANARY_10 REST DONE STOPPED REFUSED
PLANNED       -       x         -      -    -      x       x
CANARY_1      -       -         x      -    x      x       -
CANARY_10     -       -         -      x    x      x       -
REST          -       -         -      -    x      x       -
DONE          -       -         -      -    -      -       -
STOPPED       -       -         -      -    -      -       -
REFUSED       -       -         -      -    -      -       -
"""


def cells() -> dict[tuple[str, str], bool]:
    head, *lines = [line.split() for line in WRITTEN.strip().splitlines()]
    return {(line[0], to): mark == "x" for line in lines for to, mark in zip(head, line[1:], strict=True)}


def test_exactly_these_moves_are_allowed() -> None:
    written = cells()
    assert set(written) == set(itertools.product(MOVES, MOVES))
    assert {(before, after): after in MOVES[before] for before, after in written} == written
    assert {state for state in MOVES if not MOVES[state]} == set(ENDS)
    assert tuple(STAGES) == RUNNING


def test_the_page_has_the_same_moves() -> None:
    text = PAGE.read_text("utf-8")
    for state, after in MOVES.items():
        told = ", ".join(f"`{one}`" for one in MOVES if one in after) or "–"
        assert f"| `{state}` | {told} |" in text, f"the page says something else of {state}"


# ── when a stage is over ─────────────────────────────────────────────────────────────────────────────────────────────


def tally(replayed: int = 0, ended: int = 0, failed: int = 0, waiting: int = 100, still: float = 0.0) -> Tally:
    return Tally(replayed, ended, failed, waiting, still)


@pytest.mark.parametrize(
    ("stage", "stands", "to"),
    [
        ("CANARY_1", tally(), None),  # its letter is still to come
        ("CANARY_1", tally(1), None),  # and then its task
        ("CANARY_1", tally(1, 1), "CANARY_10"),
        ("CANARY_1", tally(1, 1, waiting=0), "DONE"),
        ("CANARY_1", tally(0, 0, waiting=0), "DONE"),  # nothing could be replayed
        ("CANARY_1", tally(1, 1, 1), "STOPPED"),
        ("CANARY_1", tally(1, 1, 1, waiting=0), "STOPPED"),
        ("CANARY_1", tally(1, 0, still=60.0), "STOPPED"),  # what is not over in time counts as failed
        ("CANARY_1", tally(1, 0, still=59.9), None),
        ("CANARY_10", tally(9, 9), None),
        ("CANARY_10", tally(9, 9, waiting=0), "DONE"),
        ("CANARY_10", tally(10, 9), None),
        ("CANARY_10", tally(10, 10, 2), "REST"),  # as many as may
        ("CANARY_10", tally(10, 10, 3), "STOPPED"),
        ("CANARY_10", tally(10, 8, 0, still=60.0), "REST"),  # two of ten count as failed
        ("CANARY_10", tally(10, 8, 1, still=60.0), "STOPPED"),
        ("REST", tally(9, 9, 9), None),  # too few to judge
        ("REST", tally(10, 10, 2), None),
        ("REST", tally(10, 10, 3), "STOPPED"),
        ("REST", tally(20, 20, 2, waiting=0), "DONE"),
        ("REST", tally(20, 19, 2, waiting=0), None),
        ("REST", tally(20, 19, 2, waiting=0, still=60.0), "DONE"),
        ("REST", tally(20, 10, 0, still=60.0), "STOPPED"),  # nothing moves
        ("REST", tally(20, 20, 0, still=60.0), None),  # nothing is under way: the next are to come
    ],
)
def test_a_stage_is_judged_when_its_tasks_are_over(stage: str, stands: Tally, to: str | None) -> None:
    found = judge(stage, stands, 0.2, 60.0)
    assert (found.state if found else None) == to
    assert found is None or to in MOVES[stage]
    assert (found is not None and found.because is not None) == (to == "STOPPED")


@given(
    stage=st.sampled_from(RUNNING), ended=st.integers(0, 50), more=st.integers(0, 20), failed=st.integers(0, 50),
    waiting=st.integers(0, 50), ratio=st.floats(0, 1), still=st.sampled_from([0.0, 60.0]),
)  # fmt: skip
def test_it_goes_only_where_it_may_and_never_stops_for_failures_that_are_allowed(
    stage: str, ended: int, more: int, failed: int, waiting: int, ratio: float, still: float
) -> None:
    stands = tally(ended + more, ended, min(failed, ended), waiting, still)
    found = judge(stage, stands, ratio, 60.0)
    assert found is None or found.state in MOVES[stage]
    assert judge(stage, stands._replace(still_seconds=0.0), 1.0, 60.0) != Next("STOPPED")
    if still == 0.0 and stands.failed == 0:
        assert found is None or found.state != "STOPPED"


# ── how many at once ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("asked", "allowed", "concurrency", "is_high", "warned"),
    [
        (None, False, 10, False, False),
        (None, True, 20, True, False),
        (1, False, 1, False, False),
        (10, False, 10, False, False),
        (10, True, 10, False, False),
        (11, False, 10, False, True),
        (11, True, 11, True, False),
        (20, True, 20, True, False),
        (21, True, 20, True, True),
        (10**9, False, 10, False, True),
    ],
)
def test_concurrency_is_clamped_with_a_warning(
    asked: int | None, allowed: bool, concurrency: int, is_high: bool, warned: bool
) -> None:
    found = pace(ReplayAsked(filter=LetterFilter(), concurrency=asked, allow_high_concurrency=allowed), Settings())
    assert (found.concurrency, found.is_high, bool(found.warnings)) == (concurrency, is_high, warned)


@pytest.mark.parametrize("asked", [0, -1])
def test_a_concurrency_of_nothing_is_refused(asked: int) -> None:
    with pytest.raises(ReplayInvalid, match="at least 1"):
        pace(ReplayAsked(filter=LetterFilter(), concurrency=asked), Settings())


@given(ids=st.lists(st.text("abc.", min_size=1, max_size=4), unique=True, max_size=6), others=st.data())
def test_the_hash_is_of_the_set(ids: list[str], others: st.DataObject) -> None:
    assert hash_of(others.draw(st.permutations(ids))) == hash_of(ids)
    other = others.draw(st.lists(st.text("abc.", min_size=1, max_size=4), unique=True, max_size=6))
    assert (hash_of(other) == hash_of(ids)) == (set(other) == set(ids))
