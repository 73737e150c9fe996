"""How long what is kept, what is held, and what was removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from flightlog.console import format as fmt
from flightlog.console.page import Page, href
from flightlog.errors import RetentionInvalid
from flightlog.retention.holds import Hold, holds
from flightlog.retention.janitor import RetentionHealth
from flightlog.retention.receipts import Receipt, receipts
from flightlog.retention.rules import DEFAULT_AUDIT, Rules
from flightlog.retention.told import RuleShape, age, rules_shape
from flightlog.services import Services
from flightlog.version import __version__

PARAMETERS: frozenset[str] = frozenset()
RECEIPTS_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class RetentionRule:
    """One rule in its place."""

    label: Annotated[str, "What it is called."]
    keep: Annotated[str, "How long what it is about is kept."]
    what: Annotated[str, "What it asks for; empty for all else."]


@dataclass(frozen=True, kw_only=True)
class RetentionHold:
    """One hold that stands."""

    what: Annotated[str, "What it covers."]
    reason: Annotated[str, "Why."]
    actor: Annotated[str, "Who placed it."]
    when: Annotated[fmt.Moment, "Since when."]
    href: Annotated[str, "The audit event that says so."]


@dataclass(frozen=True, kw_only=True)
class RetentionReceipt:
    """One removal."""

    events: Annotated[str, "How much went."]
    rules: Annotated[str, "By which rules."]
    actor: Annotated[str, "Who had it done."]
    when: Annotated[fmt.Moment, "When."]
    href: Annotated[str, "The audit event that says so."]


@dataclass(frozen=True, kw_only=True)
class RetentionPage(Page):
    """Retention."""

    template: ClassVar[str] = "retention.html"

    state: Annotated[str, "What the janitor does, in a sentence."]
    trouble: Annotated[str, "Why nothing is removed; empty where all is well."]
    rules: Annotated[list[RetentionRule], "The rules in their order, the defaults last."]
    summaries: Annotated[str, "How long summaries are kept beyond their events."]
    holds: Annotated[list[RetentionHold], "The holds that stand, the oldest first."]
    receipts: Annotated[list[RetentionReceipt], "The last removals, the newest first."]


def retention_page(services: Services) -> RetentionPage:
    """The page."""
    now = services.clock.now_ns()
    rules, trouble = Rules((), services.settings), ""
    if services.retention is not None:
        try:
            rules = services.retention.retention.rules()
        except RetentionInvalid as error:
            trouble = error.message
    health = services.retention.health() if services.retention is not None else None
    with services.store.read() as connection:
        standing, last = holds(connection), receipts(connection, RECEIPTS_SHOWN)
    return RetentionPage(
        title="Retention",
        place="audit",
        scope="audit",
        action="/audit",
        version=__version__,
        state=_state(health, now),
        trouble=trouble or (health.error or "" if health is not None else ""),
        rules=[_rule(rule) for rule in rules_shape(rules).rules],
        summaries=age(rules.summaries_ns),
        holds=[_hold(hold, now) for hold in standing],
        receipts=[_receipt(receipt, now) for receipt in last],
    )


def _state(health: RetentionHealth | None, now: int) -> str:
    if health is None or (health.state == "stopped" and not health.ended_at):
        return "Nobody removes what is due by itself; flightlog retention run does."
    if health.state == "removing":
        return "What is due is being removed."
    if health.last is None:
        return "What is due is looked for in a minute."
    went = fmt.counted(health.last.events, "event", "events")
    return f"{went} went in the last pass, {fmt.count(health.removed)} since the start."


def _rule(rule: RuleShape) -> RetentionRule:
    what = "audit records, decisions on permissions" if rule.label == DEFAULT_AUDIT else _said(rule.asks)
    return RetentionRule(label=rule.label, keep=rule.keep, what=what)


def _hold(hold: Hold, now: int) -> RetentionHold:
    return RetentionHold(
        what=_said(hold.selection),
        reason=hold.reason,
        actor=hold.actor,
        when=fmt.moment(hold.placed_at, now),
        href=href("/events", {"id": hold.placed_id, "afterId": hold.placed_id - 1}),
    )


def _receipt(receipt: Receipt, now: int) -> RetentionReceipt:
    details = receipt.details
    if "events" in details:
        events = fmt.counted(int(details["events"]), "event", "events")
    else:
        events = fmt.counted(int(details.get("runs", 0)), "run summary", "run summaries")
    told = details.get("rules", {})
    return RetentionReceipt(
        events=events,
        rules=", ".join(str(label) for label in told) if isinstance(told, dict) else "",
        actor=receipt.actor or "",
        when=fmt.moment(receipt.created_at, now),
        href=href(f"/events/{receipt.event_id}"),
    )


def _said(asks: dict[str, Any]) -> str:
    return "; ".join(f"{name} {', '.join(value) if isinstance(value, list) else value}" for name, value in asks.items())
