"""Where the code is: which run, inside which span. It follows `with` blocks, asyncio tasks, threads, executors and fork."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar, Token
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class Scope(NamedTuple):
    """The run and the innermost open span of the code that is running."""

    run: Any  # a flightlog.recorder.client.Run; that module stands on this one
    span_id: str


_scope: ContextVar[Scope | None] = ContextVar("flightlog_scope", default=None)

current_scope = _scope.get


def enter(scope: Scope) -> Token[Scope | None]:
    """Make `scope` the current one; hand the token to `leave`."""
    return _scope.set(scope)


def leave(token: Token[Scope | None], before: Scope | None) -> None:
    """Go back to the scope that was current at `enter`, also when it is left in another context than it was entered in."""
    try:
        _scope.reset(token)
    except ValueError:
        _scope.set(before)


def _call_in(scope: Scope, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    before = _scope.get()
    token = _scope.set(scope)
    try:
        return function(*args, **kwargs)
    finally:
        leave(token, before)


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
            self.run = functools.partial(_call_in, scope, self.run)  # type: ignore[method-assign]
        thread_start(self)

    @functools.wraps(ThreadPoolExecutor.submit)  # type: ignore[arg-type]
    def submit(self: ThreadPoolExecutor, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        scope = _scope.get()
        if scope is None:
            return executor_submit(self, fn, *args, **kwargs)
        # The job runs in the scope; a worker thread that submit() happens to start must not keep it for later jobs.
        token = _scope.set(None)
        try:
            return executor_submit(self, _call_in, scope, fn, *args, **kwargs)
        finally:
            leave(token, scope)

    threading.Thread.start = start  # type: ignore[method-assign]
    ThreadPoolExecutor.submit = submit  # type: ignore[method-assign,assignment]
