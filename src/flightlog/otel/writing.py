"""From the SDK's records to the recorder's spool, on the thread that ended them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from flightlog import wiring
from flightlog.ingest.otlp.mapping import map_log, map_resource, map_span, origin_of
from flightlog.ingest.otlp.model import Origin, Place, Scope
from flightlog.otel.convert import attributes_of, log_of, scope_of, span_of
from flightlog.recorder.client import Recorder

Target = Recorder | str | Path

# Resources and scopes that are remembered; a process has a handful.
KNOWN_MAX = 1_000
# Threads of ours. Where an application has its databases instrumented, what these do must not become spans that they deliver.
OUR_THREADS = "flightlog-"


class Writer:
    """Takes records of the SDK for a recorder. Nothing here raises, or waits for a network or a lock held over I/O.

    With a folder or a URL it opens a recorder of its own, and `close` closes it.
    """

    def __init__(self, target: Target) -> None:
        self._owned = not isinstance(target, Recorder)
        self.recorder = target if isinstance(target, Recorder) else wiring.open(target)
        self._origins: dict[int, tuple[Resource, Origin]] = {}
        self._scopes: dict[int, tuple[InstrumentationScope, Scope]] = {}
        self._described: set[str] = set()

    def span(self, span: ReadableSpan) -> bool:
        """Record a finished span. False when it was dropped, which is then counted."""
        return self._write("span", span, lambda: span_of(span), map_span, span.end_time)

    def log(self, readable: ReadableLogRecord) -> bool:
        """The same for a log record."""
        record = readable.log_record
        seen = record.timestamp or record.observed_timestamp
        return self._write("log", readable, lambda: log_of(readable), _map_log, seen)

    def close(self) -> None:
        """Let go of the recorder, if it is our own."""
        if self._owned:
            self.recorder.close()

    def _write(self, what: str, raw: Any, convert: Callable[[], Any], mapper: Any, seen_ns: int | None) -> bool:
        try:
            origin = self._origin(raw.resource)
            events = mapper(convert(), self._scope(raw.instrumentation_scope), origin)
            for place in [*origin.places.values()]:
                if place.digest not in self._described:
                    self._describe(origin, place, seen_ns or 0)
            taken = [self.recorder.take(event) for event in events]
            return all(taken)
        except Exception as error:
            self.recorder.lost(None, what, error)
            return False

    def _describe(self, origin: Origin, place: Place, seen_ns: int) -> None:
        if self.recorder.take(map_resource(origin, place, seen_ns)):
            self._described.add(place.digest)

    def _origin(self, resource: Resource) -> Origin:
        known = self._origins.get(id(resource))
        if known is None:
            attributes = attributes_of(resource.attributes)
            known = resource, origin_of(attributes, resource.schema_url or "", self.recorder.settings.project)
            _remember(self._origins, id(resource), known)
        return known[1]

    def _scope(self, scope: InstrumentationScope | None) -> Scope:
        if scope is None:
            return Scope()
        known = self._scopes.get(id(scope))
        if known is None:
            known = scope, scope_of(scope)
            _remember(self._scopes, id(scope), known)
        return known[1]


def is_ours() -> bool:
    """Whether the calling thread is one of Flightlog's own."""
    return threading.current_thread().name.startswith(OUR_THREADS)


def _remember(known: dict[int, Any], key: int, value: Any) -> None:
    """Under the object's address, which stays its own as long as the object is kept beside it."""
    if len(known) >= KNOWN_MAX:
        known.clear()
    known[key] = value


def _map_log(record: Any, scope: Scope, origin: Origin) -> Any:
    return map_log(record, scope, origin, 0)
