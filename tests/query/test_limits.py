"""What takes too much is ended, in time, and says of what it took too much; whoever else asks is not touched."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from flightlog.config import Settings
from flightlog.errors import SqlBusy, SqlFailed, SqlInvalid, SqlRefused, SqlStopped
from flightlog.query.check import Fault
from flightlog.query.files import Stored
from flightlog.query.runner import Runner
from tests.query.conftest import InProcess

MIB = 1024 * 1024
ENDLESS = "WITH RECURSIVE a(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM a) SELECT count(*) FROM a"
CROSS = "SELECT count(*) FROM range(100000) a, range(100000) b, range(100000) c"


@contextmanager
def nothing() -> Iterator[Stored]:
    """A store without a database: what is asked here needs none."""
    yield Stored(None, [], 0, 0)


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    settings = Settings(
        sql_memory_bytes_max=300 * MIB, sql_spill_bytes_max=16 * MIB, sql_seconds_max=20.0, sql_result_bytes_max=MIB
    )
    made = Runner(nothing, settings)
    yield made
    made.close()


def test_a_query_that_never_ends_is_gone_within_a_second_of_its_limit(runner: Runner) -> None:
    with pytest.raises(SqlStopped, match=r"longer than 0\.5 seconds") as stopped:
        runner.run(CROSS, seconds_max=0.5)
    assert 0.5 <= stopped.value.facts["after_seconds"] < 1.5
    assert runner.children == []


def test_a_recursion_without_an_end_is_gone_at_whichever_limit_it_meets_first(runner: Runner) -> None:
    with pytest.raises(SqlStopped, match=r"longer than|memory|disk") as stopped:
        runner.run(ENDLESS, seconds_max=2.0)
    assert stopped.value.facts.get("after_seconds", 0.0) < 3.0


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT list(range) FROM range(6000000000)",
        pytest.param("SELECT list(repeat('x', 1000000)) FROM range(50000)", marks=pytest.mark.torture),
        pytest.param(
            "SELECT max(length(a || b)) FROM (SELECT repeat('x', 4000000000) a, repeat('y', 4000000000) b)",
            marks=pytest.mark.torture,
        ),
    ],
    ids=["50 GB of numbers", "50 GB of text", "two giant values"],
)
def test_a_query_that_wants_50_gb_is_stopped(runner: Runner, sql: str) -> None:
    with pytest.raises((SqlStopped, SqlInvalid)) as stopped:
        runner.run(sql)
    assert "memory" in stopped.value.message or "disk" in stopped.value.message


def test_a_query_that_would_fill_the_disk_is_stopped(runner: Runner) -> None:
    sql = "SELECT * FROM (SELECT hash(range)::VARCHAR || repeat('z', 500) AS h FROM range(10000000)) ORDER BY h"
    with pytest.raises(SqlStopped):
        runner.run(sql, "csv")


def test_an_answer_is_cut_at_its_rows_and_says_so(here: InProcess) -> None:
    answer = here.run("SELECT range AS n FROM range(100000000)", rows_max=5)
    assert (answer.rows, answer.cut) == (5, "rows")
    assert msgspec.json.decode(answer.read())["rows"] == [[0], [1], [2], [3], [4]]
    exactly = here.run("SELECT range AS n FROM range(5)", rows_max=5)
    assert (exactly.rows, exactly.cut) == (5, None)


@pytest.mark.parametrize("form", ["json", "csv", "parquet", "arrow"])
def test_an_answer_is_cut_at_its_bytes_and_says_so(here: InProcess, form: str) -> None:
    answer = here.run("SELECT range, repeat('y', 1000) FROM range(100000)", form, bytes_max=MIB)
    assert answer.cut == "bytes"
    assert 0 < answer.rows <= 1_048
    assert len(answer.read()) <= MIB + 3_000


def test_a_giant_cell_is_not_handed_out(here: InProcess) -> None:
    answer = here.run("SELECT repeat('y', 2000000) AS y", "csv", bytes_max=MIB)
    assert (answer.rows, answer.cut) == (0, "bytes")
    assert answer.read() == b"y\r\n"


def test_limits_are_handed_to_the_process(runner: Runner) -> None:
    answer = runner.run("SELECT repeat('y', 1000000) FROM range(7)", "csv", rows_max=3)
    assert (answer.rows, answer.cut) == (1, "bytes")
    answer.file.close()


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("SELECT " + "(" * 20_000 + "1" + ")" * 20_000, marks=pytest.mark.torture),
        "SELECT " + "1 + " * 20_000 + "1",
        "SELECT * FROM " + "(SELECT * FROM " * 3_000 + "runs" + ")" * 3_000,
    ],
    ids=["brackets", "sums", "subqueries"],
)
def test_what_is_nested_too_deeply_is_not_run(runner: Runner, sql: str) -> None:
    with pytest.raises((SqlInvalid, SqlRefused, SqlStopped, SqlFailed)) as refused:
        runner.run(sql)
    assert len(refused.value.message) < 1_000


@pytest.mark.parametrize(("sql", "at"), [("SELECT 'a\0b'", 9), ("SELECT 'ü', 1 +", 14), ("SELECT 'ü', nope", 12)])
def test_what_can_not_be_read_is_refused_at_its_place(here: InProcess, sql: str, at: int) -> None:
    with pytest.raises(Fault) as refused:
        here.run(sql)
    assert (refused.value.state, refused.value.at) == ("invalid", at)


def test_what_is_no_text_is_refused_at_its_place(runner: Runner) -> None:
    with pytest.raises(SqlInvalid) as refused:
        runner.run("SELECT '\ud800'")
    assert refused.value.facts["at"] == 8


def test_a_process_that_is_killed_is_told_of_and_the_next_query_is_answered(runner: Runner) -> None:
    ended: list[Exception] = []

    def ask() -> None:
        try:
            runner.run(CROSS)
        except SqlFailed as error:
            ended.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while not (children := list(runner.children)):
        time.sleep(0.005)
    os.kill(children[0], signal.SIGKILL)
    thread.join(timeout=20)
    assert len(ended) == 1
    assert "signal 9" in str(ended[0])
    assert msgspec.json.decode(runner.run("SELECT 1").read())["rows"] == [[1]]


def test_no_more_than_so_many_run_at_once_and_whoever_hangs_up_ends_his_own(runner: Runner) -> None:
    canceled, ended = threading.Event(), []

    def ask() -> None:
        try:
            runner.run(CROSS, canceled=canceled)
        except SqlStopped as error:
            ended.append(error.message)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    while len(runner.children) < 2:
        time.sleep(0.005)
    with pytest.raises(SqlBusy):
        runner.run("SELECT 1")
    canceled.set()
    for thread in threads:
        thread.join(timeout=20)
    assert ended == ["The query was stopped: whoever asked is gone."] * 2


@pytest.mark.torture
def test_what_duckdb_draws_while_a_query_runs_is_no_part_of_what_is_said(runner: Runner) -> None:
    # Long enough for a progress bar, which went to where the outcome is expected.
    answer = runner.run("SELECT count(*) FROM range(3000000000)")
    assert msgspec.json.decode(answer.read())["rows"] == [[3_000_000_000]]


def test_nothing_stays_behind(runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner.run("SELECT 1").file.close()
    while runner.reserve is None:  # or it would be made where we look
        time.sleep(0.005)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    alone = Runner(nothing, Settings())
    answer = alone.run("SELECT 1")
    while (reserve := alone.reserve) is None:
        time.sleep(0.005)
    assert len(list(tmp_path.iterdir())) == 1
    alone.close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(reserve, 0)
    answer.file.close()
