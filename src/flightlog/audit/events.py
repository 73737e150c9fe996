"""The audit events of what Flightlog itself does; without a store, so that any door can make them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from flightlog.clock import Clock, SystemClock
from flightlog.events.envelope import Event
from flightlog.events.payload import encode_payload
from flightlog.ids import Ids, SystemIds

SOURCE = "flightlog"  # of what Flightlog does by its own doors


class Care(Protocol):
    """What takes secrets out of an event before it is stored."""

    def prepare(self, event: Event) -> Event: ...


def admin_event(
    operation: str,
    *,
    actor: str,
    subject_type: str,
    subject_id: str | None = None,
    outcome: str = "succeeded",
    details: Mapping[str, Any] | None = None,
    project: str = "default",
    care: Care | None = None,
    clock: Clock | None = None,
    ids: Ids | None = None,
) -> Event:
    """The event that says what Flightlog did to its own store, or what was done to it by hand. `care` takes secrets out."""
    now = (clock or SystemClock()).now_ns()
    said = {
        "operation": operation, "subject_type": subject_type, "subject_id": subject_id, "outcome": outcome,
        "details": dict(details or {}),
    }  # fmt: skip
    encoded = encode_payload({key: value for key, value in said.items() if value is not None})
    event = Event(
        event_id=(ids or SystemIds()).event_id(now),
        type="audit",
        created_at=now,
        project=project,
        name=operation,
        source=SOURCE,
        actor=actor,
        status=outcome,
        level="info" if outcome == "succeeded" else "warn",
        flags=encoded.flags,
        payload=msgspec.Raw(encoded.data),
    )
    return event if care is None else care.prepare(event)
