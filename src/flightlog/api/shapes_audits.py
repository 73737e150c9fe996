"""Audit records as JSON."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from flightlog.api.shapes import EventShape, event_shape
from flightlog.audit.listing import Audit, AuditDetail, AuditPage, Decisions
from flightlog.clock import format_ns


class AuditGiven(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What was done. `subject_type` and `subject_id` say to what; without them it is about the task, else about the run. With
    an `event_id` of your own it may be sent again.
    """

    operation: str
    subject_type: str | None = None
    subject_id: str | None = None
    outcome: str | None = None
    details: Any = None
    level: str = "info"
    actor: str | None = None
    source: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    trace_id: str | None = None
    correlation_id: str | None = None
    project: str | None = None
    event_id: str | None = None


class AuditShape(msgspec.Struct, kw_only=True):
    """One audit record, or one decision on a permission, of which `operation` is the capability and `status` the decision.
    `orphan` is `known`, `orphaned` as long as nothing else in the store names its run or task (`missing` says which), or `adopted`
    since `adopted_at`. `id` is its event's. Where one alone is asked for, `event` is that event, and `paired` has the records of
    the same correlation id, such as the request.
    """

    id: int
    event_id: str
    created_at: str
    project: str
    run_id: str | None
    task_id: str | None
    type: str
    level: str
    subject_type: str | None
    subject_id: str | None
    actor: str | None
    source: str | None
    operation: str | None
    status: str | None
    capability: str | None
    decision: str | None
    rule: str | None
    approver: str | None
    reason: str | None
    expires_at: str | None
    action_digest: str | None
    correlation_id: str | None
    orphan: str
    missing: list[str]
    adopted_at: str | None
    adopted_by: int | None
    event: EventShape | UnsetType = UNSET
    paired: list[AuditShape] | UnsetType = UNSET


class AuditPageShape(msgspec.Struct, rename="camel"):
    """A page of audit records, the latest first. `nextCursor` is null on the last page."""

    audits: list[AuditShape]
    next_cursor: str | None


class AuditOutcomeShape(msgspec.Struct, kw_only=True):
    """What became of a record: `stored`, or `orphaned` where its run or task is not in the store (yet)."""

    state: str
    event_id: str
    id: int
    reason: str | None
    audit: AuditShape


class CapabilityShape(msgspec.Struct, kw_only=True):
    """How often a capability was asked for, and how that was decided. `other` are words that are no decision."""

    capability: str | None
    requested: int
    granted: int
    denied: int
    other: int
    last_at: str


class DecisionsShape(msgspec.Struct):
    """Capabilities by decision, the most frequent first, and the sums of all of them."""

    capabilities: list[CapabilityShape]
    total: dict[str, int]


def audit_shape(one: Audit) -> AuditShape:
    """The record as JSON shows it."""
    members = msgspec.structs.asdict(one)
    gone = members.pop("run_missing"), members.pop("task_missing")
    for name in ("created_at", "expires_at", "adopted_at"):
        if members[name] is not None:
            members[name] = format_ns(members[name])
    return AuditShape(**members, missing=[what for what, missing in zip(("run", "task"), gone, strict=True) if missing])


def audit_detail_shape(detail: AuditDetail) -> AuditShape:
    """The record with its event and its counterparts."""
    shown = audit_shape(detail.audit)
    shown.event = event_shape(detail.event)
    shown.paired = [audit_shape(each) for each in detail.paired]
    return shown


def audit_page_shape(page: AuditPage) -> AuditPageShape:
    """The page as JSON shows it."""
    return AuditPageShape([audit_shape(one) for one in page.audits], page.next_cursor)


def audit_outcome_shape(one: Audit) -> AuditOutcomeShape:
    """What became of a record that was just appended."""
    shown = audit_shape(one)
    waits = one.orphan == "orphaned"
    reason = f"its {' and its '.join(shown.missing)} is not in the store (yet)" if waits else None
    return AuditOutcomeShape(
        state="orphaned" if waits else "stored", event_id=one.event_id, id=one.id, reason=reason, audit=shown
    )


def decisions_shape(found: Decisions) -> DecisionsShape:
    """The matrix as JSON shows it."""
    rows = []
    for row in found.rows:
        members = msgspec.structs.asdict(row)
        members["last_at"] = format_ns(row.last_at)
        rows.append(CapabilityShape(**members))
    return DecisionsShape(rows, found.total)
