"""Events of all kinds that numbers are made of, by chance that is handed in; and the same numbers by a plain walk through them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from flightlog.analytics.rounding import PERCENTS, rounded
from flightlog.events.envelope import Event
from tests.api.serving import SECOND, START, event

HOUR = 3_600 * SECOND
Row = dict[str, Any]

MODELS = ("alpha-5", "beta-6", "alpine-5-70b", "Ünïcode-1", None)
TOOLS = ("bash", "read_file", "write_file", None)
PROJECTS = ("default", "shop")


def flight(chance: random.Random, events: int, spread_ns: int = 60 * HOUR) -> list[Event]:
    """So many events over that time, in no strict order of it."""
    return [_one(chance, number, START + chance.randrange(spread_ns)) for number in range(events)]


def _one(chance: random.Random, number: int, at: int) -> Event:
    common = {
        "created_at": at,
        "project": chance.choice(PROJECTS),
        "actor": chance.choice(("ann", "bob", None)),
        "source": chance.choice(("sdk", None)),
        "run_id": f"r{number // 2 % 5}",
        "duration_ns": chance.choice((None, 0, chance.randrange(10 ** chance.randrange(1, 13)))),
        "status": chance.choice((None, None, "ok", "error")),
    }
    # An even number may ask what the next answers.
    kind = chance.choice((("llm_request", "llm_response")[number % 2], "tool_result", "note"))
    if kind == "llm_request":
        payload = {"messages": [], "model": chance.choice(MODELS[:4]), "provider": "asked"}
        return event(number, kind, payload=payload, **{**common, "correlation_id": f"c{number // 2}", "status": None})
    if kind == "llm_response":
        return event(number, kind, payload=_answered(chance), **{**common, "correlation_id": f"c{number // 2}"})
    if kind == "tool_result":
        return event(number, kind, payload={"result": "x"}, name=chance.choice(TOOLS), **common)
    return event(number, kind, **{**common, "status": None, "duration_ns": None})


def _answered(chance: random.Random) -> dict[str, Any]:
    payload: dict[str, Any] = {"message": {"role": "assistant", "content": "yes"}}
    if chance.random() < 0.8:
        payload["usage"] = {"input_tokens": chance.choice((0, 12, 9 * 10**17)), "output_tokens": chance.randrange(900)}
    if chance.random() < 0.6:
        payload["cost_usd"] = chance.choice((0, 0.000_001, 0.25, 4_000_000.5))
    if (model := chance.choice(MODELS)) is not None:
        payload["model"] = model
    if chance.random() < 0.2:
        payload["error"] = {"kind": chance.choice(("RateLimit", "Timeout")), "message": "no"}
    if chance.random() < 0.5:
        payload["provider"] = chance.choice(("openai", "anthropic"))
    if chance.random() < 0.3:
        payload["time_to_first_chunk_ns"] = chance.randrange(10**10)
    return payload


def plainly(events: Iterable[Event], of: str, by: str | None, width: int | None, holds: Callable[[Row], bool]) -> Any:
    """{(value, bucket): numbers} by one walk; with `by` None the value is None, without a width the bucket is 0."""
    every = list(events)
    asked = {one.correlation_id: msgspec.json.decode(one.payload) for one in every if one.type == "llm_request"}
    found: dict[tuple[str | None, int], list[Row]] = {}
    for one in every:
        row = _row(one, asked)
        if one.type == {"models": "llm_response", "tools": "tool_result"}[of] and holds(row):
            key = (None if by is None else row[by], 0 if width is None else one.created_at // width)
            found.setdefault(key, []).append(row)
    return {key: _numbers(rows, of) for key, rows in found.items()}


def _row(one: Event, asked: dict[str | None, Any]) -> Row:
    said = msgspec.json.decode(one.payload)
    request, error = asked.get(one.correlation_id, {}), said.get("error") or {}
    usage = said.get("usage", {})
    model = said.get("model") or one.name or request.get("model")
    return {
        "model": model, "provider": said.get("provider") or request.get("provider"), "tool": one.name,
        "actor": one.actor, "project": one.project, "error": error.get("kind"), "at": one.created_at,
        "failed": one.status == "error" or bool(error and one.type == "llm_response"), "took": one.duration_ns,
        "input": usage.get("input_tokens"), "output": usage.get("output_tokens"),
        "cost": None if said.get("cost_usd") is None else round(said["cost_usd"] * 10**9),
        "first": said.get("time_to_first_chunk_ns"),
    }  # fmt: skip


def _numbers(rows: list[Row], of: str) -> Row:
    errors = sum(row["failed"] for row in rows)
    made: Row = {"calls": len(rows), "errors": errors, "error_rate": errors / len(rows)}
    made["latency_ns"] = _spread(row["took"] for row in rows)
    if of == "tools":
        return made
    made |= {f"tokens_{name}": min(sum(row[name] or 0 for row in rows), 2**63 - 1) for name in ("input", "output")}
    made |= dict.fromkeys(("tokens_cached_input", "tokens_cache_write", "tokens_reasoning"), 0)
    made["cost_usd"] = sum(row["cost"] or 0 for row in rows) / 10**9
    made["priced"] = sum(row["cost"] is not None for row in rows)
    made["first_chunk_ns"] = _spread(row["first"] for row in rows)
    return made


def _spread(values: Iterable[int | None]) -> Row:
    """Percentiles of the values as they are, then rounded."""
    known = sorted(value for value in values if value is not None)
    found = {f"p{percent}": known[-(-len(known) * percent // 100) - 1] if known else None for percent in PERCENTS}
    return {"count": len(known), **{name: None if value is None else rounded(value) for name, value in found.items()}}
