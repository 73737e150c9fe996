"""Looking into events."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from jsonschema import Draft202012Validator

from flightlog.events.catalogue import CATALOGUE, check_event
from flightlog.events.envelope import FLAG_IMPORTED, Event

VALIDATORS = {name: Draft202012Validator(kind.schema) for name, kind in CATALOGUE.items()}


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


def sound(events: Iterable[Event]) -> None:
    """Every event can be stored: it is one of the catalogue's to the letter of its schema, and its id is its own."""
    events = list(events)
    assert len({event.event_id for event in events}) == len(events)
    for event in events:
        check_event(event)
        VALIDATORS[event.type].validate(payload(event))
        assert event.source in ("swe-agent", "claude-code")
        assert event.flags & FLAG_IMPORTED
        for field in event.__struct_fields__:
            if isinstance(value := getattr(event, field), str):
                value.encode("utf-8")
