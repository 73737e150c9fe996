"""Test runs inside shell commands: recognised only where both the command and its output say so."""

from __future__ import annotations

import re
import shlex
from typing import Any, NamedTuple

OUTPUT_CHARS_MAX = 1_000_000  # a summary stands at the end
TAIL_CHARS_MAX = 2_000
FAILURES_MAX = 50


class SuiteOutcome(NamedTuple):
    """What a test runner said at the end of its output."""

    framework: str
    total: int
    passed: int
    failed: int
    errors: int
    skipped: int
    failures: list[dict[str, str]]
    duration_ns: int | None

    @property
    def status(self) -> str:
        """The status of the test_result event."""
        if self.failed:
            return "failed"
        if self.errors:
            return "error"
        return "passed" if self.passed or not self.skipped else "skipped"

    def as_payload(self, output: str) -> dict[str, Any]:
        """The payload of the test_result event."""
        return {
            "framework": self.framework,
            "total": self.total,
            "passed": self.passed,
            "failed": self.failed,
            "errors": self.errors,
            "skipped": self.skipped,
            "failures": self.failures,
            "output_tail": output[-TAIL_CHARS_MAX:],
        }


def read_suite(command: str, output: str) -> SuiteOutcome | None:
    """The outcome, if the command runs a test suite and the output ends with that runner's summary.

    >>> read_suite("cd app && python -m pytest -q", "F.\\n1 failed, 1 passed in 0.02s").status
    'failed'
    >>> read_suite("cat pytest.log", "1 failed, 1 passed in 0.02s") is None
    True
    """
    frameworks = {name for part in _split(command) if (name := _framework(part))}
    output = output[-OUTPUT_CHARS_MAX:].replace("\r", "")
    if "pytest" in frameworks and (found := _pytest(output)):
        return found
    return _unittest(output) if frameworks else None


_SEPARATOR = re.compile(r"&&|\|\||[;|\n]")
_WRAPPERS = {
    "env",
    "time",
    "sudo",
    "nice",
    "xvfb-run",
    "coverage",
    "poetry",
    "uv",
    "pipenv",
    "hatch",
    "run",
    "exec",
    "-m",
}
_PYTHON = re.compile(r"(?:.*/)?python[\d.]*$")


def _split(command: str) -> list[list[str]]:
    parts = []
    for text in _SEPARATOR.split(command[:10_000]):
        try:
            parts.append(shlex.split(text))
        except ValueError:
            parts.append(text.split())
    return parts


def _framework(words: list[str]) -> str | None:
    """The test framework that a simple command starts, if any."""
    words = list(words)
    while words and (words[0] in _WRAPPERS or "=" in words[0] or _PYTHON.match(words[0])):
        words.pop(0)
    if len(words) > 2 and words[0] == "timeout":
        return _framework(words[2:])
    first = words[0].rsplit("/", 1)[-1] if words else ""
    if first in ("pytest", "py.test", "tox", "nox"):
        return "pytest"
    if first in ("unittest", "nosetests", "runtests.py") or (first in ("manage.py", "setup.py") and "test" in words):
        return "unittest"
    return None


_PYTEST_END = re.compile(
    r"^=* ?((?:\d+ (?:passed|failed|errors?|skipped|xfailed|xpassed|deselected|rerun|warnings?)(?:, )?)+)"
    r" in (\d+(?:\.\d+)?)\s?s",
    re.MULTILINE,
)
_PYTEST_COUNT = re.compile(r"(\d{1,9}) (passed|failed|error|skipped|xfailed|xpassed)")
_PYTEST_FAILURE = re.compile(r"^(?:FAILED|ERROR) (\S+)(?: - (.*))?$", re.MULTILINE)


def _pytest(output: str) -> SuiteOutcome | None:
    end = _last(_PYTEST_END, output)
    if end is None:
        return None
    counts = {word: int(number) for number, word in _PYTEST_COUNT.findall(end.group(1))}
    passed = counts.get("passed", 0) + counts.get("xfailed", 0) + counts.get("xpassed", 0)
    failures = [{"name": name, "message": why} for name, why in _PYTEST_FAILURE.findall(output)[:FAILURES_MAX]]
    return _outcome("pytest", passed, counts, failures, end.group(2))


_UNITTEST_END = re.compile(r"^Ran (\d{1,9}) tests? in (\d+(?:\.\d+)?)s\s+^(OK|FAILED)(?: \(([^)]*)\))?", re.MULTILINE)
_UNITTEST_COUNT = re.compile(r"(failures|errors|skipped|expected failures)=(\d{1,9})")
_UNITTEST_FAILURE = re.compile(r"^(?:FAIL|ERROR): (.+)$", re.MULTILINE)


def _unittest(output: str) -> SuiteOutcome | None:
    end = _last(_UNITTEST_END, output)
    if end is None:
        return None
    said = {word: int(number) for word, number in _UNITTEST_COUNT.findall(end.group(4) or "")}
    counts = {"failed": said.get("failures", 0), "error": said.get("errors", 0), "skipped": said.get("skipped", 0)}
    passed = max(int(end.group(1)) - sum(counts.values()), 0)
    failures = [{"name": name, "message": ""} for name in _UNITTEST_FAILURE.findall(output)[:FAILURES_MAX]]
    return _outcome("unittest", passed, counts, failures, end.group(2))


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return max(pattern.finditer(text), key=re.Match.start, default=None)


def _outcome(
    framework: str, passed: int, counts: dict[str, int], failures: list[dict[str, str]], seconds: str
) -> SuiteOutcome:
    failed, errors, skipped = counts.get("failed", 0), counts.get("error", 0), counts.get("skipped", 0)
    total = passed + failed + errors + skipped
    return SuiteOutcome(framework, total, passed, failed, errors, skipped, failures, int(float(seconds[:12]) * 1e9))
