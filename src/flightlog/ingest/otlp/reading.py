"""From a request of OpenTelemetry to events that are ready to be stored: decoded, mapped, redacted, truncated.

Nothing here needs the store, so it can be done in another process (`apart.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import msgspec

from flightlog.config import Settings
from flightlog.events.envelope import Event
from flightlog.ingest.otlp import decode_json, decode_proto
from flightlog.ingest.otlp.decoded import REASONS_MAX, Decoded
from flightlog.ingest.otlp.mapping import Mapped, map_log, map_metric, map_resource, mapped_span, origin_of
from flightlog.ingest.otlp.mapping.own import OWN_KEY
from flightlog.ingest.otlp.model import LogRecord, Metric, Origin, Place, Scope, Span
from flightlog.journal.projector import Payload
from flightlog.journal.ready import Item, Preparation

log = logging.getLogger("flightlog.otlp")

NOBODY = -1

R = TypeVar("R")
Mapper = Callable[[R, Scope, Origin], Mapped]
SignalName = Literal["traces", "logs", "metrics"]
Encoding = Literal["protobuf", "json"]


class Intake(Protocol):
    """The care that events get before they touch a disk."""

    def prepare_all(self, events: Sequence[Event]) -> list[Event]:
        """The events as they may be stored. Never raises for anything in them."""


class Refused(msgspec.Struct):
    """Records that are not stored: how many, and the first of the reasons."""

    count: int = 0
    reasons: list[str] = []

    def add(self, *reasons: str, count: int = 1) -> None:
        """So many more, and the reasons for the first of them."""
        self.count += count
        self.reasons += reasons[: REASONS_MAX - len(self.reasons)]


class Batch(msgspec.Struct):
    """Events of one transaction, each with the number of the record that it belongs to; NOBODY for the description of a
    resource, whose digest is in `described`.
    """

    items: list[Item]
    owners: list[int]
    records: int
    described: dict[str, int]  # by digest, the place of the event

    def add(self, more: Batch) -> None:
        """Take in what comes after these events."""
        self.described |= {digest: place + len(self.items) for digest, place in more.described.items()}
        self.owners += [owner if owner == NOBODY else owner + self.records for owner in more.owners]
        self.items += more.items
        self.records += more.records


class Signal(NamedTuple):
    """One of the three kinds of telemetry: how its records are read."""

    what: str
    proto: Callable[[bytes], Decoded[Any]]
    json: Callable[[bytes], Decoded[Any]]
    mapper: Callable[[], Mapper[Any]]  # for one request
    moment: Callable[[Any], int]  # when a record happened

    def decode(self, body: bytes, encoding: Encoding) -> Decoded[Any]:
        """The records of a request. Raises BodyInvalid."""
        return self.proto(body) if encoding == "protobuf" else self.json(body)

    def pieces(
        self, body: bytes, encoding: Encoding, records_max: int, lead: int = 0, skips_lead: bool = False
    ) -> Iterable[Decoded[Any]]:
        """The same piece by piece, as `decode_proto.trace_pieces`; as one piece, where `in_pieces` is not."""
        if self.in_pieces(encoding):
            return decode_proto.trace_pieces(body, records_max, lead, skips_lead)
        return [self.decode(body, encoding)]

    def in_pieces(self, encoding: Encoding) -> bool:
        """Whether requests can be read piece by piece."""
        return self.proto is decode_proto.decode_traces and encoding == "protobuf"


class Reading:
    """Reads requests. Any thread may use it."""

    def __init__(self, intake: Intake, preparation: Preparation, settings: Settings) -> None:
        self._intake = intake
        self._preparation = preparation
        self._project = settings.project
        self._events_max = max(1, settings.drain_batch_events_max)
        self._bytes_max = settings.drain_batch_bytes_max

    def batches(
        self,
        signal: SignalName,
        pieces: Iterable[Decoded[Any]],
        project: str | None,
        refused: Refused,
        known: Container[str] = (),
    ) -> Iterator[Batch]:
        """The events of a request, none of them for a resource whose digest is known; what is refused is added to `refused`.

        No batch is of two pieces. `project` is for records whose resource names none; None is the setting's.
        """
        mapper = SIGNALS[signal].mapper()
        for piece in pieces:
            yield from self._batches(SIGNALS[signal], mapper, piece, project, refused, known)
            refused.add(*piece.reasons, count=piece.refused)

    def _batches(
        self,
        signal: Signal,
        mapper: Mapper[Any],
        decoded: Decoded[Any],
        project: str | None,
        refused: Refused,
        known: Container[str],
    ) -> Iterator[Batch]:
        records_max = _even(decoded.count, self._events_max)
        batch = _Growing()
        for group in decoded.groups:
            origin = origin_of(group.attributes, group.schema_url, project or self._project)
            described = 0
            for part in group.parts:
                scope = part.scope
                for record in part.records:
                    try:
                        mapped = mapper(record, scope, origin)
                    except Exception:
                        log.exception("a %s of scope %r could not be mapped", signal.what, scope.label)
                        refused.add(f"a {signal.what} could not be mapped; the server's log has the cause")
                        continue
                    if len(origin.places) > described:
                        for place in [*origin.places.values()][described:]:
                            if place.digest not in known:
                                batch.describe(origin, place, signal.moment(record))
                        described = len(origin.places)
                    batch.add(mapped)
                    if batch.records >= records_max or batch.bytes >= self._bytes_max:
                        yield self._ready(batch)
                        batch = _Growing()
        if batch.events:
            yield self._ready(batch)

    def _ready(self, batch: _Growing) -> Batch:
        events = self._intake.prepare_all(batch.events)
        # Where a secret was taken out, or a long text cut, the payload is another than was mapped.
        payloads = [
            payload if event.payload is mapped.payload else None
            for event, mapped, payload in zip(events, batch.events, batch.payloads, strict=True)
        ]
        items = self._preparation.ready(events, payloads)
        return Batch(items, batch.owners, batch.records, batch.described)


def _even(count: int, most: int) -> int:
    """How many of so many are in each part, where parts hold at most so many and are of one size."""
    return -(-count // -(-count // most)) if count else 1


class _Growing:
    """A batch while it is put together."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.payloads: list[Payload | None] = []
        self.owners: list[int] = []
        self.records = 0
        self.bytes = 0
        self.described: dict[str, int] = {}

    def describe(self, origin: Origin, place: Place, seen_ns: int) -> None:
        if place.digest not in self.described:
            self.described[place.digest] = len(self.events)
            self.events.append(map_resource(origin, place, seen_ns))
            self.payloads.append(None)
            self.owners.append(NOBODY)

    def add(self, mapped: Mapped) -> None:
        payload = mapped.payload
        for event in mapped.events:
            self.events.append(event)
            self.payloads.append(payload)
            self.owners.append(self.records)
            self.bytes += len(event.payload)
            payload = None  # it is of the first
        self.records += 1


def _numbered_logs() -> Mapper[LogRecord]:
    """`map_log` for one request: records that are equal are told apart by their number."""
    seen: dict[str, int] = {}

    def mapper(record: LogRecord, scope: Scope, origin: Origin) -> Mapped:
        events = map_log(record, scope, origin, 0)
        if OWN_KEY in record.attributes:  # it has an id of its own
            return Mapped(events)
        first = events[0].event_id
        ordinal = seen.get(first, 0)
        seen[first] = ordinal + 1
        return Mapped(map_log(record, scope, origin, ordinal) if ordinal else events)

    return mapper


def _spans() -> Mapper[Span]:
    return mapped_span


def _metrics() -> Mapper[Metric]:
    return lambda metric, scope, origin: Mapped((map_metric(metric, scope, origin),))


def _span_ended(span: Span) -> int:
    return span.end_ns


def _log_happened(record: LogRecord) -> int:
    return record.time_ns


def _metric_taken(metric: Metric) -> int:
    times: Iterator[int] = (int(point.get("time_ns") or 0) for point in metric.points)
    return max(times, default=0)


SIGNALS: dict[SignalName, Signal] = {
    "traces": Signal("span", decode_proto.decode_traces, decode_json.decode_traces, _spans, _span_ended),
    "logs": Signal("log record", decode_proto.decode_logs, decode_json.decode_logs, _numbered_logs, _log_happened),
    "metrics": Signal("metric", decode_proto.decode_metrics, decode_json.decode_metrics, _metrics, _metric_taken),
}
