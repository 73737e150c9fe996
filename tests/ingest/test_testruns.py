"""Test runs inside shell commands: found where both command and output say so, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightlog.ingest.importers.testruns import read_suite, suite_result

PYTEST = "F..s\nFAILED t.py::test_a - assert 0\n=== 1 failed, 2 passed, 1 skipped, 2 warnings in 1.50s (0:00:01) ===\n"
UNITTEST = "FAIL: test_a (t.T)\n----\nRan 5 tests in 0.250s\n\nFAILED (failures=1, errors=2, skipped=1)\n"


@pytest.mark.parametrize(
    "command",
    [
        "pytest",
        "cd repo && pytest -q tests/",
        "python -m pytest",
        "/usr/bin/python3.11 -m pytest -x 2>&1 | tail -5",
        "PYTHONPATH=. timeout 60 py.test t.py",
        "uv run pytest",
        "tox",
        "pip install . ; .venv/bin/pytest",
    ],
)
def test_commands_that_run_pytest(command: str) -> None:
    found = read_suite(command, PYTEST)
    assert found is not None
    assert found[:6] == ("pytest", 4, 2, 1, 0, 1)
    status, payload = suite_result(found, PYTEST)
    assert (status, payload["total"], payload["framework"]) == ("failed", 4, "pytest")
    assert payload["output_tail"].endswith("in 1.50s (0:00:01) ===\n")


@pytest.mark.parametrize(
    "command",
    ["cat pytest.log", "grep pytest setup.cfg", "echo pytest", "pip install pytest", "vim test_pytest.py", ""],
)
def test_commands_that_only_mention_it(command: str) -> None:
    assert read_suite(command, PYTEST) is None


@pytest.mark.parametrize("output", ["", "3 passed", "killed", "collecting ..."])
def test_output_without_a_summary(output: str) -> None:
    assert read_suite("pytest", output) is None


@pytest.mark.parametrize(
    "command", ["python -m unittest", "python manage.py test app", "./tests/runtests.py forms", "python setup.py test"]
)
def test_unittest_and_its_relatives(command: str) -> None:
    found = read_suite(command, UNITTEST)
    assert found is not None
    assert found[:6] == ("unittest", 5, 1, 1, 2, 1)


def test_the_last_summary_counts() -> None:
    found = read_suite("pytest; pytest", "1 failed in 0.1s\n\n4 passed in 0.2s\n")
    assert found is not None
    assert (found.passed, found.failed) == (4, 0)


words: Any = st.sampled_from(
    ["pytest", "1 passed", " in ", "9" * 400, ".", "s", "=", "\n", "Ran 1 test in 1s", "OK", '"', "FAILED ("]
)


@given(words | st.text(max_size=5), st.lists(words | st.text(max_size=5), max_size=20).map("".join))
def test_no_text_makes_it_raise(command: str, output: str) -> None:
    read_suite(f"pytest {command}", output)
