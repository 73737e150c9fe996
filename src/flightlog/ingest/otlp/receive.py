"""From a decoded request to the journal: mapped, redacted, truncated, appended, and only then answered.

Nothing here knows how a request came in; each door (HTTP, gRPC) decodes it and tells the sender what became of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

import msgspec

from flightlog.config import Settings
from flightlog.errors import FieldTooLong, FlightlogError
from flightlog.events.envelope import FIELD_CHARS_MAX, Event
from flightlog.ingest.otlp.decoded import REASONS_MAX, Decoded
from flightlog.ingest.otlp.mapping import map_log, map_metric, map_resource, map_span, origin_of
from flightlog.ingest.otlp.mapping.own import OWN_KEY
from flightlog.ingest.otlp.model import LogRecord, Metric, Origin, Place, Scope, Span
from flightlog.journal.append import Appended, Journal

log = logging.getLogger("flightlog.otlp")

_NOBODY = -1
RESOURCES_KNOWN_MAX = 10_000  # places that are remembered as stored; beyond that they are described once more

R = TypeVar("R")
Mapper = Callable[[R, Scope, Origin], Sequence[Event]]


class Intake(Protocol):
    """The care that events get before they touch a disk."""

    def prepare_all(self, events: Sequence[Event]) -> list[Event]:
        """The events as they may be stored. Never raises for anything in them."""


class Meter(Protocol):
    """Whoever counts what is received. Called from any thread, and never raises."""

    def received(self, signal: str, accepted: int, duplicates: int, rejected: int) -> None:
        """A request was stored; `duplicates` are among the accepted."""


class Received(msgspec.Struct):
    """What became of a request's records, all of it after the commit.

    Every record is either accepted (its event is in the journal; `duplicates` of them were there before) or rejected.
    `reasons` has the first of the reasons.
    """

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    reasons: list[str] = []

    @property
    def message(self) -> str:
        """The reasons as one text; empty when all was accepted."""
        more = self.rejected - len(self.reasons)
        return "; ".join([*self.reasons, *([f"and {more} more"] if more > 0 else [])])


class Receiver:
    """The way into the journal for OpenTelemetry. One per process; its methods may be called from any thread.

    All raise what the journal raises (StoreBusy and its like: send the same again, what was stored is a duplicate then), and
    FieldTooLong for a `project` that can't be one.
    """

    def __init__(self, journal: Journal, intake: Intake, settings: Settings) -> None:
        self._journal = journal
        self._intake = intake
        self._project = settings.project
        self._events_max = max(1, settings.drain_batch_events_max)
        self._bytes_max = settings.drain_batch_bytes_max
        self._known: set[str] = set()
        self.meter: Meter | None = None

    def traces(self, decoded: Decoded[Span], project: str | None = None) -> Received:
        """Store these spans. `project` is for those whose resource names none; None is the setting's."""
        return self._told("traces", self._receive(decoded, "span", map_span, _span_ended, project))

    def logs(self, decoded: Decoded[LogRecord], project: str | None = None) -> Received:
        """The same for log records."""
        return self._told("logs", self._receive(decoded, "log record", _numbered_logs(), _log_happened, project))

    def metrics(self, decoded: Decoded[Metric], project: str | None = None) -> Received:
        """The same for metrics."""
        return self._told("metrics", self._receive(decoded, "metric", _map_metric, _metric_taken, project))

    def _told(self, signal: str, received: Received) -> Received:
        if self.meter is not None:
            self.meter.received(signal, received.accepted, received.duplicates, received.rejected)
        return received

    def _receive(
        self, decoded: Decoded[R], what: str, mapper: Mapper[R], moment: Callable[[R], int], project: str | None
    ) -> Received:
        received = Received(0, 0, decoded.refused, list(decoded.reasons))
        if project is not None and len(project) > FIELD_CHARS_MAX["project"]:
            raise FieldTooLong(field="project", length=len(project), limit=FIELD_CHARS_MAX["project"])
        batch = _Batch()
        for group in decoded.groups:
            origin = origin_of(group.attributes, group.schema_url, project or self._project)
            described = 0
            for part in group.parts:
                scope = part.scope
                for record in part.records:
                    try:
                        events = mapper(record, scope, origin)
                    except Exception:
                        log.exception("a %s of scope %r could not be mapped", what, scope.label)
                        _reject(received, f"a {what} could not be mapped; the server's log has the cause")
                        continue
                    if len(origin.places) > described:
                        for place in [*origin.places.values()][described:]:
                            if place.digest not in self._known:
                                batch.describe(origin, place, moment(record))
                        described = len(origin.places)
                    batch.add(events)
                    if len(batch.events) >= self._events_max or batch.bytes >= self._bytes_max:
                        batch = self._store(batch, received)
        self._store(batch, received)
        return received

    def _store(self, batch: _Batch, received: Received) -> _Batch:
        """Append a batch; the next one, empty."""
        if batch.events:
            try:
                appended = self._journal.append(self._intake.prepare_all(batch.events), rejects="return")
            except FlightlogError:
                self._known = set()  # nobody knows what the store is that answers next
                raise
            batch.settle(appended, received)
            self._remember(batch.described)
        return _Batch()

    def _remember(self, described: set[str]) -> None:
        if len(self._known) + len(described) > RESOURCES_KNOWN_MAX:
            self._known = set()
        self._known.update(described)


class _Batch:
    """Events of one transaction, each with the record that it belongs to; _NOBODY for the description of a resource."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.owners: list[int] = []
        self.records = 0
        self.bytes = 0
        self.described: set[str] = set()

    def describe(self, origin: Origin, place: Place, seen_ns: int) -> None:
        if place.digest not in self.described:
            self.events.append(map_resource(origin, place, seen_ns))
            self.owners.append(_NOBODY)
            self.described.add(place.digest)

    def add(self, events: Sequence[Event]) -> None:
        for event in events:
            self.events.append(event)
            self.owners.append(self.records)
            self.bytes += len(event.payload)
        self.records += 1

    def settle(self, appended: Appended, received: Received) -> None:
        """Count what became of the records."""
        # A resource is described with the time of its first record, which two processes see differently: the first stays.
        rejected = {self.owners[at]: error for at, error in appended.rejected if self.owners[at] != _NOBODY}
        for error in rejected.values():
            _reject(received, error.message)
        received.accepted += self.records - len(rejected)
        if appended.duplicates:
            fresh: dict[int, int] = {}
            for owner, row_id in zip(self.owners, appended.ids, strict=True):
                if row_id >= appended.first_id > 0:
                    fresh.setdefault(row_id, owner)
            received.duplicates += self.records - len(rejected.keys() | {*fresh.values()} - {_NOBODY})


def _reject(received: Received, reason: str) -> None:
    received.rejected += 1
    if len(received.reasons) < REASONS_MAX:
        received.reasons.append(reason)


def _numbered_logs() -> Mapper[LogRecord]:
    """`map_log` for one request: records that are equal are told apart by their number."""
    seen: dict[str, int] = {}

    def mapper(record: LogRecord, scope: Scope, origin: Origin) -> Sequence[Event]:
        events = map_log(record, scope, origin, 0)
        if OWN_KEY in record.attributes:  # it has an id of its own
            return events
        first = events[0].event_id
        ordinal = seen.get(first, 0)
        seen[first] = ordinal + 1
        return map_log(record, scope, origin, ordinal) if ordinal else events

    return mapper


def _map_metric(metric: Metric, scope: Scope, origin: Origin) -> Sequence[Event]:
    return (map_metric(metric, scope, origin),)


def _span_ended(span: Span) -> int:
    return span.end_ns


def _log_happened(record: LogRecord) -> int:
    return record.time_ns


def _metric_taken(metric: Metric) -> int:
    times: Iterator[int] = (int(point.get("time_ns") or 0) for point in metric.points)
    return max(times, default=0)
