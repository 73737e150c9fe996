"""Looking into events."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from flightlog.events.envelope import Event


def payload(event: Event) -> dict[str, Any]:
    decoded = json.loads(bytes(event.payload))
    assert isinstance(decoded, dict)
    return decoded


def types(events: Iterable[Event]) -> dict[str, int]:
    return dict(Counter(event.type for event in events))


def of(events: Iterable[Event], type_: str) -> list[Event]:
    return [event for event in events if event.type == type_]


def total(events: Iterable[Event], key: str) -> int:
    """The sum that a run's summary takes from its llm_response events."""
    return sum(payload(event).get("usage", {}).get(key, 0) for event in of(events, "llm_response"))
