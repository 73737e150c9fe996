"""From a request of OpenTelemetry to the journal: read, appended, and only then answered.

Nothing here knows how a request came in; each door (HTTP, gRPC) hands over its bytes and tells the sender what became of it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import msgspec

from flightlog.config import Settings
from flightlog.errors import FieldTooLong, FlightlogError
from flightlog.events.envelope import FIELD_CHARS_MAX
from flightlog.ingest.otlp.apart import Apart, NotThere
from flightlog.ingest.otlp.decoded import Decoded
from flightlog.ingest.otlp.model import LogRecord, Metric, Span
from flightlog.ingest.otlp.reading import NOBODY, SIGNALS, Batch, Encoding, Intake, Reading, Refused, SignalName
from flightlog.journal.append import Appended, Journal

RESOURCES_KNOWN_MAX = 10_000  # places that are remembered as stored; beyond that they are described once more


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
    FieldTooLong for a `project` that can't be one. `project` is for records whose resource names none; None is the setting's.
    With `apart`, large requests are read in another process.
    """

    def __init__(self, journal: Journal, intake: Intake, settings: Settings, apart: Apart | None = None) -> None:
        self._journal = journal
        self._reading = Reading(intake, journal.preparation, settings)
        self._apart = apart
        self._known: set[str] = set()
        self._counting = threading.Lock()
        self._under_way = 0  # requests
        self.meter: Meter | None = None

    def take(self, signal: SignalName, encoding: Encoding, body: bytes, project: str | None = None) -> Received:
        """Store the records of a request. Raises BodyInvalid, and ReaderLost where the other process ended over it."""
        _check(project)
        with self._counting:
            self._under_way += 1
        try:
            if self._apart is not None:
                try:
                    return self._take_apart(self._apart, signal, encoding, body, project)
                except NotThere:
                    pass
            return self._here(signal, SIGNALS[signal].decode(body, encoding), project)
        finally:
            with self._counting:
                self._under_way -= 1

    def _take_apart(
        self, apart: Apart, signal: SignalName, encoding: Encoding, body: bytes, project: str | None
    ) -> Received:
        refused = Refused()

        def here(pieces: Iterator[Decoded[Any]]) -> Iterator[Batch]:
            return self._reading.batches(signal, pieces, project, refused, self._known)

        # Of several requests at once each waits for the store anyway; what the server reads itself would only keep it longer.
        alone = here if self._under_way <= 1 else None
        return self._store_all(signal, apart.batches(signal, encoding, body, project, refused, alone), refused)

    def traces(self, decoded: Decoded[Span], project: str | None = None) -> Received:
        """Store these spans."""
        return self._here("traces", decoded, project)

    def logs(self, decoded: Decoded[LogRecord], project: str | None = None) -> Received:
        """The same for log records."""
        return self._here("logs", decoded, project)

    def metrics(self, decoded: Decoded[Metric], project: str | None = None) -> Received:
        """The same for metrics."""
        return self._here("metrics", decoded, project)

    def _here(self, signal: SignalName, decoded: Decoded[Any], project: str | None) -> Received:
        _check(project)
        refused = Refused()
        return self._store_all(signal, self._reading.batches(signal, [decoded], project, refused, self._known), refused)

    def _store_all(self, signal: SignalName, batches: Iterable[Batch], refused: Refused) -> Received:
        received = Received()
        for batch in batches:
            self._forget_known(batch)
            try:
                appended = self._journal.append_ready(batch.items, rejects="return")
            except FlightlogError:
                self._known = set()  # nobody knows what the store is that answers next
                raise
            _settle(batch, appended, received, refused)
            self._remember(batch.described)
        received.rejected, received.reasons = refused.count, refused.reasons
        if self.meter is not None:
            self.meter.received(signal, received.accepted, received.duplicates, received.rejected)
        return received

    def _forget_known(self, batch: Batch) -> None:
        """Leave out descriptions that were stored before; another process does not know of them."""
        known = {place for digest, place in batch.described.items() if digest in self._known}
        if known:
            batch.items = [item for place, item in enumerate(batch.items) if place not in known]
            batch.owners = [owner for place, owner in enumerate(batch.owners) if place not in known]

    def _remember(self, described: Iterable[str]) -> None:
        described = set(described)
        if len(self._known) + len(described) > RESOURCES_KNOWN_MAX:
            self._known = set()
        self._known.update(described)


def _check(project: str | None) -> None:
    if project is not None and len(project) > FIELD_CHARS_MAX["project"]:
        raise FieldTooLong(field="project", length=len(project), limit=FIELD_CHARS_MAX["project"])


def _settle(batch: Batch, appended: Appended, received: Received, refused: Refused) -> None:
    """Count what became of the records."""
    owners = batch.owners
    # A resource is described with the time of its first record, which two processes see differently: the first stays.
    rejected = {owners[at]: error for at, error in appended.rejected if owners[at] != NOBODY}
    for error in rejected.values():
        refused.add(error.message)
    received.accepted += batch.records - len(rejected)
    if appended.duplicates:
        fresh: dict[int, int] = {}
        for owner, row_id in zip(owners, appended.ids, strict=True):
            if row_id >= appended.first_id > 0:
                fresh.setdefault(row_id, owner)
        received.duplicates += batch.records - len(rejected.keys() | {*fresh.values()} - {NOBODY})
