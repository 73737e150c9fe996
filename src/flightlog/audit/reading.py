"""What an audit event or a decision says: its payload read once, the same way for every door and for the projection."""

from __future__ import annotations

from typing import Any

import msgspec

from flightlog.clock import parse_ns
from flightlog.events.envelope import StoredEvent

AUDIT, DECISION = "audit", "capability_decision"
TYPES: tuple[str, ...] = (AUDIT, DECISION)
DECISIONS: tuple[str, ...] = ("requested", "granted", "denied")
TEXT_CHARS_MAX = 1_000  # of a text in the table; the payload has the whole

_INT64_MAX = 2**63 - 1
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def columns_of(event: StoredEvent) -> dict[str, Any]:
    """The columns of a record that its event alone decides, in their order.

    A record that names no subject is about its task, else about its run.
    """
    said = _payload(event)
    capability = decision = expires_at = None
    subject = _text(said, "subject_type"), _text(said, "subject_id")
    operation, status = _text(said, "operation") or event.name, _text(said, "outcome") or event.status
    if event.type == DECISION:
        capability, decision = _text(said, "capability") or event.name, _text(said, "decision") or event.status
        operation, status = capability, decision
        expires_at = _moment(said.get("expires_at"))
        resource = _text(said, "resource")
        subject = ("resource", resource) if resource is not None else subject
    if subject == (None, None):
        subject = _around(event)
    return {
        "id": event.id,
        "event_id": event.event_id,
        "created_at": event.created_at,
        "project": event.project,
        "run_id": event.run_id,
        "task_id": event.task_id,
        "type": event.type,
        "level": event.level,
        "subject_type": subject[0],
        "subject_id": subject[1],
        "actor": event.actor,
        "source": event.source,
        "operation": operation,
        "status": status,
        "capability": capability,
        "decision": decision,
        "rule": _text(said, "rule"),
        "approver": _text(said, "approver"),
        "reason": _text(said, "reason"),
        "expires_at": expires_at,
        "action_digest": _text(said, "action_digest"),
        "correlation_id": event.correlation_id,
    }


def _around(event: StoredEvent) -> tuple[str | None, str | None]:
    if event.task_id is not None:
        return "task", event.task_id
    return ("run", event.run_id) if event.run_id is not None else (None, None)


def _payload(event: StoredEvent) -> dict[str, Any]:
    try:
        return _decode(event.payload)
    except (msgspec.DecodeError, RecursionError):
        return {}


def _text(said: dict[str, Any], key: str) -> str | None:
    value = said.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        value = msgspec.json.encode(value).decode()
    return value if len(value) <= TEXT_CHARS_MAX else value[: TEXT_CHARS_MAX - 1] + "…"


def _moment(value: object) -> int | None:
    if not isinstance(value, str):
        return None
    try:
        moment = parse_ns(value)
    except (ValueError, OverflowError):
        return None
    return moment if -_INT64_MAX <= moment <= _INT64_MAX else None
