"""SIGKILL at any moment of a backup leaves the backups before it as they were, and nothing that is taken for one."""

from __future__ import annotations

import random
import signal
import subprocess
from pathlib import Path

import pytest

from flightlog.config import Settings
from flightlog.ops.backup import make_backup
from flightlog.ops.backup_files import UNFINISHED, backups_in, check
from flightlog.ops.backup_restore import restore
from tests.cli.terminal import COMMAND, environment
from tests.seal.conftest import Flight

STARTS_SECONDS, WORKS_SECONDS = 0.4, 0.6  # until a backup begins, and how long it may be at it


@pytest.mark.parametrize("kills", [1, pytest.param(30, marks=pytest.mark.torture)])
def test_a_killed_backup_costs_none_of_the_others(tmp_path: Path, kills: int) -> None:
    chance = random.Random(5)
    flight = Flight(tmp_path / "flight")
    try:
        flight.record(3_000)
        flight.seal()
    finally:
        flight.store.close()
    target = tmp_path / "target"
    make_backup(flight.folder, target, Settings())
    for _ in range(kills):
        command = [*COMMAND, "backup", str(target), "--dir", str(flight.folder)]
        process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(STARTS_SECONDS + chance.random() * WORKS_SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        for one in backups_in(target):
            assert check(one).broken == []
    made = make_backup(flight.folder, target, Settings(), keep=1)
    assert not [path for path in target.iterdir() if path.name.startswith(UNFINISHED)]
    assert backups_in(target) == [made.path]
    assert restore(target, tmp_path / "again").differences == []
