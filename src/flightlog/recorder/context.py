"""Where the code is: which run, inside which span. It follows `with` blocks, asyncio tasks, threads, executors and fork.

Another tracer in the process has such a place too. `connect` keeps the two in step: what is entered here is entered there, and
the innermost span is current, whosever it is. `flightlog.otel` connects OpenTelemetry.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar, Token
from typing import Any, NamedTuple, Protocol, TypeVar

T = TypeVar("T")


class Scope(NamedTuple):
    """The run and the innermost open span of the code that is running.

    `trace_id` is there only where the span is another tracer's, and `trace_run_id` is the run that its trace is then, which
    counts where there is no `run`.
    """

    run: Any  # a flightlog.recorder.client.Run; that module stands on this one
    span_id: str
    trace_id: str | None = None
    trace_run_id: str | None = None

    @property
    def trace(self) -> str | None:
        """The trace that the span is in."""
        return self.trace_id or (self.run.trace_id if self.run is not None else None)

    def located(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields of an event in this scope: where the trace is another tracer's, they say so."""
        if self.trace_id is None:
            return fields
        place: dict[str, Any] = {"trace_id": self.trace_id, "span_id": self.span_id}
        if self.run is None:
            place["run_id"] = self.trace_run_id
        return {**place, **fields}


class Beside(Protocol):
    """The place where the code is, as another tracer knows it."""

    def enter(self, scope: Scope) -> Any:
        """Make the scope's span the current one there; gives what `leave` needs. Never raises."""

    def leave(self, entered: Any) -> None:
        """Undo it, wherever it is called. Never raises."""

    def innermost(self, scope: Scope | None) -> Scope | None:
        """The scope, unless a span of the other tracer is open inside it, or without it. Never raises."""

    def here(self) -> Any:
        """All that is current there, to be gone back to with `go`."""

    def go(self, here: Any) -> Any:
        """Be there; gives what `leave` needs. Never raises."""


class Entered(NamedTuple):
    """What `leave` needs to undo an `enter`."""

    token: Token[Scope | None]
    before: Scope | None
    beside: Any


_scope: ContextVar[Scope | None] = ContextVar("flightlog_scope", default=None)
_beside: Beside | None = None

own_scope = _scope.get


def connect(beside: Beside) -> None:
    """Keep another tracer's place in step from now on. One at a time; the last one counts."""
    global _beside
    _beside = beside


def current_scope() -> Scope | None:
    """The scope of the calling code."""
    return _scope.get() if _beside is None else _beside.innermost(_scope.get())


def enter(scope: Scope) -> Entered:
    """Make `scope` the current one; hand what it gives to `leave`."""
    before = _scope.get()
    return Entered(_scope.set(scope), before, _beside.enter(scope) if _beside is not None else None)


def leave(entered: Entered) -> None:
    """Go back to the scope that was current at `enter`, also when it is left in another context than it was entered in."""
    if entered.beside is not None and _beside is not None:
        _beside.leave(entered.beside)
    try:
        _scope.reset(entered.token)
    except ValueError:
        _scope.set(entered.before)


def _call_in(scope: Scope, here: Any, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    before = _scope.get()
    token = _scope.set(scope)
    entered = Entered(token, before, _beside.go(here) if _beside is not None and here is not None else None)
    try:
        return function(*args, **kwargs)
    finally:
        leave(entered)


def _here() -> Any:
    return _beside.here() if _beside is not None else None


_followed = False


def follow_threads() -> None:
    """Let new threads and executor jobs start inside the scope that started them. Doing it twice changes nothing.

    asyncio copies context variables by itself; plain threads do not before Python 3.14, so `Thread.start` and
    `ThreadPoolExecutor.submit` are wrapped. Code that runs outside any run is not touched.
    """
    global _followed
    if _followed:
        return
    _followed = True
    thread_start = threading.Thread.start
    executor_submit = ThreadPoolExecutor.submit

    @functools.wraps(thread_start)
    def start(self: threading.Thread) -> None:
        scope = _scope.get()
        if scope is not None:
            self.run = functools.partial(_call_in, scope, _here(), self.run)  # type: ignore[method-assign]
        thread_start(self)

    @functools.wraps(ThreadPoolExecutor.submit)  # type: ignore[arg-type]
    def submit(self: ThreadPoolExecutor, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        scope = _scope.get()
        if scope is None:
            return executor_submit(self, fn, *args, **kwargs)
        # The job runs in the scope; a worker thread that submit() happens to start must not keep it for later jobs.
        here = _here()
        token = _scope.set(None)
        try:
            return executor_submit(self, _call_in, scope, here, fn, *args, **kwargs)
        finally:
            leave(Entered(token, scope, None))

    threading.Thread.start = start  # type: ignore[method-assign]
    ThreadPoolExecutor.submit = submit  # type: ignore[method-assign,assignment]
