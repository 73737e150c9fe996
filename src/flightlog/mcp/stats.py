"""Tokens, cost, errors and latency of model calls and tools, by what an agent asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from flightlog.errors import FilterInvalid
from flightlog.mcp.answer import Answer, clip, row
from flightlog.mcp.records import Doc, Records
from flightlog.mcp.transcript import took

CALLS_MAX = 20_000  # calls that are added up, the newest first; beyond that the answer says so
PAGE_CALLS = 500
GROUPS_MAX = 60

BY: dict[str, Callable[[Doc], str]] = {
    "model": lambda call: call["model"] or "(unknown)",
    "provider": lambda call: call["provider"] or "(unknown)",
    "day": lambda call: call["started_at"][:10],
    "hour": lambda call: call["started_at"][:13],
    "project": lambda call: call["project"],
    "actor": lambda call: call["actor"] or "(nobody)",
    "run": lambda call: call["run_id"] or "(no run)",
}
WHATS = (*BY, "tool")


@dataclass
class Group:
    """Calls that have something in common, being added up."""

    calls: int = 0
    errors: int = 0
    tokens_input: int = 0
    tokens_output: int = 0
    cost_usd: float = 0.0
    took: list[int] = field(default_factory=list)

    def take(self, call: Doc) -> None:
        self.calls += 1
        self.errors += call.get("status") == "error"
        self.tokens_input += call.get("tokens_input") or 0
        self.tokens_output += call.get("tokens_output") or 0
        self.cost_usd += call.get("cost_usd") or 0.0
        if call.get("duration_ns") is not None:
            self.took.append(call["duration_ns"])


def query_stats(records: Records, by: str, query: str | None, since: str | None, chars_max: int) -> str:
    """Calls grouped by one thing; those that took or cost most first, days and hours in their order.

    Raises FilterInvalid, QueryInvalid.
    """
    if by not in WHATS:
        raise FilterInvalid(reason=f"by is one of {', '.join(WHATS)}, not {by!r}")
    groups: dict[str, Group] = {}
    counted = 0
    name_of = BY.get(by, _tool)
    calls = _tool_calls(records, query, since) if by == "tool" else _model_calls(records, query, since)
    whole = True
    for call in calls:
        if counted >= CALLS_MAX:
            whole = False
            break
        counted += 1
        groups.setdefault(name_of(call), Group()).take(call)
    if not groups:
        return "There are no such calls."
    answer = Answer(chars_max)
    shown = _ordered(by, groups)
    left = len(groups) - len(shown) + answer.add_all(f"calls by {by}:", (_line(name, group) for name, group in shown))
    own = [f"{counted:,} calls in {len(groups):,} groups."]
    if not whole:
        own.append(f"Only the newest {CALLS_MAX:,} calls were added up; ask for less with since or query.")
    if left:
        own.append(f"{left:,} groups are not shown.")
    return answer.text(*own)


def _ordered(by: str, groups: dict[str, Group]) -> list[tuple[str, Group]]:
    if by in ("day", "hour"):
        return sorted(groups.items(), reverse=True)[:GROUPS_MAX]
    return sorted(groups.items(), key=lambda one: (-one[1].cost_usd, -sum(one[1].took), one[0]))[:GROUPS_MAX]


def _line(name: str, group: Group) -> str:
    ordered = sorted(group.took)
    return "- " + row(
        clip(name, 120),
        f"{group.calls:,} calls",
        f"{group.errors:,} errors" if group.errors else "",
        f"{group.tokens_input:,} → {group.tokens_output:,} tokens" if group.tokens_input or group.tokens_output else "",
        f"${group.cost_usd:.4f}" if group.cost_usd else "",
        f"p50 {took(_percentile(ordered, 50))}, p95 {took(_percentile(ordered, 95))}" if ordered else "",
    )


def _tool(event: Doc) -> str:
    return str(event["name"] or "(no name)")


def _percentile(ordered: list[int], percent: int) -> int:
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def _model_calls(records: Records, query: str | None, since: str | None) -> Iterator[Doc]:
    cursor = None
    while True:
        page = records.generations(query or None, since or None, PAGE_CALLS, cursor)
        yield from page["generations"]
        cursor = page["nextCursor"]
        if not cursor:
            return


def _tool_calls(records: Records, query: str | None, since: str | None) -> Iterator[Doc]:
    asked = " ".join(part for part in ("type:tool_result", f"since:{since}" if since else "", query or "") if part)
    before = None
    while True:
        page = records.events(None, asked, before_id=before, limit=PAGE_CALLS, latest=True)
        yield from reversed(page["events"])
        if not page["more"] or not page["events"]:
            return
        before = page["events"][0]["id"]
