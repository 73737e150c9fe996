"""Test runs inside shell commands: recognised only where both the command and its output say so."""

from __future__ import annotations

import re
import shlex
from typing import Any

from flightlog.recorder.helpers.summaries import Totals, read_totals
from flightlog.recorder.helpers.testruns import output_tail, totals_payload, verdict

OUTPUT_CHARS_MAX = 256 * 1024  # a summary stands at the end
COMMAND_CHARS_MAX = 10_000


def read_suite(command: str, output: str) -> Totals | None:
    r"""The totals, if the command runs a test suite and the output ends with that runner's summary.

    >>> read_suite("cd app && python -m pytest -q", "F.\n1 failed, 1 passed in 0.02s").failed
    1
    >>> read_suite("cat pytest.log", "1 failed, 1 passed in 0.02s") is None
    True
    """
    if not any(_runs_tests(words) for words in _split(command[:COMMAND_CHARS_MAX])):
        return None
    return read_totals(output[-OUTPUT_CHARS_MAX:].replace("\r", ""))


def suite_result(totals: Totals, output: str) -> tuple[str, dict[str, Any]]:
    """The status and the payload of the test_result event."""
    counts = totals_payload(*totals[2:])
    return verdict(counts), {"framework": totals.framework, **counts, "output_tail": output_tail(output)}


_SEPARATOR = re.compile(r"&&|\|\||[;|\n]")
_WRAPPERS = {"env", "time", "sudo", "nice", "xvfb-run", "coverage", "poetry", "uv", "pipenv", "hatch"}
_WRAPPERS |= {"run", "exec", "-m"}
_PYTHON = re.compile(r"(?:.*/)?python[\d.]*$")


def _split(command: str) -> list[list[str]]:
    """The words of each simple command in a line."""
    parts = []
    for text in _SEPARATOR.split(command):
        try:
            parts.append(shlex.split(text))
        except ValueError:
            parts.append(text.split())
    return parts


def _runs_tests(words: list[str]) -> bool:
    at = 0
    while at < len(words) and (words[at] in _WRAPPERS or "=" in words[at] or _PYTHON.match(words[at])):
        at += 1
    words = words[at:]
    if len(words) > 2 and words[0] == "timeout":
        return _runs_tests(words[2:])
    program = words[0].rsplit("/", 1)[-1] if words else ""
    if program in ("manage.py", "setup.py"):
        return "test" in words
    return program in ("pytest", "py.test", "tox", "nox", "unittest", "nosetests", "runtests.py")
