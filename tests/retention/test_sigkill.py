"""SIGKILL at random points of a removal: nothing that is kept is lost, nothing is half removed, and the seal adds up."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from flightlog.archive.manifest import files
from flightlog.journal.removed import claimed_by
from tests.retention.test_archived import Archived

RULES = '[[rule]]\nlevel = "debug"\nkeep = "1d"\n\n[[rule]]\nproject = "billing"\nkeep = "90d"\n'
DAYS = 9.0

ACTOR = """
import sys
from pathlib import Path
import flightlog.retention.keep as keep
from tests.retention.test_archived import Archived
from tests.retention.test_sigkill import DAYS, RULES

keep.BATCH_EVENTS = 15
flight = Archived(Path(sys.argv[1]), RULES)
flight.days(DAYS)
print("begun", flush=True)
flight.retention.run()
print("done", flush=True)
flight.seal()
flight.archiving.place.sweep()
flight.close()
print("over", flush=True)
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[int]]:
    """A folder with due and other events, in two projects, half archived; and the ids of those that are to stay."""
    folder = tmp_path_factory.mktemp("prepared") / "flight"
    flight = Archived(folder, RULES)
    kept: set[int] = set()
    for part in range(2):
        for number in range(20):
            run_id, project = f"r{part}-{number}", ("billing", "shop")[number % 2]
            ids = flight.run(run_id, notes=4, project=project)
            flight.record(*(flight.event(run_id=run_id, project=project, level="debug") for _ in range(4)))
            kept.update(ids if project == "billing" else ())
        if part == 0:
            flight.archive()
    flight.seal()
    assert flight.ids() == list(range(1, 401))
    flight.close()
    return folder, kept


def campaign(prepared: tuple[Path, set[int]], folder: Path, kills: int, seed: int) -> None:
    source, kept = prepared
    chance = random.Random(seed)
    killed = 0
    while killed < kills:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source, folder)
        while True:
            over = _let_it_work(folder, chance.uniform(0.0, 0.6) if killed < kills else None)
            killed += not over
            if over:
                break
        _looks_right(folder, kept)


def _let_it_work(folder: Path, seconds: float | None) -> bool:
    """Whether it came to its end."""
    path = os.pathsep.join(part for part in sys.path if part)
    actor = subprocess.Popen(
        [sys.executable, "-c", ACTOR, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert actor.stdout is not None
    assert actor.stdout.readline() == "begun\n"
    if seconds is not None:
        time.sleep(seconds)
        actor.send_signal(signal.SIGKILL)
    said = actor.stdout.read()
    actor.wait()
    actor.stdout.close()
    return said.endswith("over\n")


def _looks_right(folder: Path, kept: set[int]) -> None:
    flight = Archived(folder, RULES)
    flight.days(DAYS)
    try:
        assert set(flight.ids()) == kept
        report = flight.verify()
        assert (report.findings, report.removed) == ([], 400 - len(kept))
        with flight.keeper.store.read() as connection:
            ranges = [claimed_by(connection, removal_id) for removal_id, _ in flight.told()]
            named = {file.path for file in files(connection)}
        times = Counter(row_id for some in ranges for first, last in some for row_id in range(first, last + 1))
        assert times == dict.fromkeys(set(range(1, 401)) - kept, 1)
        flight.archiving.place.sweep()
        lying = {str(path.relative_to(folder / "archive")) for path in (folder / "archive").rglob("*.parquet")}
        assert lying == named
        for table in ("event_payloads", "seal_salts"):
            rows = flight.sql(f"SELECT id FROM {table}")
            assert not {row[0] for row in rows if row[0] <= 400} - kept, table
    finally:
        flight.close()


def test_killed_at_random_points_exactly_what_is_due_goes(prepared: tuple[Path, set[int]], tmp_path: Path) -> None:
    campaign(prepared, tmp_path / "flight", kills=2, seed=1)


@pytest.mark.torture
def test_killed_fifty_times(prepared: tuple[Path, set[int]], tmp_path: Path) -> None:
    campaign(prepared, tmp_path / "flight", kills=50, seed=2)
