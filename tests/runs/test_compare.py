"""Steps, and two runs side by side: every step once, in order, whatever the runs hold, and without a square of work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog.config import Settings
from flightlog.errors import RunNotFound
from flightlog.journal.append import Journal
from flightlog.runs.align import CELLS_MAX, Pair, Work, align
from flightlog.runs.compare import compare_runs
from flightlog.runs.project import RunProjector
from flightlog.runs.steps import OPEN_MAX, steps_of
from flightlog.store.engine import open_store
from tests.contract.making import event

keys = st.lists(st.sampled_from("abcde"), max_size=30)


def aligned(left: Any, right: Any, exact_left: Any = None, exact_right: Any = None) -> list[Pair]:
    return align(left, right, exact_left or left, exact_right or right, Work())


@given(keys, keys, st.randoms())
def test_every_step_stands_once_in_its_order_and_pairs_are_alike(
    left: list[str], right: list[str], chance: Any
) -> None:
    exact_left = [(key, chance.randrange(4)) for key in left]
    exact_right = [(key, chance.randrange(4)) for key in right]
    found = aligned(left, right, exact_left, exact_right)
    assert [pair.left for pair in found if pair.left is not None] == list(range(len(left)))
    assert [pair.right for pair in found if pair.right is not None] == list(range(len(right)))
    for pair in found:
        assert pair != (None, None)
        if pair.left is not None and pair.right is not None:
            assert left[pair.left] == right[pair.right]
    assert found == aligned(left, right, exact_left, exact_right)


@given(keys)
def test_a_run_and_itself_go_together_all_the_way(steps: list[str]) -> None:
    assert aligned(steps, steps) == [Pair(n, n) for n in range(len(steps))]


@given(keys, st.integers(0, 30))
def test_one_step_more_is_one_row_more(steps: list[str], place: int) -> None:
    place = min(place, len(steps))
    found = aligned(steps, [*steps[:place], "new", *steps[place:]])
    assert [pair for pair in found if None in pair] == [Pair(None, place)]


@pytest.mark.parametrize("shape", ["alike", "repeating", "strange", "shifted"])
def test_long_runs_take_no_square_of_work(shape: str) -> None:
    count = 20_000
    left: list[Any] = [("tool", n % 7) for n in range(count)]
    right: list[Any] = {
        "alike": left,
        "repeating": [("tool", n % 5) for n in range(count)],
        "strange": [("other", n) for n in range(count)],
        "shifted": left[3:] + left[:3],
    }[shape]
    work = Work()
    align(left, right, left, right, work)
    assert work.cells <= CELLS_MAX + 4 * count


types = st.sampled_from(["tool_call", "tool_result", "llm_request", "note", "span_started"])


@given(st.lists(st.tuples(types, st.sampled_from("xyz")), max_size=40))
def test_steps_hold_every_event_that_is_work_once(events: list[tuple[str, str]]) -> None:
    rows = [(n, type_, "", n, None, None, "info", c, b"") for n, (type_, c) in enumerate(events, 1)]
    found = list(steps_of(rows))
    told = sorted([step.id for step in found] + [step.answer_id for step in found if step.answer_id is not None])
    assert told == [row[0] for row in rows if row[1] != "span_started"]
    assert [step.id for step in found] == sorted(step.id for step in found)
    assert all(step.answer_id is None or step.answer_id > step.id for step in found)


def test_an_answer_that_comes_too_late_is_a_step_by_itself() -> None:
    rows: list[Any] = [(1, "tool_call", "slow", 1, None, None, "info", "c", b"")]
    rows += [(n, "note", "", n, None, None, "info", None, b"") for n in range(2, OPEN_MAX + 3)]
    rows.append((OPEN_MAX + 3, "tool_result", "slow", 5, None, "ok", "info", "c", b""))
    found = list(steps_of(rows))
    assert (found[0].answer_id, found[-1].kind, found[-1].name) == (None, "tool", "slow")
    assert len(found) == len(rows)


def run(run_id: str, first: int, *steps: tuple[str, str, Any]) -> list[Any]:
    made = []
    for place, (tool, arguments, status) in enumerate(steps):
        number = first + 2 * place
        shared: dict[str, Any] = {"run_id": run_id, "name": tool, "correlation_id": f"{run_id}-{place}"}
        made.append(event(number, "tool_call", payload={"tool": tool, "arguments": arguments}, **shared))
        made.append(event(number + 1, "tool_result", payload={"tool": tool}, status=status, duration_ns=5, **shared))
    return made


def test_two_runs_are_told_apart_step_by_step(tmp_path: Path) -> None:
    store = open_store(tmp_path, settings=Settings(), writable=True)
    try:
        left = run("l", 1, ("ls", "a", "ok"), ("cat", "b", "ok"), ("rm", "x", "ok"))
        right = run("r", 100, ("ls", "a", "ok"), ("cat", "c", "ok"), ("grep", "q", "ok"), ("rm", "x", "error"))
        Journal(store, [RunProjector()]).append([*left, *right])
        found = compare_runs(store, "l", "r")
        assert [(row.relation, row.differs) for row in found.rows] == [
            ("same", ()),
            ("changed", ("request",)),
            ("right", ()),
            ("changed", ("status",)),
        ]
        calls = next(total for total in found.totals if total.name == "tool_calls")
        assert (calls.left, calls.right, calls.difference) == (3, 4, 1)
        assert found.complete
        few = compare_runs(store, "l", "r", settings=Settings(compare_steps_max=2))
        assert (len(few.rows), few.complete) == (2, False)
        with pytest.raises(RunNotFound):
            compare_runs(store, "l", "nobody")
    finally:
        store.close()
