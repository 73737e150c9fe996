"""Events for tests, with ids that say which they are."""

from __future__ import annotations

from typing import Any

import msgspec

from flightlog.events.envelope import Event

START = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


def event(number: int, type_: str = "note", /, *, payload: Any = None, **fields: Any) -> Event:
    """Event number `number`: a note of run r1, one second after the one before, unless `fields` say otherwise."""
    given: dict[str, Any] = {
        "event_id": f"e{number:06d}",
        "type": type_,
        "created_at": START + number * SECOND,
        "run_id": "r1",
        "payload": msgspec.Raw(msgspec.json.encode({"text": f"number {number}"} if payload is None else payload)),
    }
    return Event(**{**given, **fields})


def numbers(events: list[Any]) -> list[int]:
    """Which events these are."""
    return [int(found.event_id[1:]) for found in events]
