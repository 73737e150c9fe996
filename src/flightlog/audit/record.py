"""Recording: an audit event with what became of it, and what Flightlog itself does to a store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from flightlog.audit.actors import http_actor as http_actor
from flightlog.audit.actors import os_actor as os_actor
from flightlog.audit.listing import Audit, find_audit, get_audit
from flightlog.clock import Clock, SystemClock
from flightlog.events.envelope import Event
from flightlog.events.payload import encode_payload
from flightlog.ids import Ids, SystemIds
from flightlog.journal.append import Journal
from flightlog.store.contract import Tx

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


def record_admin(journal: Journal, operation: str, *, tx: Tx | None = None, **said: Any) -> str:
    """Append what `admin_event` makes, in the transaction that does it where there is one; gives the event's id."""
    event = admin_event(operation, **said)
    if tx is None:
        journal.append([event])
    else:
        journal.append_in(tx, [event])
    return event.event_id


def append_audit(journal: Journal, event: Event, timeout: float) -> Audit:
    """Append this audit event and give its row after the commit: known, or orphaned and told so. The same event again is no
    second record. Raises EventInvalid, EventIdConflict, StoreBusy after `timeout` seconds, and what the store raises.
    """
    known = find_audit(journal.store, event.event_id)
    if known is not None:  # sent again, a little later
        event = msgspec.structs.replace(event, created_at=known.created_at)
    journal.append([event], timeout=timeout)
    return get_audit(journal.store, event.event_id)
