"""A replay whose process is killed again and again goes on each time, and replays each letter once."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import func, select

from flightlog.clock import SystemClock
from flightlog.deadletters.progress import get_progress
from flightlog.deadletters.table import dead_letters, replay_items
from flightlog.ids import SystemIds
from flightlog.journal.table import run_events
from flightlog.store.engine import open_store
from flightlog.tasks.table import tasks
from flightlog.usage.table import usage_ledger
from tests.deadletters.making import Hangar

ROOT = Path(__file__).parents[2]


class Kill(NamedTuple):
    """Where the process dies: before or after the commit of a letter, or at any moment after a round."""

    point: str
    number: int


def replay_until(folder: Path, kill: Kill | None) -> bool:
    """Run the process up to there; whether it came to its end before."""
    by_itself = [] if kill is None or kill.point == "round" else [kill.point, str(kill.number)]
    command = [sys.executable, "-m", "tests.deadletters.replayer", str(folder), *by_itself]
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}
    ) as process:
        assert process.stdout is not None
        for number, line in enumerate(process.stdout, 1):
            if line == "over\n":
                assert process.wait() == 0
                return True
            if kill == Kill("round", number):
                process.kill()
    assert process.returncode == -signal.SIGKILL
    return False


def some_kills(count: int, letters: int) -> list[Kill]:
    chance = random.Random(letters)
    points = ("before", "after", "round")
    # A round replays ten at most; all kills together leave something for the last process.
    most = {"before": letters // (2 * count), "after": letters // (2 * count), "round": letters // (20 * count)}
    return [
        Kill(point, chance.randint(1, most[point]))
        for point, _ in zip(itertools.cycle(points), range(count), strict=False)
    ]


@pytest.mark.parametrize(
    ("letters", "kills"),
    [
        pytest.param(15, [Kill("before", 3)], id="sample"),
        pytest.param(
            10_000, some_kills(15, 10_000), id="campaign", marks=[pytest.mark.torture, pytest.mark.timeout(3_600)]
        ),
    ],
)
def test_each_letter_is_replayed_once_however_often_it_is_killed(
    tmp_path: Path, letters: int, kills: list[Kill]
) -> None:
    store = open_store(tmp_path / "flight", writable=True)
    hangar = Hangar(store, SystemClock(), SystemIds())
    for number in range(letters):
        hangar.fail(hangar.submit(input={"n": number}))
    plan = hangar.apply(hangar.plan(stop_failures_ratio=1.0))
    store.close()

    for kill in kills:
        assert not replay_until(tmp_path / "flight", kill), "it was over before it was killed"
    assert replay_until(tmp_path / "flight", None)

    store = open_store(tmp_path / "flight", writable=True)
    try:
        found = get_progress(store, plan.plan_id)
        assert (found.plan.state, found.outcomes, found.waiting) == ("DONE", {"replayed": letters}, 0)
        with store.read() as connection:
            assert set(connection.execute(select(tasks.c.round_no)).scalars()) == {2}
            states = Counter(connection.execute(select(tasks.c.state)).scalars())
            held = select(func.count()).where(usage_ledger.c.status == "HELD", usage_ledger.c.source == "round-2")
            told = select(func.count()).select_from(run_events).where(run_events.c.type == "dead_letter_replayed")
            again = select(func.count()).where(dead_letters.c.round_no == 2)
            ended = Counter(connection.execute(select(replay_items.c.ended)).scalars())
            counts = [connection.execute(asked).scalar() for asked in (held, told, again)]
        assert counts[:2] == [letters, letters]
        assert (states["FAILED"], states["SUCCEEDED"] + states["FAILED"]) == (counts[2], letters)
        assert ended == states
    finally:
        store.close()
