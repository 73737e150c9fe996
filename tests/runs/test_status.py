"""The moves of a run, as data and in the docs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flightlog.runs.status import MAY_BECOME, OUTCOMES, RUNNING, STATUSES, outcome

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "store.md"


def test_the_moves_are_these() -> None:
    assert {
        "running": {"succeeded", "failed", "canceled"},
        "succeeded": {"failed", "canceled"},
        "failed": {"succeeded", "canceled"},
        "canceled": {"succeeded", "failed"},
    } == MAY_BECOME
    assert set(STATUSES) == set(MAY_BECOME) == {RUNNING, *OUTCOMES}


def test_nothing_leads_back_to_running() -> None:
    assert not [status for status, moves in MAY_BECOME.items() if RUNNING in moves]


@pytest.mark.parametrize("status", OUTCOMES)
def test_a_known_outcome_is_taken(status: str) -> None:
    assert outcome(status) == status


@pytest.mark.parametrize("status", [None, "", "running", "ok", "Succeeded"])
def test_an_unknown_outcome_is_failed(status: str | None) -> None:
    assert outcome(status) == "failed"


def test_the_page_says_the_same() -> None:
    row = re.compile(r"^\| (running|succeeded|failed|canceled) \| (\w+) \| (\w+) \| ([\w, ]+) \|", re.MULTILINE)
    rows = row.findall(PAGE.read_text("utf-8"))
    said = {status: set(after.split(", ")) for status, _, _, after in rows}
    assert said == {status: set(moves) | {status} - {RUNNING} for status, moves in MAY_BECOME.items()}
    assert all(status == started == other for status, started, other, _ in rows)
