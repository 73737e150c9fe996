"""When an alert is raised and when it is cleared, at the edges."""

from __future__ import annotations

import pytest

from flightlog.config import Settings
from flightlog.deadletters.alerts import Numbers, judge_age, judge_ratio

SECOND = 1_000_000_000
SETTINGS = Settings(
    dead_letter_ratio_max=0.1, dead_letter_sample_min=20, dead_letter_age_seconds_max=100, dead_letter_clear_share=0.5
)


def numbers(dead: int, succeeded: int, oldest_at: int | None = None) -> Numbers:
    return Numbers(dead=dead, succeeded=succeeded, open=dead, oldest_at=oldest_at)


@pytest.mark.parametrize(
    ("dead", "succeeded", "was_raised", "raised"),
    [
        (0, 0, False, False),
        (0, 0, True, False),
        (2, 18, False, False),  # at the limit
        (3, 17, False, True),  # above it
        (19, 0, False, False),  # too small a sample
        (19, 0, True, True),  # the same, and nothing is cleared by it
        (20, 0, False, True),
        (3, 27, True, True),  # at the limit again, which is not well below
        (1, 18, True, True),  # 5.3 %, in a sample that is too small to clear it
        (1, 19, True, False),  # half of the limit
        (0, 1, True, False),  # nothing is dead, however small the sample
    ],
)
def test_the_ratio_is_raised_above_its_limit_and_cleared_well_below(
    dead: int, succeeded: int, was_raised: bool, raised: bool
) -> None:
    assert judge_ratio(numbers(dead, succeeded), was_raised, SETTINGS).raised == raised


@pytest.mark.parametrize(
    ("age_seconds", "was_raised", "raised"),
    [
        (None, True, False),
        (100, False, False),
        (101, False, True),
        (51, True, True),
        (50, True, False),
        (-5, False, False),
    ],
)
def test_the_age_is_raised_above_its_limit_and_cleared_well_below(
    age_seconds: int | None, was_raised: bool, raised: bool
) -> None:
    now = 10_000 * SECOND
    oldest_at = None if age_seconds is None else now - age_seconds * SECOND
    assert judge_age(numbers(1, 0, oldest_at), now, was_raised, SETTINGS).raised == raised


def test_a_number_on_the_limit_is_told_once_however_often_it_crosses_it() -> None:
    raised, changes = False, 0
    for dead in (2, 3, 2, 3, 2, 3, 2):
        now = judge_ratio(numbers(dead, 20 - dead), raised, SETTINGS).raised
        changes += now != raised
        raised = now
    assert changes == 1
