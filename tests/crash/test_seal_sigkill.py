"""SIGKILL while the journal is sealed, at random points: no fork, no gap, and every checkpoint that was ever signed still holds."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flightlog.config import Settings
from flightlog.seal.verify import verify_store
from flightlog.seal.witness import check_kept
from flightlog.wiring import SEAL_FOLDER, Keeper, keeper_seal, seal_keys

# Appends and seals as `flightlog up` does, as fast as it can, and says when it has begun.
ACTOR = """
import sys
from pathlib import Path
from flightlog.config import Settings
from flightlog.journal.read import head_id
from flightlog.wiring import Keeper, keeper_seal
from tests.contract.making import event

keeper = Keeper(Path(sys.argv[1]), Settings(seal_seconds=0.001, seal_share_max=1.0, seal_batch_events_max=173), writable=True)
seal = keeper_seal(keeper)
seal.start()
with keeper.store.read() as connection:
    number = head_id(connection)
print("begun", flush=True)
while True:
    keeper.journal.append([event(number + step) for step in range(1, 98)])
    number += 97
"""


def campaign(folder: Path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    kept = folder.parent / "kept"
    for _ in range(kills):
        actor = subprocess.Popen(
            [sys.executable, "-c", ACTOR, str(folder)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        assert actor.stdout is not None
        assert actor.stdout.readline() == b"begun\n", f"seed {seed}"
        time.sleep(chance.uniform(0.0, 0.4))  # where it is hit is the campaign's own chance
        actor.send_signal(signal.SIGKILL)
        actor.wait(30)
        checkpoint = folder / SEAL_FOLDER / "checkpoint"
        if checkpoint.exists():
            with kept.open("a", encoding="utf-8") as file:
                file.write(checkpoint.read_text("utf-8") + "\n")
    settings = Settings()
    keeper = Keeper(folder, settings, writable=True)
    seal = keeper_seal(keeper)
    seal.start()
    seal.stop(timeout=60)
    assert seal.health().error is None, f"seed {seed}"
    keys = seal_keys(folder, settings)
    report = verify_store(keeper.store, folder / SEAL_FOLDER, keys)
    assert (report.findings, report.unsealed) == ([], 0), f"seed {seed}"
    assert report.checked > 0
    assert not [one for one in check_kept(kept.read_text("utf-8"), folder / SEAL_FOLDER, keys) if one.trouble], (
        f"seed {seed}"
    )
    keeper.close()


def test_a_sample_of_kills_leaves_one_history(tmp_path: Path) -> None:
    campaign(tmp_path / "flight", 4, seed=random.randrange(2**32))


@pytest.mark.torture
def test_fifty_kills_leave_one_history(tmp_path: Path) -> None:
    campaign(tmp_path / "flight", 50, seed=random.randrange(2**32))
