"""Recording: an audit event with what became of it, and what Flightlog itself does to a store."""

from __future__ import annotations

from typing import Any

import msgspec

from flightlog.audit.actors import http_actor as http_actor
from flightlog.audit.actors import os_actor as os_actor
from flightlog.audit.events import admin_event as admin_event
from flightlog.audit.listing import Audit, find_audit, get_audit
from flightlog.events.envelope import Event
from flightlog.journal.append import Journal
from flightlog.store.contract import Tx


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
