"""What every helper stands on: something to record through, and two events that belong together."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, Protocol

from flightlog.clock import Clock
from flightlog.config import Settings
from flightlog.events.payload import describe_error
from flightlog.ids import Ids
from flightlog.recorder.confirm import AuditOutcome
from flightlog.recorder.health import Degradation


class Emits(Protocol):
    """Something that events can be recorded through: a recorder, a run or a span."""

    @property
    def clock(self) -> Clock: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def run_id(self) -> str | None:
        """The run that an event belongs to which is recorded here and now."""
        ...

    def emit(self, type: str, payload: object = None, **fields: Any) -> str:  # noqa: A002 - the envelope's own word
        """Record one event; see Recorder.emit for the fields. Never raises."""
        ...

    def emit_and_wait(self, type: str, payload: object, timeout: float | None, **fields: Any) -> AuditOutcome:  # noqa: A002
        """Record one event and wait until it is in the store; see Recorder.emit_and_wait. Never raises."""
        ...

    def degradation(self) -> Degradation | None:
        """The signal to hand on while persistence is degraded, else None."""
        ...


class Pair:
    """What was asked for and what came of it: two events with one correlation id, the second with the duration.

    The second event belongs to the run and span of the first, also when it comes from another thread or task, or after
    their blocks were left.
    """

    def __init__(self, emits: Emits, correlation_id: str | None = None) -> None:
        self.correlation_id = correlation_id or emits.ids.span_id()
        self.begun = False
        self.ended = False
        self._emits = emits
        self._context: Context | None = None
        self._started_ns = 0

    def begin(self, type_: str, payload: dict[str, Any], **fields: Any) -> None:
        """Record the first event. Doing it twice changes nothing."""
        if self.begun:
            return
        self.begun = True
        self._context = copy_context()
        self._emits.emit(type_, payload, correlation_id=self.correlation_id, **fields)
        self._started_ns = self._emits.clock.monotonic_ns()

    def end(self, type_: str, payload: dict[str, Any], **fields: Any) -> None:
        """Record the second event, unless there was no first one or the pair has ended."""
        if self._context is None or self.ended:
            return
        self.ended = True
        fields.setdefault("duration_ns", self.elapsed_ns())
        self._context.run(self._emits.emit, type_, payload, correlation_id=self.correlation_id, **fields)
        self._context = None  # it keeps other people's objects alive

    def elapsed_ns(self) -> int:
        """Nanoseconds since the first event."""
        return max(self._emits.clock.monotonic_ns() - self._started_ns, 0) if self.begun else 0


def without_nones(payload: dict[str, Any]) -> dict[str, Any]:
    """The entries that say something."""
    return {key: value for key, value in payload.items() if value is not None}


def as_text(value: object) -> str:
    """The value as text, whatever it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8", "replace")
    try:
        return str(value)
    except Exception:
        return f"[unprintable {type(value).__name__}]"


def attempt(function: Callable[..., Any], *args: Any) -> tuple[Any, dict[str, Any] | None]:
    """What the function gives, or what it raised as `{kind, message, stack}`: for looking into other people's objects."""
    try:
        return function(*args), None
    except Exception as error:
        return None, describe_error(error)
