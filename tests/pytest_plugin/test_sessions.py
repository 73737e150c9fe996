"""What a recorded session leaves: a run, each test a span with its outcome, and the session itself untouched."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from tests.api.serving import Server, open_services
from tests.pytest_plugin.conftest import PLUGIN, Session, payload

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions run without the plugins that happen to be installed."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


ROOT = Path(__file__).parents[2]

ALL_KINDS = """
    import pytest, sys

    @pytest.mark.parametrize("coin", ["euro", "yen"])
    def test_counts(coin):
        print("counting", coin)

    @pytest.mark.slow
    def test_fails():
        print("before it failed")
        print("to stderr", file=sys.stderr)
        assert 3 == 4, "password=hunter2hunter2"

    def test_skipped():
        pytest.skip("no till here")

    @pytest.mark.xfail(reason="known")
    def test_expected():
        assert False

    @pytest.mark.xfail
    def test_unexpected():
        pass

    @pytest.fixture
    def till():
        raise RuntimeError("no till")

    def test_no_setup(till):
        pass

    @pytest.fixture
    def drawer():
        yield
        raise RuntimeError("the drawer is stuck")

    def test_no_teardown(drawer):
        pass

    def test_records(flightlog_span):
        flightlog_span.note("from inside")
"""
OUTCOMES = {
    "test_counts[euro]": "passed",
    "test_counts[yen]": "passed",
    "test_fails": "failed",
    "test_skipped": "skipped",
    "test_expected": "skipped",
    "test_unexpected": "passed",
    "test_no_setup": "error",
    "test_no_teardown": "error",
    "test_records": "passed",
}
MARKERS = "-Wignore::pytest.PytestUnknownMarkWarning"


def test_every_kind_of_outcome_is_on_the_record(pytester: pytest.Pytester, folder: Path) -> None:
    pytester.makepyfile(test_till=ALL_KINDS)
    ended = pytester.runpytest_subprocess(*PLUGIN, MARKERS, "--flightlog=flight")
    ended.assert_outcomes(passed=4, failed=1, errors=2, skipped=1, xfailed=1, xpassed=1)
    session = Session(folder)
    ended.stdout.fnmatch_lines(
        [f"flightlog: run {session.run.run_id} *flightlog run show {session.run.run_id} --dir flight"]
    )

    assert session.run.status == "failed"
    assert session.results() == OUTCOMES
    assert (session.tests.passed, session.tests.failed, session.tests.errors, session.tests.skipped) == (4, 1, 2, 2)
    assert session.run.error_count == 4  # those three, and the run's own end

    failed = payload(session.of("test_result")["test_fails"])
    assert "assert 3 == 4" in failed["error"]["stack"]
    assert "before it failed" in failed["output_tail"]
    assert "to stderr" in failed["output_tail"]
    assert failed["failures"][0]["name"] == "test_till.py::test_fails"
    assert "hunter2hunter2" not in str([payload(event) for event in session.events])
    assert "[REDACTED:" in failed["error"]["message"]
    assert payload(session.of("test_result")["test_skipped"])["reason"] == "no till here"
    assert payload(session.of("test_result")["test_expected"])["reason"] == "xfailed: known"
    assert payload(session.of("test_result")["test_unexpected"])["reason"] == "xpassed"
    assert payload(session.of("test_result")["test_no_teardown"])["error"]["kind"] == "teardown"

    started = session.of("span_started")
    about = payload(started["test_counts[yen]"])["attributes"]
    assert (about["file"], about["params"]) == ("test_till.py", {"coin": "yen"})
    assert payload(started["test_fails"])["attributes"]["markers"] == ["slow"]
    root = next(event for event in session.events if event.type == "run_started")
    assert {event.parent_span_id for event in started.values()} == {root.span_id}
    assert session.of("span_finished")["test_fails"].status == "error"
    note = next(event for event in session.events if event.type == "note")
    assert note.span_id == started["test_records"].span_id

    asked = payload(root)
    assert asked["input"].endswith("--flightlog=flight")
    assert asked["attributes"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert asked["attributes"]["pytest"] == pytest.__version__
    assert len({event.correlation_id for event in session.of("test_started").values()}) == len(OUTCOMES)


def test_workers_record_into_one_run_and_a_dead_one_is_spoken_for(pytester: pytest.Pytester, folder: Path) -> None:
    pytester.makepyfile(
        test_many="""
        import os, pytest

        @pytest.mark.parametrize("number", range(12))
        def test_good(number):
            pass

        def test_kills_its_worker():
            print("last words")
            os.kill(os.getpid(), 9)

        def test_bad():
            assert False
        """
    )
    ended = pytester.runpytest_subprocess(*PLUGIN, "--flightlog=flight", "-n", "2", "-p", "xdist.plugin")
    ended.assert_outcomes(passed=12, failed=2)
    session = Session(folder)
    good = {f"test_good[{number}]": "passed" for number in range(12)}
    assert session.results() == {**good, "test_bad": "failed", "test_kills_its_worker": "error"}
    assert (session.tests.passed, session.tests.failed, session.tests.errors) == (12, 1, 1)
    started = session.of("span_started")
    assert {payload(event)["attributes"]["worker"] for event in started.values()} >= {"gw0", "gw1"}
    assert len({event.producer_id for event in session.events}) >= 3
    # What the dead worker began is what the controller ended.
    dead = "test_kills_its_worker"
    assert started[dead].span_id == session.of("span_finished")[dead].span_id
    assert session.of("test_started")[dead].correlation_id == session.of("test_result")[dead].correlation_id
    assert "crashed" in payload(session.of("test_result")[dead])["error"]["message"]
    assert [event.type for event in session.events].count("run_started") == 1
    assert session.run.status == "failed"


def test_a_test_that_is_tried_again_counts_once_as_it_ended(pytester: pytest.Pytester, folder: Path) -> None:
    pytester.makeconftest(
        """
        from _pytest.runner import runtestprotocol

        def pytest_runtest_protocol(item, nextitem):  # as pytest-rerunfailures does it
            item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            for attempt in range(3):
                reports = runtestprotocol(item, nextitem=nextitem, log=False)
                again = any(report.failed for report in reports) and attempt < 2
                for report in reports:
                    if again and report.failed:
                        report.outcome = "rerun"
                        item.ihook.pytest_runtest_logreport(report=report)
                        break
                    item.ihook.pytest_runtest_logreport(report=report)
                if not again:
                    break
            item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
            return True
        """
    )
    pytester.makepyfile(
        """
        tries = []

        def test_shaky():
            tries.append(1)
            assert len(tries) == 3, f"try {len(tries)}"
        """
    )
    pytester.runpytest_subprocess(*PLUGIN, "--flightlog=flight")
    session = Session(folder)
    assert session.results() == {"test_shaky": "passed"}
    result = payload(session.of("test_result")["test_shaky"])
    assert result["attempts"] == 3
    assert [one["message"].split("\n")[0] for one in result["retried"]] == [
        "AssertionError: try 1",
        "AssertionError: try 2",
    ]
    assert session.run.status == "succeeded"


def test_a_file_that_can_not_be_collected_is_an_error_of_the_run(pytester: pytest.Pytester, folder: Path) -> None:
    pytester.makepyfile(test_broken="import no_such_module")
    ended = pytester.runpytest_subprocess(*PLUGIN, "--flightlog=flight")
    assert ended.ret == pytest.ExitCode.INTERRUPTED
    session = Session(folder)
    error = payload(next(event for event in session.events if event.type == "error"))
    assert "no_such_module" in error["message"]
    assert session.run.status == "canceled"


def test_a_place_that_can_not_be_written_changes_nothing_but_the_last_line(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_one(flightlog_span):\n    flightlog_span.note('x')\ndef test_two(): assert False")
    pytester.path.joinpath("flight").write_text("a file stands where the folder should be")
    ended = pytester.runpytest_subprocess(*PLUGIN, "--flightlog=flight/deeper")
    ended.assert_outcomes(passed=1, failed=1)
    assert ended.ret == pytest.ExitCode.TESTS_FAILED
    ended.stdout.fnmatch_lines(["flightlog: *"])
    assert "INTERNALERROR" not in ended.stdout.str() + ended.stderr.str()


def test_a_fault_of_ours_is_said_and_nothing_else(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import flightlog.recorder.client
        flightlog.recorder.client.Recorder.record = None
        """
    )
    pytester.makepyfile("def test_one(): pass")
    ended = pytester.runpytest_subprocess(*PLUGIN, "--flightlog=flight")
    ended.assert_outcomes(passed=1)
    assert ended.ret == 0
    ended.stdout.fnmatch_lines(["flightlog: not all of this session was recorded: TypeError*"])


def test_tests_that_follow_the_option_are_not_taken_for_the_place(pytester: pytest.Pytester) -> None:
    path = pytester.makepyfile("def test_one(): pass")
    ended = pytester.runpytest_inprocess(*PLUGIN, "--flightlog", path.name)
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    ended.stderr.fnmatch_lines(["*write --flightlog=FOLDER*"])
    assert path.is_file()


def test_without_the_option_nothing_is_imported_and_the_fixture_keeps_to_memory(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_first():
            assert not [name for name in sys.modules if name.split(".")[0] in ("flightlog", "msgspec", "re2")]

        def test_then(flightlog_span):
            flightlog_span.note("only in memory")
        """
    )
    ended = pytester.runpytest_subprocess(*PLUGIN)
    ended.assert_outcomes(passed=2)
    assert "flightlog:" not in ended.stdout.str()
    assert not (pytester.path / "flight").exists()


def test_a_server_gets_the_session_too(
    pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    pytester.makepyfile("def test_one(): pass")
    with open_services(tmp_path / "served") as services, Server(services) as server:
        ended = pytester.runpytest_subprocess(*PLUGIN, f"--flightlog={server.url}")
        ended.assert_outcomes(passed=1)
        ended.stdout.fnmatch_lines([f"flightlog: run * {server.url}/runs/*"])
    session = Session(tmp_path / "served")
    assert session.results() == {"test_one": "passed"}
    assert session.run.status == "succeeded"


def test_the_plugin_is_what_the_package_tells_pytest_to_load() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["entry-points"]["pytest11"] == {"flightlog": "flightlog_pytest"}
    assert "src/flightlog_pytest" in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
