"""Rules, plans, holds and receipts as plain data: what the API answers and the command line prints."""

from __future__ import annotations

from typing import Any

import msgspec

from flightlog.clock import NS_PER_SECOND, format_ns
from flightlog.retention.holds import Hold
from flightlog.retention.plan import Done, Plan, Tally
from flightlog.retention.receipts import Receipt
from flightlog.retention.rules import DEFAULT, DEFAULT_AUDIT, FIELDS, Rules

DAY = 86_400
_UNITS = ((365 * DAY, "year"), (7 * DAY, "week"), (DAY, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


class RuleShape(msgspec.Struct, kw_only=True):
    """One rule in its place: what it asks for, and how many seconds what passes is kept; null is for ever."""

    label: str
    keep_seconds: float | None
    keep: str
    asks: dict[str, list[str]]


class RulesShape(msgspec.Struct, kw_only=True):
    """The rules in their order, the defaults last. `summaries` says how long summaries are kept beyond their events."""

    rules: list[RuleShape]
    summaries: str
    summaries_seconds: float | None


class AmountShape(msgspec.Struct, kw_only=True):
    """Events, and the bytes of their payloads as text."""

    events: int
    bytes: int


class FilePlanShape(msgspec.Struct, kw_only=True):
    """A file of the archive of which `due` of `events` events are due; where that is all, it goes as a `whole`."""

    path: str
    events: int
    due: int
    bytes: int
    whole: bool


class PlanShape(msgspec.Struct, kw_only=True):
    """What a pass would remove now. `in_tables` of the events are not archived yet; `held` would be due but for a hold; `unsealed`
    ones wait for the seal; `runs` are summaries; `capped` are runs with more than `run_events_max` events.
    """

    at: str
    events: int
    bytes: int
    oldest_at: str | None
    newest_at: str | None
    by_rule: dict[str, AmountShape]
    by_project: dict[str, AmountShape]
    by_type: dict[str, AmountShape]
    in_tables: int
    files: list[FilePlanShape]
    held: int
    unsealed: int
    runs: int
    capped: list[str]


class DoneShape(msgspec.Struct, kw_only=True):
    """What a pass removed; `receipts` are the journal ids of the audit events that say so."""

    events: int
    bytes: int
    in_tables: int
    files_dropped: int
    files_rewritten: int
    runs: int
    capped: list[str]
    receipts: list[int]


class HoldShape(msgspec.Struct, kw_only=True):
    """A legal hold: what it covers, why and by whom; and how it ended, where it did."""

    hold_id: str
    selection: dict[str, Any]
    reason: str
    actor: str
    placed_at: str
    released_at: str | None
    released_by: str | None
    release_reason: str | None


class HoldsShape(msgspec.Struct, kw_only=True):
    """Holds, the oldest first."""

    holds: list[HoldShape]


class ReleaseGiven(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Why a hold ends; it is kept in the audit trail."""

    reason: str


class ReceiptShape(msgspec.Struct, kw_only=True):
    """What was removed at once: the event that says so, and its details."""

    id: int
    event_id: str
    at: str
    actor: str | None
    details: dict[str, Any]


class ReceiptsShape(msgspec.Struct, kw_only=True):
    """Receipts, the newest first. `next_before_id` leads to older ones."""

    receipts: list[ReceiptShape]
    next_before_id: int | None


def rules_shape(rules: Rules) -> RulesShape:
    """The rules as they are asked, one after another."""
    told = [
        RuleShape(
            label=rule.label,
            keep_seconds=_seconds(rule.keep_ns),
            keep=age(rule.keep_ns),
            asks={name: list(values) for name in FIELDS if (values := getattr(rule, name))},
        )
        for rule in rules.rules
    ]
    for label, ns in ((DEFAULT_AUDIT, rules.audit_ns), (DEFAULT, rules.default_ns)):
        told.append(RuleShape(label=label, keep_seconds=_seconds(ns), keep=age(ns), asks={}))
    return RulesShape(rules=told, summaries=age(rules.summaries_ns), summaries_seconds=_seconds(rules.summaries_ns))


def plan_shape(plan: Plan) -> PlanShape:
    """What would go."""
    tally = plan.tally
    return PlanShape(
        at=format_ns(plan.at),
        events=tally.events,
        bytes=tally.bytes,
        oldest_at=None if tally.oldest_at is None else format_ns(tally.oldest_at),
        newest_at=None if tally.newest_at is None else format_ns(tally.newest_at),
        by_rule=_amounts(tally, "rules"),
        by_project=_amounts(tally, "projects"),
        by_type=_amounts(tally, "types"),
        in_tables=plan.in_tables,
        files=[
            FilePlanShape(path=file.path, events=file.events, due=file.due, bytes=file.bytes, whole=file.whole)
            for file in plan.files
        ],
        held=plan.held,
        unsealed=plan.unsealed,
        runs=plan.runs,
        capped=plan.capped,
    )


def done_shape(done: Done) -> DoneShape:
    """What went."""
    return DoneShape(
        events=done.events,
        bytes=done.bytes,
        in_tables=done.in_tables,
        files_dropped=done.files_dropped,
        files_rewritten=done.files_rewritten,
        runs=done.runs,
        capped=done.capped,
        receipts=done.removal_ids,
    )


def hold_shape(hold: Hold) -> HoldShape:
    """One hold."""
    return HoldShape(
        hold_id=hold.hold_id,
        selection=hold.selection,
        reason=hold.reason,
        actor=hold.actor,
        placed_at=format_ns(hold.placed_at),
        released_at=None if hold.released_at is None else format_ns(hold.released_at),
        released_by=hold.released_by,
        release_reason=hold.release_reason,
    )


def receipts_shape(found: list[Receipt], limit: int) -> ReceiptsShape:
    """A page of receipts."""
    told = [
        ReceiptShape(
            id=one.id, event_id=one.event_id, at=format_ns(one.created_at), actor=one.actor, details=one.details
        )
        for one in found
    ]
    return ReceiptsShape(receipts=told, next_before_id=told[-1].id if len(told) == limit else None)


def age(ns: int | None) -> str:
    """How long, in words.

    >>> age(7 * 86_400 * 10**9), age(36 * 3600 * 10**9), age(None)
    ('1 week', '36 hours', 'for ever')
    """
    if ns is None:
        return "for ever"
    seconds = ns / NS_PER_SECOND
    for unit, word in _UNITS:
        if seconds >= unit and seconds % unit == 0:
            number = int(seconds // unit)
            return f"{number} {word}{'' if number == 1 else 's'}"
    return f"{seconds:g} seconds"


def _seconds(ns: int | None) -> float | None:
    return None if ns is None else ns / NS_PER_SECOND


def _amounts(tally: Tally, name: str) -> dict[str, AmountShape]:
    found = sorted(getattr(tally, name).items(), key=lambda item: (-item[1].events, item[0]))
    return {key: AmountShape(events=amount.events, bytes=amount.bytes) for key, amount in found}
