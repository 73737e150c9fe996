"""Recording tests: a command that runs them, a block that is one, or the totals of tests that ran elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, ClassVar

import msgspec

from flightlog.events.payload import describe_error
from flightlog.recorder.helpers.base import Emits, Pair, as_text, attempt, without_nones
from flightlog.recorder.helpers.commands import Command, ExecResult, Options, command_words, execute, title
from flightlog.recorder.helpers.output import Captured
from flightlog.recorder.helpers.summaries import Totals, framework_of, read_totals

OUTPUT_BYTES_MAX = 256 * 1024  # of each end of a test command's output; the totals are at the end
TAIL_BYTES_MAX = 4 * 1024

_NONE_RAN = 5  # pytest's exit code for "no tests were collected"


class TestReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a test command went. The counts are None when its output is of no kind that is known."""

    __test__: ClassVar[bool] = False  # pytest, which looks for classes called Test…, is to leave it alone

    status: str
    total: int | None = None
    passed: int | None = None
    failed: int | None = None
    errors: int | None = None
    skipped: int | None = None
    failures: list[dict[str, Any]]
    run: ExecResult

    @property
    def ok(self) -> bool:
        """Whether tests ran and none of them failed."""
        return self.status == "passed"


class TestBlock:
    """Tests that run in a `with` block; made by `test_block`. Hand it the totals with `result`, if there are any.

    Without totals the block is one test: passed when it ends, failed when AssertionError leaves it, skipped with
    unittest.SkipTest, an error with any other exception, which goes on.
    """

    __test__: ClassVar[bool] = False

    def __init__(self, emits: Emits, name: str, framework: str | None) -> None:
        self.name = as_text(name)
        self._pair = Pair(emits)
        self._framework = None if framework is None else as_text(framework)
        self._totals: dict[str, Any] = {}
        self._output: object = None

    @property
    def correlation_id(self) -> str:
        """What the start and the result have in common."""
        return self._pair.correlation_id

    def result(
        self,
        *,
        passed: int = 0,
        failed: int = 0,
        errors: int = 0,
        skipped: int = 0,
        failures: Sequence[object] | None = None,
        output: str | bytes | None = None,
    ) -> None:
        """Say how the tests went."""
        self._totals = totals_payload(passed, failed, errors, skipped, failures)
        self._output = output

    def __enter__(self) -> TestBlock:
        payload = {"name": self.name, "framework": self._framework}
        self._pair.begin("test_started", without_nones(payload), name=self.name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        totals = self._totals or _one_test(error)
        payload = {"name": self.name, **totals, "output_tail": output_tail(self._output)}
        status = verdict(totals)
        if error is not None:
            payload["error"] = describe_error(error)
            if self._totals and not _is_skip(error):
                status = "failed" if isinstance(error, AssertionError) else "error"
        end_test(self._pair, self.name, status, payload)


def run_tests(emits: Emits, command: Command, options: Options) -> TestReport:
    """Run a test command and record it; `Instruments.test` says how."""
    words, _ = command_words(command)
    pair, name = Pair(emits), title(words)
    started = {"command": words, "framework": framework_of(words)}
    pair.begin("test_started", without_nones(started), name=name)
    try:
        run = execute(emits, command, options)
    except BaseException as error:
        end_test(pair, name, "error", {"command": words, "error": describe_error(error)})
        raise
    totals, output = _read(run)
    counts = totals_payload(*totals[2:]) if totals is not None else {}
    status = _verdict_of(run, totals, counts)
    payload = {"command": words, **counts, "exit_code": run.exit_code, "output_tail": output_tail(output)}
    if totals is not None:
        payload["framework"] = totals.framework
    end_test(pair, name, status, payload)
    numbers = {key: value for key, value in counts.items() if key != "failures"}
    return TestReport(status=status, failures=counts.get("failures", []), run=run, **numbers)


def totals_payload(
    passed: int = 0,
    failed: int = 0,
    errors: int = 0,
    skipped: int = 0,
    failures: Sequence[object] | None = None,
) -> dict[str, Any]:
    """The totals as a test_result payload has them. A failure that is a text is its name."""
    counts = {"passed": passed, "failed": failed, "errors": errors, "skipped": skipped}
    counts = {name: _whole(number) for name, number in counts.items()}
    totals: dict[str, Any] = {"total": sum(counts.values()), **counts}
    if failures:
        told = failures if isinstance(failures, list | tuple) else [failures]
        totals["failures"] = [{"name": entry} if isinstance(entry, str) else entry for entry in told]
    return totals


def _whole(number: object) -> int:
    value, _ = attempt(int, number)
    return max(value or 0, 0)


def verdict(totals: dict[str, Any]) -> str:
    """`failed`, `error`, `passed` or `skipped`. No tests at all prove nothing: that is an error.

    >>> verdict({"total": 3, "passed": 2, "skipped": 1})
    'passed'
    """
    for key, status in (("failed", "failed"), ("errors", "error"), ("passed", "passed"), ("skipped", "skipped")):
        if totals.get(key):
            return status
    return "error"


def level_of(status: str) -> str:
    """The level of a test_result with this status."""
    return "info" if status in ("passed", "skipped") else "error"


def end_test(pair: Pair, name: str, status: str, payload: dict[str, Any]) -> None:
    """Record `test_result`."""
    pair.end("test_result", without_nones(payload), name=name, status=status, level=level_of(status))


def output_tail(output: object) -> str | None:
    """The last lines of an output, or None when it is empty."""
    if output is None:
        return None
    captured = Captured(TAIL_BYTES_MAX)
    captured.feed(output if isinstance(output, bytes) else as_text(output).encode("utf-8", "replace"))
    ends = captured.ends(TAIL_BYTES_MAX)
    kept = ends.tail if ends.truncated else ends.head
    return kept if kept.strip() else None


def _is_skip(error: BaseException) -> bool:
    """Whether this is how unittest or pytest leaves a test out. By name: neither is loaded for the question."""
    return any(kind.__name__ in ("SkipTest", "Skipped") for kind in type(error).__mro__)


def _one_test(error: BaseException | None) -> dict[str, Any]:
    if error is None:
        return totals_payload(passed=1)
    if _is_skip(error):
        return totals_payload(skipped=1)
    return totals_payload(failed=1) if isinstance(error, AssertionError) else totals_payload(errors=1)


def _read(run: ExecResult) -> tuple[Totals | None, str]:
    """The totals, and the one of the two outputs that tells more."""
    for output in (run.stdout, run.stderr):
        if (totals := read_totals(output)) is not None:
            return totals, output
    return None, run.stdout if run.stdout.strip() else run.stderr


def _verdict_of(run: ExecResult, totals: Totals | None, counts: dict[str, Any]) -> str:
    if totals is None:
        return "passed" if run.ok else "error" if run.timed_out or run.signal else "failed"
    if run.ok or totals.failed or totals.errors or (run.exit_code == _NONE_RAN and not totals.total):
        return verdict(counts)
    return "error"  # all that ran passed, and yet the command failed
