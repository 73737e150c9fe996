"""`pytest --flightlog`: a session is a run, each test a span of it with its outcome.

With xdist the controller has the run; each worker records its own tests into it, and the controller speaks for a worker that
died. Whatever goes wrong here, the session goes on as it would without: no hook raises, and what is wrong is said at the end.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from flightlog import wiring
from flightlog.recorder.client import Recorder
from flightlog.recorder.context import Scope, current_scope, enter, leave
from flightlog.recorder.helpers.testruns import level_of
from flightlog.recorder.run import Run, Span
from flightlog.testing.outcomes import FRAMEWORK, PHASES, RETRIED, Report, kept, message_of, outcome_of, retry_of
from flightlog.testing.surroundings import git_of, shown

NAME = "flightlog-session"
WORKER_KEY = "flightlog"
CLOSE_SECONDS, WORKERS_SECONDS, LOOK_SECONDS = 10.0, 10.0, 0.02
STATUSES = {0: "succeeded", 2: "canceled", 5: "succeeded"}  # of pytest's exit codes; the others are failures

Hook = TypeVar("Hook", bound=Callable[..., Any])


def register(config: pytest.Config) -> None:
    """Record the session of this configuration. Raises UsageError for a place that can't be meant."""
    worker = getattr(config, "workerinput", None)
    if worker is None:
        config.pluginmanager.register(Session(config, place_of(config)), NAME)
    elif WORKER_KEY in worker:  # else the controller records nothing
        config.pluginmanager.register(Worker(config, worker[WORKER_KEY]), NAME)


def place_of(config: pytest.Config) -> str:
    """The folder, as a whole path, or the URL."""
    given = str(config.getoption("flightlog") or os.environ.get("FLIGHTLOG_DIR") or "flight")
    if given.startswith(("http://", "https://")):
        return given
    path = Path(config.invocation_params.dir, given)
    ours = any((path / name).exists() for name in ("flightlog.db", "spool"))
    if path.is_file() or "::" in given or (path.is_dir() and not ours and any(path.glob("*.py"))):
        raise pytest.UsageError(
            f"--flightlog takes what follows for the place to record to, and {given} holds tests; write --flightlog=FOLDER"
        )
    return str(path)


def quietly(hook: Hook) -> Hook:
    """A hook that is no reason for a session to fail: what it raises is remembered, and nothing more is recorded."""

    @functools.wraps(hook)
    def guarded(self: Recording, *args: Any, **kwargs: Any) -> Any:
        if self.trouble is not None:
            return None
        try:
            return hook(self, *args, **kwargs)
        except Exception as error:
            self.trouble = f"{type(error).__name__}: {error}"
            return None

    return cast(Hook, guarded)


class Joined(Run):
    """A run that another process began and will end."""

    def start(self) -> Run:
        self._started_ns = self._host.clock.monotonic_ns() if self._started_ns is None else self._started_ns
        return self

    def finish(self, status: str = "succeeded", output: object = None, error: BaseException | None = None) -> None: ...


class Inner(Span):
    """The span of a test, for what the test records itself. It is begun and ended by the plugin."""

    def __init__(self, host: Any, run: Run, name: str, span_id: str) -> None:
        super().__init__(host, run, name, {})
        self.span_id = span_id
        self._scope = Scope(run, span_id)

    def __enter__(self) -> Inner:
        self.parent_span_id = current_scope().span_id if current_scope() is not None else None  # type: ignore[union-attr]
        self._entered = enter(self._scope)
        return self

    def __exit__(self, *_: object) -> None:
        if self._entered is not None:
            leave(self._entered)


class Test:
    """One test under way."""

    __test__ = False

    def __init__(self, nodeid: str, run_id: str, began_ns: int) -> None:
        self.nodeid = nodeid
        # Both are worked out of what everybody knows, so that the controller can end what a dead worker began.
        digest = hashlib.sha256(f"{run_id}\0{nodeid}".encode("utf-8", "replace")).hexdigest()
        self.span_id, self.correlation_id = digest[:16], digest[16:32]
        self.began_ns = began_ns
        self.reports: list[Report] = []
        self.retries: list[dict[str, Any]] = []


class Recording:
    """What a process does that runs tests: it records each of them as a span with a test_started and a test_result."""

    worker_id: str | None = None

    def __init__(self, config: pytest.Config, place: str) -> None:
        self.config = config
        self.place = place
        self.trouble: str | None = None
        self.recorder: Recorder | None = None
        self.run: Run | None = None
        self._tests: dict[str, Test] = {}

    def _open(self, drain: bool) -> Recorder:
        self.recorder = wiring.open(self.place, source="pytest", drain=drain)
        return self.recorder

    def span_of(self, item: pytest.Item) -> Inner | None:
        """The span that a test of this process is recorded as, while it runs."""
        test = self._tests.get(item.nodeid)
        if test is None or self.recorder is None or self.run is None or self.trouble is not None:
            return None
        return Inner(self.recorder, self.run, item.nodeid, test.span_id)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Any:
        """Begins the span with what is known of the test, and ends it if nobody reported its end."""
        self._begin_item(item)
        result = yield
        self._end_item(item.nodeid)
        return result

    @quietly
    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when not in PHASES:
            self._crashed(report)
            return
        test = self._tests.get(report.nodeid) if self.runs_tests else None
        if test is None:
            return
        test.reports.append(report)
        if report.outcome in RETRIED:
            test.retries.append(retry_of(test.reports))
            test.reports = []
        elif report.when == "teardown":
            self._end(test)

    @property
    def runs_tests(self) -> bool:
        """Whether tests run in this process."""
        return True

    @quietly
    def _begin_item(self, item: pytest.Item) -> None:
        if self.runs_tests:
            attributes: dict[str, Any] = {"markers": sorted({marker.name for marker in item.iter_markers()})}
            if callspec := getattr(item, "callspec", None):
                attributes["params"] = {name: shown(value) for name, value in callspec.params.items()}
            self._begin(item.nodeid, item.location, attributes)

    @quietly
    def _end_item(self, nodeid: str) -> None:
        if (test := self._tests.get(nodeid)) is not None:
            self._end(test)

    def _begin(
        self, nodeid: str, location: tuple[str, int | None, str], attributes: dict[str, Any] | None = None
    ) -> None:
        if nodeid in self._tests or self.recorder is None or self.run is None:
            return
        test = self._tests[nodeid] = Test(nodeid, self.run.id, self.recorder.clock.monotonic_ns())
        about = {
            "file": location[0],
            "line": None if location[1] is None else location[1] + 1,
            "worker": self.worker_id,
        }
        known = {name: value for name, value in {**about, **(attributes or {})}.items() if value not in (None, [])}
        self.run.open_spans[test.span_id] = nodeid
        self._record(test, "span_started", {"attributes": known}, {"parent_span_id": self.run.span_id})
        self._record(
            test, "test_started", {"name": nodeid, "framework": FRAMEWORK}, {"correlation_id": test.correlation_id}
        )

    def _end(self, test: Test) -> None:
        self._tests.pop(test.nodeid, None)
        outcome = outcome_of(test.nodeid, test.reports, test.retries)
        took = 0 if self.recorder is None else max(self.recorder.clock.monotonic_ns() - test.began_ns, 0)
        self._finish(test, outcome.status, outcome.payload, took)

    def _finish(self, test: Test, status: str, payload: dict[str, Any], took_ns: int) -> None:
        ending: dict[str, Any] = {"status": status, "duration_ns": took_ns, "level": level_of(status)}
        self._record(test, "test_result", payload, {**ending, "correlation_id": test.correlation_id})
        # The level is the result's alone, so that a run has as many errors as tests that failed.
        ending.update(status="ok" if status in ("passed", "skipped") else "error", level="info")
        error = {name: payload["error"][name] for name in ("kind", "message")} if "error" in payload else None
        self._record(
            test, "span_finished", {"error": error} if error else None,
            {**ending, "parent_span_id": self.run.span_id if self.run is not None else None},
        )  # fmt: skip
        if self.run is not None:
            self.run.open_spans.pop(test.span_id, None)

    def _record(self, test: Test, type_: str, payload: object, fields: dict[str, Any]) -> None:
        if self.recorder is not None:
            self.recorder.record(self.run, test.span_id, type_, payload, {"name": test.nodeid, **fields})

    def _crashed(self, report: Any) -> None:
        """A worker died in a test. Whoever is a worker has nobody to speak for."""


class Worker(Recording):
    """A worker of xdist: it records into the controller's run, and lets the controller's process deliver it."""

    def __init__(self, config: pytest.Config, given: dict[str, Any]) -> None:
        super().__init__(config, given["place"])
        self.worker_id = cast(Any, config).workerinput["workerid"]
        self._join(given)

    @quietly
    def _join(self, given: dict[str, Any]) -> None:
        recorder = self._open(drain=False)
        run = Joined(
            recorder, given["name"], run_id=given["run_id"], project=recorder.settings.project, actor=None, source="pytest",
            task_id=None, trace_id=given["trace_id"], span_id=given["span_id"], parent_span_id=None, attributes=None, input=None,
        )  # fmt: skip
        self.run = run.start()

    @pytest.hookimpl(trylast=True)
    @quietly
    def pytest_sessionfinish(self) -> None:
        if self.recorder is not None:
            self.recorder.close(timeout=0)


class Session(Recording):
    """The process that the session belongs to: it has the run, and unless there are workers it runs the tests."""

    def __init__(self, config: pytest.Config, place: str) -> None:
        super().__init__(config, place)
        self._workers = 0
        self._seen_errors: set[tuple[str, str]] = set()
        self._delivered = False

    @property
    def runs_tests(self) -> bool:
        return not self._workers

    @pytest.hookimpl(tryfirst=True)
    @quietly
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        root = self.config.rootpath
        words = [str(word) for word in self.config.invocation_params.args]
        attributes = {
            "framework": FRAMEWORK,
            "pytest": pytest.__version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "root": str(root),
            **git_of(root),
        }
        run = self._open(drain=True).run(
            f"pytest {root.name}".strip(), input=" ".join(["pytest", *words]), attributes=attributes
        )
        self.run = run.start()

    @pytest.hookimpl(optionalhook=True)
    @quietly
    def pytest_configure_node(self, node: Any) -> None:
        """A worker of xdist is about to start: it is told which run is its own."""
        if self.run is not None:
            self._workers += 1
            node.workerinput[WORKER_KEY] = {
                "place": self.place,
                "name": self.run.name,
                "run_id": self.run.id,
                "trace_id": self.run.trace_id,
                "span_id": self.run.span_id,
            }

    @quietly
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.outcome == "failed" and self.run is not None:
            text = report.longreprtext
            if (report.nodeid, text) not in self._seen_errors:  # every worker of xdist collects the same
                self._seen_errors.add((report.nodeid, text))
                said = {"message": message_of(cast(Any, report)), "kind": "collection", "stack": kept(text)}
                self._tell("error", said, name=report.nodeid, level="error")

    @quietly
    def pytest_internalerror(self, excrepr: object) -> None:
        self._tell("error", {"message": kept(str(excrepr)), "kind": "pytest"}, name="internal error", level="error")

    def _tell(self, type_: str, payload: dict[str, Any], **fields: Any) -> None:
        if self.recorder is not None and self.run is not None:
            self.recorder.record(self.run, self.run.span_id, type_, payload, fields)

    def _crashed(self, report: Any) -> None:
        if self.run is None:
            return
        test = Test(report.nodeid, self.run.id, 0)
        message = message_of(report)
        payload = {
            "name": report.nodeid, "framework": FRAMEWORK, "total": 1, "passed": 0, "failed": 0, "errors": 1, "skipped": 0,
            "failures": [{"name": report.nodeid, "message": message}], "error": {"kind": "crash", "message": message},
        }  # fmt: skip
        self._finish(test, "error", payload, 0)

    @pytest.hookimpl(trylast=True)
    @quietly
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self.recorder is None or self.run is None:
            return
        for test in list(self._tests.values()):  # Ctrl-C in the midst of one
            self._end(test)
        if self._workers:
            self._wait_for_workers(self.recorder)
        output = {"exit_code": int(exitstatus), "failed": session.testsfailed}
        self.run.finish(STATUSES.get(int(exitstatus), "failed"), output=output)
        self._delivered = self.recorder.close(timeout=CLOSE_SECONDS if wiring.has_server_extra() else 0)

    def _wait_for_workers(self, recorder: Recorder) -> None:
        """What the workers recorded is delivered before we stop delivering, as far as that takes no longer than it may."""
        own = recorder.health().producer_id
        deadline = time.monotonic() + (WORKERS_SECONDS if wiring.has_server_extra() else 0)
        spool = recorder.folder / wiring.SPOOL_FOLDER
        while time.monotonic() < deadline:
            if not any(not path.name.startswith(own) for path in spool.glob("*.seg")):
                return
            recorder.flush(LOOK_SECONDS)
            time.sleep(LOOK_SECONDS)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self._summary():
            terminalreporter.write_line(f"flightlog: {line}")

    def _summary(self) -> list[str]:
        if self.trouble is not None or self.recorder is None or self.run is None:
            return [f"not all of this session was recorded: {self.trouble or 'it never began'}"]
        lines = []
        dropped = self.recorder.health().dropped_total
        if dropped:
            lines.append(f"{dropped:,} events could not be kept: {self.recorder.health().meaning}")
        if self.place.startswith("http"):
            lines.append(f"run {self.run.id} · {self.place.rstrip('/')}/runs/{self.run.id}")
        else:
            shown = os.path.relpath(self.place, self.config.invocation_params.dir)
            shown = self.place if shown.startswith("..") else shown
            wait = "" if self._delivered else f" (after `flightlog drain --dir {shown}`)"
            lines.append(f"run {self.run.id} · flightlog run show {self.run.id} --dir {shown}{wait}")
        return lines

    def pytest_unconfigure(self) -> None:
        if self.recorder is not None and not self.recorder.closed:
            self._let_go()

    @quietly
    def _let_go(self) -> None:
        assert self.recorder is not None
        if self.run is not None:
            self.run.finish("failed")
        self.recorder.close(timeout=0)
