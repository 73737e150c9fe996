"""Spools, sinks and bodies for the recorder's tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from flightlog.clock import FakeClock
from flightlog.config import Settings
from flightlog.errors import EventInvalid, FlightlogError, StoreUnavailable
from flightlog.events import wire
from flightlog.events.envelope import Event
from flightlog.recorder.drain import Drain
from flightlog.recorder.health import Loss
from flightlog.recorder.spool import SpoolWriter

SETTINGS = Settings(spool_reserve_bytes=0)


def body(number: int, **fields: Any) -> bytes:
    payload = msgspec.Raw(msgspec.json.encode({"text": f"note {number}"}))
    given = {
        "event_id": f"e{number}",
        "type": "note",
        "created_at": number,
        "run_id": "r1",
        "payload": payload,
        **fields,
    }
    return wire.encode(Event(**given))


def loss_events(losses: list[Loss], seq: int) -> list[tuple[int, bytes]]:
    pairs = []
    for loss in losses:
        last = seq + loss.count - 1
        payload = {"reason": loss.reason, "count": loss.count, "first_seq": seq, "last_seq": last}
        event = Event(
            event_id=f"loss-{seq}",
            type="degraded",
            created_at=loss.until,
            run_id=loss.run_id,
            source="recorder",
            payload=msgspec.Raw(msgspec.json.encode(payload)),
        )
        pairs.append((last + 1, wire.encode(event)))
        seq = last + 2
    return pairs


def writer(folder: Path, producer_id: str = "p1", clock: FakeClock | None = None, **settings: Any) -> SpoolWriter:
    chosen = Settings(**{"spool_reserve_bytes": 0, **settings})
    return SpoolWriter(folder, producer_id, chosen, clock or FakeClock(), loss_events)


class ListSink:
    """A sink in memory that behaves as the journal does: exactly once by event id, the position kept with the rows."""

    def __init__(self) -> None:
        self.events: dict[str, Event] = {}
        self.positions: dict[str, int] = {}
        self.broken = False
        self.refuse: set[str] = set()
        self.closed = False
        self.batches = 0

    def write(self, events: Sequence[Event], segment: str, offset: int) -> list[tuple[int, FlightlogError]]:
        if self.broken:
            raise StoreUnavailable(reason="the test says so")
        self.batches += 1
        rejected: list[tuple[int, FlightlogError]] = []
        for index, event in enumerate(events):
            if event.event_id in self.refuse:
                rejected.append((index, EventInvalid(reason="the test says so")))
            else:
                self.events.setdefault(event.event_id, event)
        self.positions[segment] = offset
        return rejected

    def position(self, segment: str) -> int:
        return self.positions.get(segment, 0)

    def forget(self, segment: str) -> None:
        self.positions.pop(segment, None)

    def close(self) -> None:
        self.closed = True

    def notes(self) -> list[str]:
        return [event.event_id for event in self.events.values() if event.type == "note"]

    def lost(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for event in self.events.values():
            if event.type == "degraded":
                payload = msgspec.json.decode(event.payload)
                found[payload["reason"]] = found.get(payload["reason"], 0) + payload["count"]
        return found


def drain(folder: Path, sink: ListSink, **settings: int) -> Drain:
    return Drain(folder, lambda: sink, Settings(**settings) if settings else SETTINGS)


def drain_all(carrier: Drain) -> None:
    for _ in range(100):
        before = len(list(carrier.spool.iterdir())) if carrier.spool.exists() else 0
        if not carrier.drain_once() and len(list(carrier.spool.iterdir())) == before:
            return
    raise AssertionError("the drain does not come to an end")
