"""What is counted while it happens, for the life of the process. Each part below calls the methods that its own Protocol names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from flightlog.events.catalogue import CATALOGUE
from flightlog.events.envelope import Event
from flightlog.journal.append import Appended
from flightlog.metrics.counting import OTHER, Counter, Histogram

CUSTOM_TYPES_MAX = 100  # types of users' own that get a label of their own
REASONS_MAX = 50
# What is there from the start: a counter that begins with its first event has no increase that an alert could see.
LOSSES = (
    "dropping", "disk_full", "encode_failed", "gap", "rejected", "shedding_debug", "shedding_info", "spool_corrupt",
    "spool_full", "spool_stalled", "spool_unwritable", "undecodable", OTHER,
)  # fmt: skip
FAILURES = ("StoreBusy", "StoreGone", "StoreUnavailable", "StoreUncertain", "EventIdConflict")


class Meters:
    """The counters of one process: what the journal, the store, the receiver and the HTTP door say of themselves."""

    def __init__(self) -> None:
        self.stored = Counter(len(CATALOGUE) + CUSTOM_TYPES_MAX)
        self.duplicates = Counter()
        self.rejected = Counter()
        self.lost = Counter(REASONS_MAX)
        self.append_seconds = Histogram()
        self.append_failures = Counter()
        self.store_seconds = Histogram()
        self.records = Counter()
        self.requests = Counter()
        self.request_seconds = Histogram()
        self.look_failures = Counter()
        for counter, known in ((self.stored, CATALOGUE), (self.lost, LOSSES), (self.append_failures, FAILURES)):
            for label in known:
                counter.add(0, label)
        self.append_seconds.expect()
        self.store_seconds.expect("read")
        self.store_seconds.expect("write")
        for counter in (self.duplicates, self.rejected):
            counter.add(0)
        for signal in ("traces", "logs", "metrics"):
            for outcome in ("accepted", "duplicate", "rejected"):
                self.records.add(0, signal, outcome)

    # ── journal/append.py: Meter ─────────────────────────────────────────────────────────────────────────────────

    def appended(self, events: Sequence[Event], appended: Appended, seconds: float | None) -> None:
        """A batch is in the journal."""
        counts: dict[str, int] = {}
        if appended.stored == len(events):
            for event in events:
                counts[event.type] = counts.get(event.type, 0) + 1
        else:
            seen = 0
            for event, row_id in zip(events, appended.ids, strict=True):
                # Twice the same event in one batch is stored once.
                if row_id > seen and appended.first_id <= row_id and appended.first_id:
                    counts[event.type] = counts.get(event.type, 0) + 1
                    seen = row_id
            self.duplicates.add(appended.duplicates)
            self.rejected.add(len(appended.rejected))
        if counts:
            self.stored.add_all(counts)
            if "degraded" in counts:
                self._count_losses(events)
        if seconds is not None:
            self.append_seconds.take(seconds)

    def append_failed(self, error: BaseException) -> None:
        """A batch is not in the journal."""
        self.append_failures.add(1, type(error).__name__)

    def _count_losses(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.type == "degraded":
                loss = _read_loss(event.payload)
                self.lost.add(loss.count, loss.reason)

    # ── store/contract.py: Meter ─────────────────────────────────────────────────────────────────────────────────

    def wrote(self, seconds: float) -> None:
        """A write was committed or refused."""
        self.store_seconds.take(seconds, "write")

    def read(self, seconds: float) -> None:
        """A snapshot was let go of."""
        self.store_seconds.take(seconds, "read")

    # ── ingest/otlp/receive.py: Meter ────────────────────────────────────────────────────────────────────────────

    def received(self, signal: str, accepted: int, duplicates: int, rejected: int) -> None:
        """A request of OpenTelemetry was answered."""
        self.records.add(accepted - duplicates, signal, "accepted")
        if duplicates:
            self.records.add(duplicates, signal, "duplicate")
        if rejected:
            self.records.add(rejected, signal, "rejected")

    # ── metrics/http.py ──────────────────────────────────────────────────────────────────────────────────────────

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request over HTTP got the beginning of its answer."""
        self.requests.add(1, method, route, str(status))
        self.request_seconds.take(seconds, route)


class _Loss(msgspec.Struct):
    count: Any = None
    reason: Any = None


class _Lost(msgspec.Struct):
    count: int
    reason: str


def _read_loss(payload: msgspec.Raw | bytes) -> _Lost:
    try:
        loss = msgspec.json.decode(payload, type=_Loss)
    except (ValueError, RecursionError):
        return _Lost(0, OTHER)
    count = loss.count if isinstance(loss.count, int) and not isinstance(loss.count, bool) and loss.count > 0 else 0
    return _Lost(count, loss.reason if isinstance(loss.reason, str) and len(loss.reason) <= 60 else OTHER)
