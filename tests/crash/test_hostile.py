"""Bad conditions: the host never notices, what is lost is counted exactly and said in the stream, and recovery needs nobody."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flightlog.config import Settings
from flightlog.journal.read import EventFilter, read_events
from flightlog.runs.summary import get_run
from flightlog.wiring import Keeper, keeper_drain

ROOT = Path(__file__).parents[2]
ENVIRON = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}


def fly(condition: str, folder: Path) -> dict[str, Any]:
    """Run a hostile process and give its report."""
    command = [sys.executable, "-m", "tests.crash.hostile", condition, str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRON, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def in_store(folder: Path) -> tuple[int, int]:
    """How many notes are in the journal after a drain, and how many losses it says there were."""
    keeper = Keeper(folder, Settings(), writable=True)
    carrier = keeper_drain(keeper)
    try:
        quiet = 0
        while quiet < 3:
            quiet = 0 if carrier.drain_once() else quiet + 1
        stored = lost = lost_of_run = after = 0
        while page := read_events(
            keeper.store, EventFilter(types=("note", "degraded")), after_id=after, limit=1_000
        ).events:
            for event in page:
                stored += event.type == "note"
                count = msgspec.json.decode(event.payload)["count"] if event.type == "degraded" else 0
                lost += count
                lost_of_run += count if event.run_id == "hostile" else 0
            after = page[-1].id
        if lost_of_run:
            assert get_run(keeper.store, "hostile").lost_count == lost_of_run
        return stored, lost
    finally:
        carrier.stop()
        keeper.close()


def hold_together(report: dict[str, Any], folder: Path) -> None:
    assert report["raised"] == 0
    stored, lost = in_store(folder)
    assert lost == report["dropped"]
    assert stored + lost >= report["tried"]  # run lifecycle events can be among the lost
    assert stored <= report["tried"]


@pytest.mark.parametrize("condition", ["read_only", "deleted_folder", "clock_backwards"])
def test_what_was_tried_is_stored_or_counted_as_lost(tmp_path: Path, condition: str) -> None:
    report = fly(condition, tmp_path / "flight")
    hold_together(report, tmp_path / "flight")


def test_a_deleted_folder_costs_nothing(tmp_path: Path) -> None:
    report = fly("deleted_folder", tmp_path / "flight")
    assert report["dropped"] == 0
    assert in_store(tmp_path / "flight") == (report["tried"], 0)


def test_eight_processes_of_eight_threads_record_everything(tmp_path: Path) -> None:
    report = fly("crowd", tmp_path / "flight")
    stored, lost = in_store(tmp_path / "flight") if not report["dropped"] else (0, 0)
    assert report["dropped"] == 0, report
    assert (stored, lost) == (report["tried"], 0)


def test_a_full_disk_is_survived_counted_and_recovered_from(tmp_path: Path) -> None:
    """On a real file system of 8 MB, mounted in a namespace of its own."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("this machine does not let a test mount a small disk (unshare -rm)")
    disk, out = tmp_path / "disk", tmp_path / "out"
    disk.mkdir()
    fly_there = f"{sys.executable} -m tests.crash.hostile disk_full {disk}/flight"
    script = f"mount -t tmpfs -o size=8m tmpfs {disk} && {fly_there} && cp -r {disk}/flight {out}"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], cwd=ROOT, env=ENVIRON, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["rung_when_full"] == "dropping"
    assert report["dropped"] >= 2_000
    assert report["dropped_after_recovery"] == 0
    hold_together(report, out)
