"""Tests as events: commands whose summary is read, blocks, totals from elsewhere."""

from __future__ import annotations

import sys
import unittest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog.recorder.helpers import TestBlock, TestReport
from flightlog.recorder.helpers.summaries import framework_of, read_totals

PYTEST_FILE = """
import pytest

def test_good(): pass
def test_bad(): assert 1 == 2, "one is not two"
def test_broken(broken): pass
@pytest.mark.skip
def test_later(): pass
@pytest.mark.xfail
def test_expected(): assert False
@pytest.fixture
def broken(): raise RuntimeError("no fixture")
"""

UNITTEST_FILE = """
import unittest

class Sums(unittest.TestCase):
    def test_good(self): self.assertEqual(1, 1)
    def test_bad(self): self.assertEqual(1, 2)
    def test_broken(self): raise RuntimeError("no way")
    @unittest.skip("later")
    def test_later(self): pass
    @unittest.expectedFailure
    def test_expected(self): self.fail()

if __name__ == "__main__":
    unittest.main()
"""

PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]


@pytest.fixture(autouse=True)
def _quick_start(monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.mark.parametrize("options", [[], ["-q"], ["-v", "--color=yes"], ["--tb=no", "-q"]])
def test_a_pytest_run_is_recorded_with_its_totals_and_failures(rec, only, tmp_path, options):
    (tmp_path / "test_shop.py").write_text(PYTEST_FILE)
    with rec.run("r") as run:
        report = run.test([*PYTEST, *options, "test_shop.py"], cwd=tmp_path)
    assert report.status == "failed"
    assert (report.total, report.passed, report.failed, report.errors, report.skipped) == (5, 1, 1, 1, 2)
    assert {failure["name"] for failure in report.failures} == {
        "test_shop.py::test_bad",
        "test_shop.py::test_broken",
    }
    assert any("one is not two" in failure.get("message", "") for failure in report.failures)
    started, start = only("test_started")
    ended, end = only("test_result")
    assert start["framework"] == end["framework"] == "pytest"
    assert started.correlation_id == ended.correlation_id != only("exec_result")[0].correlation_id
    assert (ended.status, ended.level) == ("failed", "error")
    assert {key: end[key] for key in ("total", "passed", "failed", "errors", "skipped", "exit_code")} == {
        "total": 5, "passed": 1, "failed": 1, "errors": 1, "skipped": 2, "exit_code": 1,
    }  # fmt: skip
    assert "1 failed" in end["output_tail"]
    assert ended.duration_ns is not None
    types = [event.type for event in rec.events if event.correlation_id]
    assert types == ["test_started", "exec_started", "exec_result", "test_result"]


def test_a_unittest_run_is_recorded_with_its_totals_and_failures(rec, only, tmp_path):
    (tmp_path / "test_sums.py").write_text(UNITTEST_FILE)
    with rec.run("r") as run:
        report = run.test([sys.executable, "-m", "unittest", "test_sums"], cwd=tmp_path)
    assert (report.total, report.passed, report.failed, report.errors, report.skipped) == (5, 1, 1, 1, 2)
    assert [failure["message"] for failure in report.failures] == ["RuntimeError: no way", "AssertionError: 1 != 2"]
    assert only("test_result")[1]["framework"] == "unittest"
    assert report.status == "failed"


def test_a_green_run_is_passed(rec, only, tmp_path):
    (tmp_path / "test_shop.py").write_text("def test_good(): pass\n")
    with rec.run("r") as run:
        report = run.test([*PYTEST, "-q"], cwd=tmp_path)
    assert report.ok
    assert (only("test_result")[0].status, only("test_result")[0].level) == ("passed", "info")


def test_a_run_without_tests_proves_nothing(rec, tmp_path):
    with rec.run("r") as run:
        assert run.test([*PYTEST, "-q"], cwd=tmp_path).status == "error"


def test_of_a_framework_that_is_not_known_the_exit_code_counts(rec):
    with rec.run("r") as run:
        assert run.test(["true"]).status == "passed"
        assert run.test(["false"]).status == "failed"
        assert run.test(["sleep", "100"], timeout=0.2).status == "error"
    assert "total" not in rec.payloads("test_result")[0]


def test_passed_tests_of_a_command_that_failed_all_the_same_are_an_error(rec):
    with rec.run("r") as run:
        report = run.test(["sh", "-c", "echo '3 passed in 0.01s'; exit 4"])
    assert (report.status, report.passed) == ("error", 3)


def test_failed_tests_of_a_command_that_hides_it_are_failed(rec):
    with rec.run("r") as run:
        assert run.test(["sh", "-c", "echo '1 failed, 3 passed in 0.01s'"]).status == "failed"


def test_a_test_command_that_can_not_be_started_raises_after_recording(rec, only):
    with rec.run("r") as run, pytest.raises(FileNotFoundError):
        run.test(["no-such-command-here"])
    event, payload = only("test_result")
    assert event.status == "error"
    assert payload["error"]["kind"] == "FileNotFoundError"


def test_a_block_is_one_test(rec):
    with rec.run("r") as run:
        with run.test_block("good"):
            pass
        with pytest.raises(AssertionError), run.test_block("bad"):
            raise AssertionError("one is not two")
        with pytest.raises(OSError, match="gone"), run.test_block("broken", framework="ours"):
            raise OSError("gone")
        with pytest.raises(unittest.SkipTest), run.test_block("later"):
            raise unittest.SkipTest("not today")
        with pytest.raises(pytest.skip.Exception), run.test_block("never"):
            pytest.skip("not ever")
    events = [event for event in rec.events if event.type == "test_result"]
    assert [(event.name, event.status, event.level) for event in events] == [
        ("good", "passed", "info"),
        ("bad", "failed", "error"),
        ("broken", "error", "error"),
        ("later", "skipped", "info"),
        ("never", "skipped", "info"),
    ]
    assert [payload["total"] for payload in rec.payloads("test_result")] == [1, 1, 1, 1, 1]
    assert rec.payloads("test_result")[1]["error"]["message"] == "one is not two"
    assert rec.payloads("test_started")[2] == {"name": "broken", "framework": "ours"}


def test_a_block_can_be_handed_totals(rec, only):
    with rec.run("r") as run, run.test_block("exam") as block:
        block.result(passed=3, failed=1, failures=["case 4"], output="…\n3 of 4\n")
    event, payload = only("test_result")
    assert event.status == "failed"
    assert payload == {
        "name": "exam",
        "total": 4,
        "passed": 3,
        "failed": 1,
        "errors": 0,
        "skipped": 0,
        "failures": [{"name": "case 4"}],
        "output_tail": "…\n3 of 4\n",
    }


def test_totals_with_an_exception_after_them_are_no_pass(rec, only):
    def tear_down():
        raise OSError("gone")

    with rec.run("r") as run, pytest.raises(OSError, match="gone"), run.test_block("exam") as block:  # noqa: PT012
        block.result(passed=3)
        tear_down()
    assert only("test_result")[0].status == "error"


def test_totals_from_elsewhere_are_recorded(rec, only):
    with rec.run("r") as run:
        run.test_result("ci", passed=2, skipped=1, exit_code=0, duration_ns=5, correlation_id="c", url="https://ci")
    event, payload = only("test_result")
    assert (event.name, event.status, event.duration_ns, event.correlation_id) == ("ci", "passed", 5, "c")
    assert (payload["total"], payload["url"]) == (3, "https://ci")


def test_odd_totals_raise_nothing(rec):
    with rec.run("r") as run:
        run.test_result("odd", passed="many", failed=-1, errors=None, skipped=2.0, failures=5, output=b"\xff" * 3)
    (payload,) = rec.payloads("test_result")
    assert (payload["passed"], payload["failed"], payload["skipped"], payload["failures"]) == (0, 0, 2, [5])


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("===== 2 failed, 3 passed, 1 skipped, 4 warnings in 1.52s =====", (6, 3, 2, 0, 1)),
        ("3 passed in 0.01s", (3, 3, 0, 0, 0)),
        ("===== 1 passed, 1 error in 75.90s (0:01:15) =====", (2, 1, 0, 1, 0)),
        ("2 errors in 0.1s", (2, 0, 0, 2, 0)),
        ("1 passed, 2 deselected, 1 xfailed, 1 xpassed in 0.02s", (3, 2, 0, 0, 1)),
        ("no tests ran in 0.00s", (0, 0, 0, 0, 0)),
        ("\x1b[32m\x1b[1m3 passed\x1b[0m\x1b[32m in 0.01s\x1b[0m", (3, 3, 0, 0, 0)),
        ("1 failed, 2 passed, 3 subtests passed in 0.05s", (3, 2, 1, 0, 0)),
    ],
)
def test_summary_lines_of_pytest(line, counts):
    assert read_totals(f"noise 7 passed\n{line}\n")[1:6] == counts


@pytest.mark.parametrize(
    ("end", "counts"),
    [
        ("OK", (4, 4, 0, 0, 0)),
        ("OK (skipped=1)", (4, 3, 0, 0, 1)),
        ("FAILED (failures=1, errors=2)", (4, 1, 1, 2, 0)),
        ("FAILED (expected failures=1, unexpected successes=1)", (4, 3, 0, 0, 1)),
    ],
)
def test_summary_lines_of_unittest(end, counts):
    assert read_totals(f"....\n{'-' * 70}\nRan 4 tests in 0.001s\n\n{end}\n")[1:6] == counts


def test_frameworks_are_told_from_the_command():
    assert framework_of(["/venv/bin/pytest", "-q"]) == "pytest"
    assert framework_of(["python", "-m", "unittest"]) == "unittest"
    assert framework_of(["make", "test"]) is None


@given(st.text(max_size=300))
def test_no_output_makes_reading_raise(output):
    read_totals(output)
    read_totals("=== short test summary info ===\nFAILED " + output + "\n1 failed in 0.1s\n")
    read_totals("FAIL: " + output + "\nRan 1 test in 0.1s\n\nFAILED (failures=1)\n")


def test_a_long_line_of_output_is_read_in_linear_time():
    read_totals("1 passed, " * 50_000 + "\n" + "_" * 200_000 + "\n" + "FAIL: " * 50_000)


def test_pytest_does_not_take_our_classes_for_tests():
    assert TestBlock.__test__ is TestReport.__test__ is False
