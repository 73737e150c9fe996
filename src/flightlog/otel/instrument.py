"""What `flightlog instrument` does in a process before its program begins: a recorder, and every instrumentation that is installed.

Providers that the application makes get our processors as their first ones. Where it makes none, one of ours stands in from the
first span on; it is never set as the global one, so that an application that sets its own, however late, is not refused.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry._logs import _internal as logs_api
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from flightlog import wiring
from flightlog.otel.logs import LogRecordProcessor
from flightlog.otel.spans import SpanProcessor

# Between the verb and the processes that it starts.
TARGET_VARIABLE = "FLIGHTLOG_INSTRUMENT_TARGET"
PREFER_VARIABLE = "FLIGHTLOG_INSTRUMENT_PREFER"
QUIET_VARIABLE = "FLIGHTLOG_INSTRUMENT_QUIET"

GROUPS = ("opentelemetry_instrumentor", "openinference_instrumentor")
# Of several for one library, the one whose name has this in it: it says most of a call (tests/otel/test_exam.py).
PREFERRED = ("openinference",)


def start(environ: Mapping[str, str] = os.environ) -> None:
    """Instrument this process as the environment says. Never raises: what can't be done is said on standard error."""
    target = environ.get(TARGET_VARIABLE)
    if not target:
        return
    try:
        recorder = wiring.open(target, drain=False)  # whoever started us delivers, so that it costs the program nothing
        _join(TracerProvider, "add_span_processor", SpanProcessor(recorder))
        _join(LoggerProvider, "add_log_record_processor", LogRecordProcessor(recorder))
        _stand_in()
        if not _enable(environ) and not environ.get(QUIET_VARIABLE):
            _say(
                f"nothing is instrumented: {sys.executable} has no OpenTelemetry instrumentation of a library that it has; "
                "`pip install openinference-instrumentation-openai` would be one"
            )
            os.environ[QUIET_VARIABLE] = "1"  # once is enough, also for the processes that this one starts
    except Exception as error:
        _say(f"not instrumented: {type(error).__name__}: {error}")


# ── providers ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _join(kind: Any, method: str, processor: Any) -> None:
    """Let every provider of this kind begin with our processor."""
    begin = kind.__init__

    @functools.wraps(begin)
    def begin_with_ours(self: Any, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        getattr(self, method)(processor)

    kind.__init__ = begin_with_ours


class _Late:
    """Makes the real thing with the first use, of the application's provider or ours, and anew when that changes."""

    def __init__(self, how: tuple[Any, ...]) -> None:
        self.how = how
        self.made: tuple[Any, Any] = (None, None)

    def of(self, provider: Any, method: str) -> Any:
        if self.made[0] is not provider:
            self.made = (provider, getattr(provider, method)(*self.how))
        return self.made[1]


class _LateTracer(trace.ProxyTracer):
    def __init__(self, *how: Any) -> None:
        super().__init__(*how)
        self._late = _Late(how)

    @property
    def _tracer(self) -> trace.Tracer:
        provider = trace.get_tracer_provider()
        made: trace.Tracer = self._late.of(_own.traces() if isinstance(provider, _Tracers) else provider, "get_tracer")
        return made


class _LateLogger(logs_api.ProxyLogger):
    def __init__(self, *how: Any) -> None:
        super().__init__(*how)
        self._late = _Late(how)

    @property
    def _logger(self) -> logs_api.Logger:
        provider = logs_api.get_logger_provider()
        made: logs_api.Logger = self._late.of(_own.logs() if isinstance(provider, _Loggers) else provider, "get_logger")
        return made


class _Tracers(trace.ProxyTracerProvider):
    """What OpenTelemetry has for a provider as long as none is set."""

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Any = None,
    ) -> trace.Tracer:
        return _LateTracer(instrumenting_module_name, instrumenting_library_version, schema_url, attributes)


class _Loggers(logs_api.ProxyLoggerProvider):
    """The same for log records."""

    def get_logger(
        self, name: str, version: str | None = None, schema_url: str | None = None, attributes: Any = None
    ) -> logs_api.Logger:
        return _LateLogger(name, version, schema_url, attributes)


class _Own:
    """Our own providers, made when the first span or log record needs one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._traces: TracerProvider | None = None
        self._logs: LoggerProvider | None = None

    def traces(self) -> TracerProvider:
        with self._lock:
            if self._traces is None:
                self._traces = TracerProvider(resource=_resource())
            return self._traces

    def logs(self) -> LoggerProvider:
        resource = self.traces().resource
        with self._lock:
            if self._logs is None:
                self._logs = LoggerProvider(resource=resource)
            return self._logs


_own = _Own()


def _stand_in() -> None:
    trace._PROXY_TRACER_PROVIDER = _Tracers()
    logs_api._PROXY_LOGGER_PROVIDER = _Loggers()


def _resource() -> Resource:
    """As the environment describes the process; without a name of its own it has the program's."""
    made = Resource.create()
    if not str(made.attributes.get("service.name", "unknown_service")).startswith("unknown_service"):
        return made
    program = Path(sys.argv[0] if sys.argv else "")
    name = program.parent.name if program.name == "__main__.py" else program.stem
    return made.merge(Resource({"service.name": name})) if name not in ("", "-c", "-") else made


# ── instrumentations ─────────────────────────────────────────────────────────────────────────────────────────────────


def _enable(environ: Mapping[str, str]) -> int:
    """Enable one instrumentation for each library that there is; how many."""
    unwanted = _words(environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", ""))
    preferred = (*_words(environ.get(PREFER_VARIABLE, "")), *PREFERRED)
    if "*" in unwanted:
        return 0
    enabled = 0
    for name, found in sorted(_installed().items()):
        if name in unwanted:
            continue
        chosen = choose(found, preferred)
        try:
            chosen.load()().instrument(skip_dep_check=True)
            enabled += 1
        except ModuleNotFoundError:
            continue  # of a library that is not here after all
        except Exception as error:
            _say(f"{_label(chosen)} could not be enabled: {type(error).__name__}: {error}")
    return enabled


def _installed() -> dict[str, list[EntryPoint]]:
    """The instrumentations whose library is here in a version that they know, by the library's name."""
    try:
        from opentelemetry.instrumentation.dependencies import get_dist_dependency_conflicts
    except ImportError:
        return {}  # every instrumentation brings it along
    found: dict[str, dict[str, EntryPoint]] = {}
    for group in GROUPS:
        for entry in entry_points(group=group):
            if entry.dist is None or get_dist_dependency_conflicts(entry.dist) is None:
                found.setdefault(entry.name, {}).setdefault(entry.value, entry)
    return {name: list(entries.values()) for name, entries in found.items()}


def choose(found: Iterable[EntryPoint], preferred: Iterable[str]) -> EntryPoint:
    """One of several instrumentations for one library: with all of them every call would be recorded as often."""
    ranked = sorted(found, key=_label)
    for word in preferred:
        for entry in ranked:
            if word in _label(entry):
                return entry
    return ranked[0]


def _label(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value


def _words(text: str) -> list[str]:
    return [word for part in text.split(",") if (word := part.strip())]


def _say(text: str) -> None:
    print(f"flightlog: {text}", file=sys.stderr)
