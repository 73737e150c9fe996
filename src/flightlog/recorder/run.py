"""A run and its spans: the handles that user code holds."""

from __future__ import annotations

import sys
from collections.abc import Mapping, MutableMapping
from types import TracebackType
from typing import Any, Protocol

from flightlog.clock import Clock
from flightlog.config import Settings
from flightlog.events.payload import describe_error
from flightlog.ids import Ids
from flightlog.recorder.confirm import AuditOutcome
from flightlog.recorder.context import Entered, Scope, current_scope, enter, leave, own_scope
from flightlog.recorder.health import Degradation
from flightlog.recorder.helpers import Instruments
from flightlog.recorder.traces import inject


class RunHost(Protocol):
    """What a run needs of its recorder."""

    clock: Clock
    ids: Ids
    settings: Settings

    def record(
        self, run: Run | None, span_id: str | None, type_: str, payload: object, fields: dict[str, Any]
    ) -> str: ...
    def record_and_wait(
        self,
        run: Run | None,
        span_id: str | None,
        type_: str,
        payload: object,
        fields: dict[str, Any],
        timeout: float | None,
    ) -> AuditOutcome: ...
    def run_opened(self, run: Run) -> None: ...
    def run_closed(self, run: Run) -> None: ...
    def degradation(self) -> Degradation | None: ...


class _Emitting(Instruments):
    """What runs and spans have in common."""

    _host: RunHost

    @property
    def clock(self) -> Clock:
        return self._host.clock

    @property
    def ids(self) -> Ids:
        return self._host.ids

    @property
    def settings(self) -> Settings:
        return self._host.settings

    def _at(self) -> tuple[str | None, str]:
        """The trace and the span that what happens here and now is in."""
        raise NotImplementedError

    def inject(self, headers: MutableMapping[str, str]) -> MutableMapping[str, str]:
        """Name this span or run in these headers (W3C `traceparent`) and give them back, for a request to others."""
        return inject(headers, *self._at())

    def degradation(self) -> Degradation | None:
        """The signal to hand on while persistence is degraded, else None."""
        return self._host.degradation()


class Run(_Emitting):
    """One run of an agent, a job or a script; made by `Recorder.run`. Use it in a `with` block, or `start` and `finish` it.

    The block's end records `run_finished`: `succeeded`, `failed` when an exception leaves the block (it is not swallowed), or
    `canceled` for KeyboardInterrupt, SystemExit with a code, GeneratorExit and asyncio.CancelledError.
    """

    def __init__(
        self,
        host: RunHost,
        name: str,
        *,
        run_id: str,
        project: str,
        actor: str | None,
        source: str | None,
        task_id: str | None,
        trace_id: str,
        span_id: str,
        parent_span_id: str | None,
        attributes: Mapping[str, object] | None,
        input: object,  # noqa: A002 - the word users know
    ) -> None:
        self._host = host
        self.id = run_id
        self.name = name
        self.project = project
        self.actor = actor
        self.source = source
        self.task_id = task_id
        self.trace_id = trace_id
        self.span_id = span_id
        self.parent_span_id = parent_span_id
        self.open_spans: dict[str, str] = {}
        self._attributes = attributes
        self._input = input
        self._started_ns: int | None = None
        self._finished = False
        self._entered: list[Entered] = []

    @property
    def run_id(self) -> str:
        """The run's id, under the name that events have for it."""
        return self.id

    @property
    def as_target(self) -> tuple[str, str]:
        """What feedback on it is about."""
        return self.id, "run"

    def start(self) -> Run:
        """Record `run_started`. Called by the `with` block and by the first emit; doing it twice changes nothing."""
        if self._started_ns is None:
            self._started_ns = self._host.clock.monotonic_ns()
            payload: dict[str, object] = {"name": self.name}
            if self._attributes:
                payload["attributes"] = self._attributes
            if self._input is not None:
                payload["input"] = self._input
            fields = {"name": self.name, "parent_span_id": self.parent_span_id}
            self._host.record(self, self.span_id, "run_started", payload, fields)
            self._host.run_opened(self)
        return self

    def finish(self, status: str = "succeeded", output: object = None, error: BaseException | None = None) -> None:
        """Record `run_finished` with `succeeded`, `failed` or `canceled`. Only the first call counts."""
        if self._finished:
            return
        self.start()
        self._finished = True
        payload: dict[str, object] = {}
        if output is not None:
            payload["output"] = output
        if error is not None:
            payload["error"] = describe_error(error)
        fields = {
            "name": self.name,
            "parent_span_id": self.parent_span_id,
            "status": status,
            "duration_ns": self.elapsed_ns(),
            "level": "error" if status == "failed" else "info",
        }
        self._host.record(self, self.span_id, "run_finished", payload, fields)
        self._host.run_closed(self)

    def elapsed_ns(self) -> int:
        """Nanoseconds since the run started, on the clock that never goes backwards."""
        return 0 if self._started_ns is None else max(self._host.clock.monotonic_ns() - self._started_ns, 0)

    def emit(self, type: str, payload: object = None, **fields: Any) -> str:  # noqa: A002 - the envelope's own word
        """Record an event of this run, inside the innermost open span; `Recorder.emit` says which fields there are."""
        if self._started_ns is None:
            self.start()
        span_id, fields = self._place(fields)
        return self._host.record(self, span_id, type, payload, fields)

    def emit_and_wait(self, type: str, payload: object, timeout: float | None, **fields: Any) -> AuditOutcome:  # noqa: A002
        """As `emit`, and wait until it is in the store, for `timeout` seconds at most."""
        self.start()
        span_id, fields = self._place(fields)
        return self._host.record_and_wait(self, span_id, type, payload, fields, timeout)

    def _at(self) -> tuple[str | None, str]:
        scope = current_scope()
        return (
            (scope.trace, scope.span_id) if scope is not None and scope.run is self else (self.trace_id, self.span_id)
        )

    def _place(self, fields: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """The span that an event of this run belongs to which is recorded here and now, and its fields."""
        scope = current_scope()
        if scope is None or scope.run is not self:
            return self.span_id, fields
        return scope.span_id, scope.located(fields)

    def span(self, name: str, **attributes: object) -> Span:
        """A named part of this run, to be used in a `with` block."""
        return Span(self._host, self, name, attributes)

    def __enter__(self) -> Run:
        self.start()
        self._entered.append(enter(Scope(self, self.span_id)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._entered:
            leave(self._entered.pop())
        self.finish(outcome_of(error), error=error)


class Span(_Emitting):
    """A named part of a run, made by `Run.span`; the block's end records its duration and whether it failed."""

    def __init__(self, host: RunHost, run: Run | None, name: str, attributes: Mapping[str, object]) -> None:
        self._host = host
        self.run = run
        self.name = name
        self.span_id = host.ids.span_id()
        self.parent_span_id: str | None = None
        self._attributes = attributes
        self._started_ns = 0
        self._scope = Scope(run, self.span_id)
        self._entered: Entered | None = None

    @property
    def run_id(self) -> str | None:
        """The id of the run that the span is part of."""
        return self.run.id if self.run is not None else None

    @property
    def as_target(self) -> tuple[str, str]:
        """What feedback on it is about."""
        return self.span_id, "span"

    def emit(self, type: str, payload: object = None, **fields: Any) -> str:  # noqa: A002 - the envelope's own word
        """Record an event inside this span; `Recorder.emit` says which fields there are."""
        return self._host.record(self.run, self.span_id, type, payload, self._scope.located(fields))

    def emit_and_wait(self, type: str, payload: object, timeout: float | None, **fields: Any) -> AuditOutcome:  # noqa: A002
        """As `emit`, and wait until it is in the store, for `timeout` seconds at most."""
        return self._host.record_and_wait(self.run, self.span_id, type, payload, self._scope.located(fields), timeout)

    def _at(self) -> tuple[str | None, str]:
        return self._scope.trace, self.span_id

    def __enter__(self) -> Span:
        if self.run is not None:
            self.run.start()
        before = current_scope()
        within = before is not None and before.run is self.run
        self.parent_span_id = before.span_id if within and before else self.run.span_id if self.run else None
        if within and before and before.trace_id is not None:  # inside another tracer's span it is in that one's trace
            self._scope = Scope(self.run, self.span_id, before.trace_id, before.trace_run_id)
        self._started_ns = self._host.clock.monotonic_ns()
        payload = {"attributes": dict(self._attributes)} if self._attributes else None
        self._record("span_started", payload, {})
        if self.run is not None:
            self.run.open_spans[self.span_id] = self.name
        self._entered = enter(self._scope)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._entered is not None:
            leave(self._entered)
        if self.run is not None:
            self.run.open_spans.pop(self.span_id, None)
        fields = {
            "status": "ok" if error is None else "error",
            "duration_ns": max(self._host.clock.monotonic_ns() - self._started_ns, 0),
            "level": "info" if error is None else "error",
        }
        self._record("span_finished", {"error": describe_error(error)} if error is not None else None, fields)

    def _record(self, type_: str, payload: object, fields: dict[str, Any]) -> None:
        fields.update(name=self.name, parent_span_id=self.parent_span_id)
        self._host.record(self.run, self.span_id, type_, payload, self._scope.located(fields))


def outcome_of(error: BaseException | None) -> str:
    """The status of a run that ended with this exception, or without one."""
    if error is None or (isinstance(error, SystemExit) and not error.code):
        return "succeeded"
    if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
        return "canceled"
    # Whoever raised CancelledError has imported asyncio; nobody else should pay for it.
    asyncio = sys.modules.get("asyncio")
    return "canceled" if asyncio is not None and isinstance(error, asyncio.CancelledError) else "failed"


def current_run() -> Run | None:
    """The run that the calling code is inside of, or None."""
    scope = own_scope()
    return scope.run if scope else None
