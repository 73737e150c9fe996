"""Many threads of many processes write audit records while `flightlog up` keeps the folder: none is lost, none doubled, each
orphan is adopted once, by the very event that brought what it waited for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from flightlog.config import Settings
from flightlog.wiring import Keeper
from tests.cli.terminal import Server, environment
from tests.crash.actors import ROOT
from tests.crash.auditors import PATIENT, PROCESSES

THREADS = 16

# What the store is watched by, from within: every adoption, also one that should not be.
WATCH = (
    "CREATE TABLE adoptions (id INTEGER, before TEXT)",
    (
        "CREATE TRIGGER watch_adoptions AFTER UPDATE ON audits WHEN NEW.orphan = 'adopted' "
        "BEGIN INSERT INTO adoptions VALUES (NEW.id, OLD.orphan); END"
    ),
)


def made_known(what: str) -> str:
    """The first event that names each run, or each task, in earnest."""
    column = f"{what}_id"
    return (
        f"SELECT {column}, min(id) FROM run_events "
        "WHERE type NOT IN ('audit', 'capability_decision', 'feedback') "
        f"AND {column} IS NOT NULL GROUP BY {column}"
    )


@pytest.mark.parametrize(
    "count", [pytest.param(16, id="sample"), pytest.param(1_500, id="campaign", marks=pytest.mark.torture)]
)
@pytest.mark.timeout(1_800)
def test_every_record_is_there_once_and_every_orphan_is_adopted_once(tmp_path: Path, count: int) -> None:
    folder = tmp_path / "flight"
    prepare(folder)
    with Server(folder) as server:
        said = [json.loads(out) for out in run_processes(folder, count)]
        errors = "\n".join(server.errors)
    assert "locked" not in errors
    for each in said:
        assert (each["delivered"], each["dropped"], each["unconfirmed"], each["drain_error"]) == (True, 0, 0, None)
    written = {one["event_id"]: one for each in said for one in each["records"]}
    assert len(written) == PROCESSES * THREADS * count
    assert {one["state"] for one in written.values()} == {None, "stored", "orphaned"}
    check_store(folder, written)


def prepare(folder: Path) -> None:
    """A folder with one run, that watches its own adoptions."""
    import flightlog

    with flightlog.open(folder) as rec:
        with rec.run("exists", run_id="run-exists"):
            pass
        assert rec.flush(PATIENT)
    keeper = Keeper(folder, Settings(), writable=True)
    for statement in WATCH:
        keeper.store.write(lambda tx, statement=statement: tx.sql.execute(text(statement)).rowcount)
    keeper.close()


def run_processes(folder: Path, count: int) -> list[str]:
    """What each of the processes printed; they said nothing of a locked database."""
    command = [sys.executable, "-m", "tests.crash.auditors", str(folder)]
    started = [
        subprocess.Popen(
            [*command, str(number), str(THREADS), str(count)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment(),
        )
        for number in range(PROCESSES)
    ]  # fmt: skip
    ended = [process.communicate(timeout=1_700) for process in started]
    for process, (_, err) in zip(started, ended, strict=True):
        assert process.returncode == 0, err
        assert "locked" not in err
    return [out for out, _ in ended]


def check_store(folder: Path, written: dict[str, dict[str, Any]]) -> None:
    """Hold the table against what was written, and against the journal."""
    keeper = Keeper(folder, Settings(), writable=False)
    try:
        with keeper.store.read() as connection:
            rows = connection.execute(text("SELECT * FROM audits WHERE operation = 'campaign'")).mappings().all()
            first = {
                what: dict(tuple(row) for row in connection.execute(text(made_known(what)))) for what in ("run", "task")
            }
            adoptions = connection.execute(text("SELECT id, before FROM adoptions")).all()
            degraded = connection.execute(text("SELECT count(*) FROM run_events WHERE type = 'degraded'")).scalar()
    finally:
        keeper.close()
    assert degraded == 0
    assert Counter(row["event_id"] for row in rows) == Counter(dict.fromkeys(written, 1))
    states = Counter(row["orphan"] for row in rows)
    assert all(states[state] for state in ("known", "orphaned", "adopted")), states
    for row in rows:
        needs = [first[what].get(row[f"{what}_id"]) for what in ("run", "task") if row[f"{what}_id"] is not None]
        kind = written[row["event_id"]]["kind"]
        assert (row["orphan"] == "orphaned") == (None in needs) == (kind == "missing"), dict(row)
        if row["orphan"] == "adopted":
            assert row["adopted_by"] in needs, dict(row)
            assert row["id"] < row["adopted_by"], dict(row)
    assert {before for _, before in adoptions} == {"orphaned"}
    assert Counter(id_ for id_, _ in adoptions) == {row["id"]: 1 for row in rows if row["orphan"] == "adopted"}
