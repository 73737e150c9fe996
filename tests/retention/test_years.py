"""Years of days, a janitor each evening: what is there afterwards is what the rules say, worked out by a plain model of them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.retention.flight import DAY
from tests.retention.test_archived import Archived

RULES = """
[[rule]]
label = "disliked"
feedback = "thumb:down"
keep = "365d"

[[rule]]
label = "billing"
project = "billing"
level = ["info", "warn", "error"]
keep = "120d"

[[rule]]
label = "noise"
level = "debug"
keep = "1d"

[[rule]]
label = "failures"
run_status = "failed"
keep = "30d"

[[rule]]
label = "pictures"
type = "acme.picture*"
keep = 43200
"""


class Known(NamedTuple):
    """An event as the model knows it."""

    id: int
    day: float
    run_id: str
    project: str
    level: str
    type: str


def keeps_days(known: Known, disliked: bool, failed: bool) -> float:
    """The rules once more, by hand."""
    if disliked:
        return 365
    if known.project == "billing" and known.level != "debug":
        return 120
    if known.level == "debug":
        return 1
    if failed:
        return 30
    if known.type.startswith("acme.picture"):
        return 0.5
    return 7


def fly(tmp_path: Path, seed: int, days: int, *, every: int = 1, archived: float = 0.3) -> None:
    chance = random.Random(seed)
    flight = Archived(tmp_path / "flight", RULES)
    there: dict[int, Known] = {}
    disliked, failed = set[str](), set[str]()
    for day in range(days):
        if day % every == 0:
            for number in range(chance.randint(0, 3)):
                _day_of_work(flight, chance, f"d{day}-{number}", day, there, disliked, failed)
            if there and chance.random() < 0.2:  # somebody thinks of an older run
                known = chance.choice(list(there.values()))
                if known.run_id not in disliked:
                    disliked.add(known.run_id)
                    row_id = flight.thumb(known.run_id, "down")
                    there[row_id] = Known(row_id, day, known.run_id, "default", "info", "feedback")
        flight.days(1)
        if chance.random() < archived:
            flight.archive()
            if chance.random() < 3 / (3 + day):
                flight.archiving.compact()
        flight.clean()
        today = day + 1
        # Feedback tells of its run as long as the summary is there, which is a year longer.
        there = {
            row_id: known
            for row_id, known in there.items()
            if today - known.day < keeps_days(known, known.run_id in disliked, known.run_id in failed)
        }
        assert flight.ids() == sorted(there), f"day {day}"
    report = flight.verify()
    assert report.findings == []
    assert report.removed > 0
    flight.close()


def _day_of_work(
    flight: Archived,
    chance: random.Random,
    run_id: str,
    day: int,
    there: dict[int, Known],
    disliked: set[str],
    failed: set[str],
) -> None:
    project = chance.choice(["default", "billing", "shop"])
    status = chance.choice(["succeeded", "failed"])
    plan: list[tuple[str, str]] = [("run_started", "info")]
    plan += [
        (chance.choice(["note", "acme.picture", "acme.picture.small"]), chance.choice(["debug", "info", "warn"]))
        for _ in range(chance.randint(1, 6))
    ]
    plan.append(("run_finished", "info"))
    events: list[Any] = [
        flight.event(
            type_, run_id=run_id, project=project, level=level, **({"status": status} if "fin" in type_ else {})
        )
        for type_, level in plan
    ]
    for row_id, (type_, level) in zip(flight.record(*events), plan, strict=True):
        there[row_id] = Known(row_id, day, run_id, project, level, type_)
    if status == "failed":
        failed.add(run_id)
    if chance.random() < 0.2:
        disliked.add(run_id)
        row_id = flight.thumb(run_id, "down")
        there[row_id] = Known(row_id, day, run_id, "default", "info", "feedback")


def test_after_weeks_of_days_there_is_what_the_rules_say(tmp_path: Path) -> None:
    assert DAY == 86_400
    fly(tmp_path, seed=1, days=16)


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(3))
def test_after_three_years_of_days_there_is_what_the_rules_say(tmp_path: Path, seed: int) -> None:
    fly(tmp_path, seed=seed, days=1100, every=5, archived=0.05)
