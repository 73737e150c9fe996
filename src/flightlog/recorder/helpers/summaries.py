"""From what a test command printed to its totals and failures. Reads pytest and unittest."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

FAILURES_MAX = 100

_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Totals(NamedTuple):
    """How many tests there were and how they went; `failures` are `{name, message}`."""

    framework: str
    total: int
    passed: int
    failed: int
    errors: int
    skipped: int
    failures: list[dict[str, Any]]


def read_totals(output: str) -> Totals | None:
    """The totals that this output ends with, or None when it is of no kind that is known.

    >>> read_totals("..F\\n1 failed, 2 passed in 0.03s\\n")[:4]
    ('pytest', 3, 2, 1)
    """
    plain = _COLOUR.sub("", output)
    return _pytest(plain) or _unittest(plain)


def framework_of(command: list[str]) -> str | None:
    """The test framework that a command names.

    >>> framework_of(["python", "-m", "pytest", "-q"])
    'pytest'
    """
    for word in command:
        name = word.rsplit("/", 1)[-1]
        if name in ("pytest", "py.test"):
            return "pytest"
        if name == "unittest":
            return "unittest"
    return None


_PYTEST_COUNT = r"\d+ (?:subtests )?[a-z]+"
_PYTEST_LAST = re.compile(
    rf"^(?:=+ )?({_PYTEST_COUNT}(?:, {_PYTEST_COUNT})*|no tests ran) in [\d.]+s(?: \([\d:, days]+\))?(?: =+)?\s*$",
    re.MULTILINE,
)
_PYTEST_PAIR = re.compile(r"(\d+) (passed|failed|skipped|xfailed|xpassed|errors?)\b")
_PYTEST_FAILURE = re.compile(r"^(?:FAILED|ERROR) (\S.*?)(?: - (.*))?$", re.MULTILINE)
_PYTEST_HEADING = re.compile(r"^_{2,} (?!summary)(.+?) _{2,}$", re.MULTILINE)


def _pytest(output: str) -> Totals | None:
    last = None
    for last in _PYTEST_LAST.finditer(output):  # noqa: B007 - the last one counts
        pass
    if last is None:
        return None
    counts: dict[str, int] = {}
    for number, word in _PYTEST_PAIR.findall(last[1]):
        counts[word.removesuffix("s")] = counts.get(word.removesuffix("s"), 0) + int(number)
    # An expected failure is told as a skip and an unexpected pass as a pass, as in JUnit's XML.
    passed = counts.get("passed", 0) + counts.get("xpassed", 0)
    skipped = counts.get("skipped", 0) + counts.get("xfailed", 0)
    failed, errors = counts.get("failed", 0), counts.get("error", 0)
    failures: list[dict[str, Any]] = []
    if failed or errors:
        failures = _pytest_failures(output)
    return Totals("pytest", passed + failed + errors + skipped, passed, failed, errors, skipped, failures)


def _pytest_failures(output: str) -> list[dict[str, Any]]:
    at = output.rfind("short test summary info")
    told = _PYTEST_FAILURE.findall(output[at:]) if at >= 0 else []
    if not told:
        told = [(name, "") for name in _PYTEST_HEADING.findall(output)]
    return [_failure(name, message) for name, message in told[:FAILURES_MAX]]


_UNITTEST_RAN = re.compile(r"^Ran (\d+) tests? in [\d.]+s$", re.MULTILINE)
_UNITTEST_LAST = re.compile(r"^(OK|FAILED|NO TESTS RAN)(?: \((.*)\))?\s*$", re.MULTILINE)
_UNITTEST_PAIR = re.compile(r"([a-z ]+)=(\d+)")
_UNITTEST_HEADING = re.compile(r"^(?:FAIL|ERROR): (.+)$")
_UNITTEST_RULE = re.compile(r"={20,}|-{20,}")


def _unittest(output: str) -> Totals | None:
    ran = None
    for ran in _UNITTEST_RAN.finditer(output):  # noqa: B007 - the last one counts
        pass
    if ran is None or (last := _UNITTEST_LAST.search(output, ran.end())) is None:
        return None
    counts = {name.strip(): int(number) for name, number in _UNITTEST_PAIR.findall(last[2] or "")}
    failed, errors = counts.get("failures", 0), counts.get("errors", 0)
    skipped = counts.get("skipped", 0) + counts.get("expected failures", 0)
    # An error in a class's or module's set-up is counted without a test that ran.
    passed = max(int(ran[1]) - failed - errors - skipped, 0)
    total = passed + failed + errors + skipped
    return Totals("unittest", total, passed, failed, errors, skipped, _unittest_failures(output))


def _unittest_failures(output: str) -> list[dict[str, Any]]:
    """Each is a heading, a rule, a traceback whose last line is the message, and another rule."""
    failures: list[dict[str, Any]] = []
    rules = 0
    for line in output.splitlines():
        if heading := _UNITTEST_HEADING.match(line):
            failures.append({"name": heading[1]})
            rules = 0
        elif _UNITTEST_RULE.fullmatch(line):
            rules += 1
        elif failures and rules == 1 and line.strip():
            failures[-1]["message"] = line.strip()
    return failures[:FAILURES_MAX]


def _failure(name: str, message: str) -> dict[str, Any]:
    return {"name": name, "message": message} if message else {"name": name}
