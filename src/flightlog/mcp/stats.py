"""Numbers over all that there is: calls, errors, tokens, cost, time, in groups and by hour or day."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flightlog.mcp.answer import Answer, clip, row
from flightlog.mcp.records import Doc, Records
from flightlog.mcp.transcript import took

WHATS = ("models", "tools", "events", "decisions", "runs", "feedback")
# What groups are where the agent does not say it.
FIRST = {
    "models": "model", "tools": "tool", "events": "type", "decisions": "capability", "runs": "status", "feedback": "name",
}  # fmt: skip
TOP = 20


def query_stats(
    records: Records, of: str, by: str, bucket: str, query: str, since: str, until: str, chars_max: int
) -> str:
    """Groups with their numbers, the largest first; with a bucket also the total over time.

    Raises FilterInvalid, QueryInvalid, StatsTooMuch.
    """
    asked = {
        "of": of or "models", "by": by or FIRST.get(of or "models"), "bucket": bucket or None, "q": query or None,
        "since": since or None, "until": until or None, "top": TOP,
    }  # fmt: skip
    found = records.stats(asked)
    answer = Answer(chars_max)
    answer.add(f"{found['of']} from {found['since'][:16]}Z to {found['until'][:16]}Z", must=True)
    answer.add(f"total: {_numbers(found['total']['numbers'])}", must=True)
    shown = (f"- {clip(str(one['value'] or '(none)'), 120)}: {_numbers(one['numbers'])}" for one in found["groups"])
    left = answer.add_all(f"by {found['by']}, the largest first:", shown)
    others = found["others"]
    if others is not None and others["values"]:
        answer.add(f"- all {others['values']:,} others: {_numbers(others['numbers'])}")
    left += answer.add_all(f"total by {found['bucket']}:", _over_time(found))
    return answer.text(*([f"{left} lines did not fit; ask for less time or a query."] if left else []))


def _over_time(found: Doc) -> Iterator[str]:
    series = found["total"].get("series") or {}
    for place, at in enumerate(found["times"]):
        numbers = {name: values[place] for name, values in series.items()}
        told = _numbers(numbers)
        if told != "nothing":
            yield f"- {at[:16]}Z: {told}"


def _numbers(numbers: Doc) -> str:
    return row(*(_number(name, value) for name, value in numbers.items())) or "nothing"


def _number(name: str, value: Any) -> str:
    """One number with its name; nothing for none of it."""
    words = name.removesuffix("_ns").removesuffix("_usd").replace("_", " ")
    if isinstance(value, dict):
        return f"{words} p50 {took(value.get('p50'))}, p95 {took(value.get('p95'))}" if value.get("count") else ""
    if not value:
        return ""
    if name.endswith("_usd"):
        return f"{words} ${value:,.4f}"
    if name.endswith("_ns"):
        return f"{words} {took(value)}"
    if name.endswith("_rate"):
        return f"{words} {value:.1%}"
    return f"{words} {value:,.6g}" if isinstance(value, float) else f"{words} {value:,}"
