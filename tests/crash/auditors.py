"""One process of the audit campaign: threads that write audit records of runs and tasks that exist, never come, or come later.

`python -m tests.crash.auditors FOLDER NUMBER THREADS COUNT` prints, once all is delivered, what it wrote as one JSON object.
"""

from __future__ import annotations

import json
import logging
import random
import sys
import threading
from pathlib import Path
from typing import Any

import flightlog
from flightlog.config import Settings
from flightlog.recorder.client import Recorder

PROCESSES = 4
PATIENT = 300.0
WAITS_EVERY = 8  # so many records are written before one is waited for
LATER_EACH = 3  # runs, and tasks, that each thread brings in the course of its work


def later_names(threads: int) -> list[str]:
    """What some thread of some process brings some day."""
    return [
        f"{process}-{thread}-{number}"
        for process in range(PROCESSES)
        for thread in range(threads)
        for number in range(LATER_EACH)
    ]


def work(rec: Recorder, number: int, thread: int, threads: int, count: int, told: list[dict[str, Any]]) -> None:
    """Write `count` records, and bring the runs and tasks of this thread in between."""
    chance = random.Random(number * 1_000 + thread)
    names = later_names(threads)
    bring = {count * (place + 1) // (LATER_EACH + 1): place for place in range(LATER_EACH)}
    for turn in range(count):
        if turn in bring:
            name = f"{number}-{thread}-{bring[turn]}"
            for place in range(bring[turn] + 1):  # those of before once more: they were adopted already
                rec.emit("note", {"text": "here it is"}, run_id=f"run-{number}-{thread}-{place}")
            rec.emit("task_transition", {"from": "NEW", "to": "RUNNING"}, task_id=f"task-{name}")
        kind = chance.choice(("exists", "missing", "later-run", "later-task", "later-both"))
        name = chance.choice(names)
        run = {"exists": "run-exists", "missing": f"nobody-{turn % 7}"}.get(kind)
        run = f"run-{name}" if kind in ("later-run", "later-both") else run
        task = f"task-{name}" if kind in ("later-task", "later-both") else None
        said: dict[str, Any] = {"subject_type": "test", "subject_id": kind, "run_id": run, "task_id": task}
        given = {key: value for key, value in said.items() if value is not None}
        if turn % WAITS_EVERY == 0:
            made = rec.audit("campaign", **given, wait=True, timeout=PATIENT)
            told.append({"event_id": made.event_id, "kind": kind, "state": made.state, "reason": made.reason})
        else:
            told.append({"event_id": rec.audit("campaign", **given), "kind": kind, "state": None})


def main(folder: str, number: int, threads: int, count: int) -> None:
    """Run the threads, wait for the delivery, print."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    settings = Settings(flush_timeout_seconds=PATIENT)
    told: list[list[dict[str, Any]]] = [[] for _ in range(threads)]
    with flightlog.open(Path(folder), settings=settings) as rec:
        crew = [
            threading.Thread(target=work, args=(rec, number, thread, threads, count, told[thread]))
            for thread in range(threads)
        ]
        for each in crew:
            each.start()
        for each in crew:
            each.join()
        delivered = rec.flush()
        health = rec.health()
    found = {
        "records": [one for each in told for one in each],
        "delivered": delivered,
        "dropped": health.dropped_total,
        "unconfirmed": health.audits_unconfirmed,
        "drain_error": health.drain_error,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
