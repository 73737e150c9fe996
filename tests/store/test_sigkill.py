"""A process that appends is killed at any moment: what it was told is stored, is stored, once, and positions agree."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from sqlalchemy import func, select

from flightlog.journal.append import Journal
from flightlog.journal.table import event_payloads, journal_head, run_events
from flightlog.runs.summary import get_run
from flightlog.store.engine import open_store

ROOT = Path(__file__).parents[2]
ROUNDS = 8

APPEND = """
import sys
import time
from pathlib import Path
from flightlog.journal.append import Journal, SpoolPosition
from flightlog.runs.project import RunProjector
from flightlog.store.engine import open_store
from tests.contract.making import event

journal = Journal(open_store(Path(sys.argv[1]), writable=True), [RunProjector()])
at = journal.position("segment")
while True:
    # From a little before, as a drain does that was killed before it heard of its last commit.
    start = max(0, at - 7)
    at += 20
    journal.append([event(number, payload={"text": "x" * 1000}) for number in range(start, at)],
                   position=SpoolPosition("segment", at))
    sys.stdout.write(f"{at}\\n")
    sys.stdout.flush()
"""


def test_acknowledged_appends_survive_sigkill_exactly_once(tmp_path: Path) -> None:
    chance = random.Random(7)
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    acknowledged = 0
    for _ in range(ROUNDS):
        process = subprocess.Popen(
            [sys.executable, "-c", APPEND, str(tmp_path)], stdout=subprocess.PIPE, env=environ, cwd=ROOT
        )
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(chance.randrange(1, 40))]
        time.sleep(chance.random() * 0.006)  # so that every part of an append gets its turn, not only the start of one
        process.send_signal(signal.SIGKILL)
        said += process.stdout.read().splitlines(keepends=True)
        process.wait()
        process.stdout.close()
        acknowledged = max([acknowledged, *(int(line) for line in said if line.endswith(b"\n"))])
        acknowledged = max(acknowledged, check(tmp_path, acknowledged))
    assert acknowledged > ROUNDS * 20


def check(folder: Path, acknowledged: int) -> int:
    """Open what the dead process left; give the position."""
    store = open_store(folder)
    try:
        position = Journal(store).position("segment")
        with store.read() as connection:
            event_ids = connection.execute(select(run_events.c.event_id)).scalars().all()
            ids = connection.execute(select(func.min(run_events.c.id), func.max(run_events.c.id))).one()
            payloads = connection.execute(select(func.count()).select_from(event_payloads)).scalar_one()
            head = connection.execute(select(journal_head.c.last_id)).scalar_one()
            assert connection.exec_driver_sql("PRAGMA quick_check").scalar() == "ok"
        assert position >= acknowledged
        assert sorted(event_ids) == [f"e{number:06d}" for number in range(position)]
        assert (ids[0], ids[1], head, payloads) == (1, position, position, position)
        assert get_run(store, "r1").event_count == position
        return position
    finally:
        store.close()
