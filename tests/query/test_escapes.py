"""Nobody gets out: each wall alone holds every attempt, and so do all of them together."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flightlog.errors import SqlRefused
from flightlog.query.check import Fault, check
from flightlog.query.runner import Runner
from tests.query.attempts import ATTEMPTS, PLAIN
from tests.query.conftest import SECRET, Outside

# Without the first wall these would wait, and that is all.
WAITING = {"waiting", "pg_sleep"}
ALL = [name for name in ATTEMPTS if name not in WAITING]
# Each time those that reach for something outside, the rest with the long campaigns.
REACHING = [name for name in ALL if "{" in ATTEMPTS[name] or "/" in ATTEMPTS[name]]
SAMPLES = pytest.mark.parametrize(
    "names", [pytest.param(REACHING, id="reaching"), pytest.param(ALL, id="all", marks=pytest.mark.torture)]
)
LINUX = sys.platform.startswith("linux")


@pytest.fixture(scope="module")
def parser() -> Any:
    return duckdb.connect(":memory:", config={"errors_as_json": "true", "python_enable_replacements": "false"})


@pytest.mark.parametrize("name", ATTEMPTS)
def test_an_attempt_is_refused_by_what_the_parser_makes_of_it(parser: Any, outside: Outside, name: str) -> None:
    sql = outside.spelled(ATTEMPTS[name], Path("/data/flightlog.db"))
    with pytest.raises(Fault) as fault:
        check(parser, sql)
    assert fault.value.state in ("refused", "invalid")
    assert len(fault.value.reason) > 10
    if fault.value.at is not None:
        assert 0 <= fault.value.at <= len(sql)


@pytest.mark.parametrize("sql", PLAIN)
def test_what_people_ask_is_let_through(parser: Any, sql: str) -> None:
    check(parser, sql)


def bare(outside: Outside, flown: Path, scratch: Path, names: Iterable[str], **walls: bool) -> dict[str, str]:
    """What comes of these attempts with only these walls; nothing of the outside has changed."""
    database = flown / "flightlog.db"
    attempts = {name: outside.spelled(ATTEMPTS[name], database) for name in names}
    asked = {"folder": str(scratch), "database": str(database), "attempts": attempts, **walls}
    before = trace(outside, flown)
    done = subprocess.run(
        [sys.executable, "-m", "tests.query.bare"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        env={**os.environ, "CANARY": SECRET, "HOME": str(scratch)},
        cwd=Path(__file__).parents[2],
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert trace(outside, flown) == before
    assert not outside.was_called()
    found: dict[str, str] = json.loads(done.stdout)
    assert found.keys() - {"guards"} == attempts.keys()
    return found


def trace(outside: Outside, flown: Path) -> dict[str, str]:
    """Every file of the outside and of the store, by its content; a reader makes SQLite's log and shared memory."""
    files = [path for folder in (outside.folder, flown) for path in folder.rglob("*") if path.is_file()]
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if not path.name.endswith(("-shm", "-wal"))
    }


@pytest.mark.skipif(not LINUX, reason="Landlock and seccomp are Linux's")
@SAMPLES
def test_without_any_other_wall_the_kernel_lets_nothing_out(
    outside: Outside, flown: Path, tmp_path: Path, names: list[str]
) -> None:
    found = bare(outside, flown, tmp_path, names, guards=True, locks=False)
    if "landlock" not in found["guards"]:
        pytest.skip("this kernel has no Landlock")
    assert "seccomp" in found["guards"]
    leaked = {name for name, said in found.items() if SECRET in str(said) or "root:" in str(said)}
    assert not leaked


@SAMPLES
def test_without_the_kernel_and_the_parser_duckdbs_locks_let_nothing_out(
    outside: Outside, flown: Path, tmp_path: Path, names: list[str]
) -> None:
    found = bare(outside, flown, tmp_path, names, guards=False, locks=True)
    leaked = {name for name, said in found.items() if SECRET in str(said) or "root:" in str(said)}
    assert not leaked


@pytest.mark.parametrize("name", ["a file in the place of a table", "DELETE in a CTE"])
def test_an_attempt_from_the_outside_is_refused_with_a_reason(running: Runner, outside: Outside, name: str) -> None:
    with pytest.raises(SqlRefused) as refused:
        running.run(outside.spelled(ATTEMPTS[name], Path("/data/flightlog.db")))
    assert str(outside.folder) not in refused.value.message or "view" in refused.value.message
    assert not outside.target.exists()


def test_there_are_enough_attempts() -> None:
    assert len(ATTEMPTS) >= 100
