"""Nothing can be stored for a while: the model is called all the same, its result says so, the log says so, the run's page shows
the stretch, and the end of it is on record too."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.journeys.served import cli, serve

ROOT = Path(__file__).parents[2]
ENVIRON = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
RUN = "degraded"


def on_a_small_disk(folder: Path, tmp_path: Path) -> dict[str, Any]:
    """Fly on a file system of 8 MB that is mounted for this one process, and bring the folder home."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("this machine does not let a test mount a small disk (unshare -rm)")
    disk = tmp_path / "disk"
    disk.mkdir()
    flight = f"{sys.executable} -m tests.journeys.degraded disk_full {disk}/flight"
    script = f"mount -t tmpfs -o size=8m tmpfs {disk} && {flight} && cp -r {disk}/flight {folder}"
    return _report(["unshare", "-rm", "sh", "-c", script])


def beside_a_locked_store(folder: Path, tmp_path: Path) -> dict[str, Any]:
    """Fly into a folder whose database another process keeps locked."""
    return _report([sys.executable, "-m", "tests.journeys.degraded", "locked_store", str(folder)])


def _report(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, cwd=ROOT, env=ENVIRON, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("fly", "reason", "loses"),
    [(on_a_small_disk, "disk_full", True), (beside_a_locked_store, "store_unavailable", False)],
    ids=["disk full", "store locked"],
)
def test_a_generation_succeeds_and_everybody_is_told(tmp_path: Path, fly: Any, reason: str, loses: bool) -> None:
    folder = tmp_path / "flight"
    report = fly(folder, tmp_path)

    # The application: its calls succeed, and the one that could not be stored says so.
    assert [report[when]["answer"] for when in ("before", "during", "after")] == [
        "blue, because of one", "blue, because of two", "blue, because of three",
    ]  # fmt: skip
    assert report["before"]["persistence"] is None
    assert report["after"]["persistence"] is None
    signal = report["during"]["persistence"]
    assert (signal["code"], signal["reason"]) == ("TRACE_PERSISTENCE_DEGRADED", reason)
    assert signal["since"].endswith("Z")
    assert (signal["lost"] > 0) == loses
    assert report["seconds"] < 1.0

    # The log: one line when it begins, one when it is over.
    degraded, recovered = report["log"]
    assert (degraded["message"], degraded["code"]) == ("ai_trace_persistence_degraded", "TRACE_PERSISTENCE_DEGRADED")
    # A disk that is nearly full is trouble already.
    assert degraded["reason"] in ((reason, "shedding_debug", "shedding_info", "dropping") if loses else (reason,))
    assert (recovered["message"], recovered["reason"], recovered["since"]) == (
        "ai_trace_persistence_recovered", degraded["reason"], degraded["since"],
    )  # fmt: skip
    assert (recovered["lost"] > 0) == loses

    # The record: delivered later, with the stretch in the run's timeline, on its page, and its end as an event.
    assert cli("drain", "--dir", str(folder)).returncode == 0
    with serve(folder) as server:
        events = httpx.get(f"{server.url}/api/events", params={"run": RUN, "types": "degraded"}).json()["events"]
        timeline = httpx.get(f"{server.url}/api/runs/{RUN}/timeline").text
        page = httpx.get(f"{server.url}/runs/{RUN}", params={"view": "events", "types": "degraded"}).text
        run = httpx.get(f"{server.url}/api/runs/{RUN}").json()
        calls = httpx.get(f"{server.url}/api/generations", params={"run": RUN}).json()["generations"]
    (ended,) = [
        event for event in events if event["payload"]["since"] == degraded["since"] and event["status"] == "ended"
    ]
    assert ended["payload"]["until"] > degraded["since"]
    assert (run["lost_count"] > 0) == loses
    stretches = [each for each in json.loads(timeline.splitlines()[0])["degraded"] if each["reason"] == reason]
    assert any(each["to_us"] > each["from_us"] for each in stretches)
    assert reason.replace("_", " ") in page
    assert ("events of this run are lost" if loses else "Recording was degraded for a while") in page
    # Without losses every call is there; on a full disk those before and after are.
    known = {call["status"] for call in calls}
    assert known == {"ok"}
    assert len(calls) == (2 if loses else 3)
