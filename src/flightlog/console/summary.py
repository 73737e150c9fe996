"""What one event says, in one line, for those types whose name alone does not tell."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from flightlog.console import format as fmt
from flightlog.console.ansi import plain
from flightlog.console.blocks import call_line
from flightlog.console.payload import entries, listed, number, words
from flightlog.events.envelope import StoredEvent

CHARS_MAX = 160
_CLOCK = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*")

Payload = dict[str, Any]


def summarize(event: StoredEvent) -> str:
    """One line out of the payload; empty when it holds nothing to say. Never raises: payloads are anybody's."""
    say = _SAYINGS.get(event.type)
    if say is None:
        return ""
    try:
        payload = msgspec.json.decode(event.payload)
        return clip(say(payload) if isinstance(payload, dict) else "")
    except (ValueError, RecursionError, TypeError, AttributeError, KeyError, IndexError):
        return ""


def clip(text: object) -> str:
    """One line of at most CHARS_MAX characters.

    >>> clip("two\\n  lines")
    'two lines'
    """
    line = " ".join(str("" if text is None else text)[: 4 * CHARS_MAX].split())
    return line if len(line) <= CHARS_MAX else line[: CHARS_MAX - 1] + "…"


def _error(error: Any) -> str:
    if not isinstance(error, dict):
        return ""
    kind, message = error.get("kind"), error.get("message")
    return f"{kind}: {message}" if kind and message else str(message or kind or "")


def _lost(payload: Payload) -> str:
    count = payload.get("count")
    reason = str(payload.get("reason", "unknown")).replace("_", " ")
    return (f"{count} lost: {reason}" if count else reason) + _between(payload.get("since"), payload.get("until"))


def _between(since: Any, until: Any) -> str:
    """A stretch of time to the second, of RFC 3339 times; where only the first is told, when it began."""
    if not isinstance(since, str) or not _CLOCK.fullmatch(since):
        return ""
    if not isinstance(until, str) or not _CLOCK.fullmatch(until):
        return f", since {since[11:19]}"
    return f", {since[11:19]} to {until[11:19] if until[:10] == since[:10] else until[:19].replace('T', ' ')}"


def _decision(payload: Payload) -> str:
    said = [f"on {payload['resource']}"] if payload.get("resource") else []
    if payload.get("approver"):
        said.append(f"by {payload['approver']}")
    if payload.get("rule"):
        said.append(f"(rule {payload['rule']})")
    if payload.get("reason"):
        said.append(f"because {payload['reason']}")
    return " ".join(said)


def _patch(payload: Payload) -> str:
    files = [str(file.get("path", "")) for file in payload.get("files", []) if isinstance(file, dict)]
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f"+{payload.get('added', 0)} −{payload.get('deleted', 0)} {files[0] if files else ''}{more}"


def _tests(payload: Payload) -> str:
    said = [f"{payload[name]} {name}" for name in ("passed", "failed", "errors", "skipped") if payload.get(name)]
    return ", ".join(said)


def _exit(payload: Payload) -> str:
    if payload.get("timed_out"):
        return "timed out"
    if payload.get("signal"):
        return f"signal {payload['signal']}"
    code = payload.get("exit_code")
    return _error(payload.get("error")) or ("" if code is None else f"exit {code}")


def _move(payload: Payload) -> str:
    return f"{payload.get('from')} → {payload.get('to')}"


def _entry(payload: Payload) -> str:
    return f"{payload.get('status')} {payload.get('units')} for {payload.get('source')}"


def _feedback(payload: Payload) -> str:
    return " ".join(str(payload[name]) for name in ("kind", "value", "comment") if payload.get(name) is not None)


def _audit(payload: Payload) -> str:
    return " ".join(
        str(payload[name]) for name in ("operation", "subject_type", "subject_id", "outcome") if payload.get(name)
    )


def _first(text: str) -> str:
    """The first line with something in it."""
    return next((line for line in text[: 8 * CHARS_MAX].split("\n") if line.strip()), "")


def _request(payload: Payload) -> str:
    messages = listed(payload.get("messages"))
    last = messages[-1] if messages and isinstance(messages[-1], dict) else {}
    said = _first(words(last.get("content")))
    return f"{len(messages)} messages, {words(last.get('role'))}: {said}" if said else f"{len(messages)} messages"


def _response(payload: Payload) -> str:
    failure = _error(payload.get("error"))
    if failure:
        return failure
    usage, message = payload.get("usage"), payload.get("message")
    said = []
    if isinstance(usage, dict) and (number(usage.get("input_tokens")) or number(usage.get("output_tokens"))):
        said.append(f"{fmt.short(number(usage.get('input_tokens')))} → {fmt.short(number(usage.get('output_tokens')))}")
    cost = payload.get("cost_usd")
    if isinstance(cost, int | float) and not isinstance(cost, bool) and cost:
        said.append(fmt.money(cost))
    if isinstance(message, dict):
        calls = [words(call.get("name")) for call in listed(message.get("tool_calls")) if isinstance(call, dict)]
        said.append(_first(words(message.get("content"))) or "→ " + ", ".join(calls))
    return " · ".join(part for part in said if part.strip("→ "))


def _call(payload: Payload) -> str:
    return call_line("", payload.get("arguments"))[1:-1]


def _result(payload: Payload) -> str:
    came = _error(payload.get("error")) or _first(words(payload.get("result")))
    if "arguments" not in payload:
        return came
    # A span is the call and its result in one.
    return " → ".join(part for part in (_call(payload)[: CHARS_MAX // 2], came) if part)


def _span(payload: Payload) -> str:
    failure = _error(payload.get("error"))
    found = listed(payload.get("documents"))
    if failure or found:
        return (
            failure or f"{fmt.counted(len(found), 'document', 'documents')} for {_first(words(payload.get('input')))}"
        )
    given, came = (_first(_content(payload.get(name))) for name in ("input", "output"))
    return " → ".join(part for part in (given[: CHARS_MAX // 2], came) if part)


def _content(value: object) -> str:
    """What was said last, where it is messages; else the value in words."""
    messages = listed(value)
    last = messages[-1] if messages else value
    return words(last.get("content")) if isinstance(last, dict) and "content" in last else words(value)


def _log(payload: Payload) -> str:
    said = _first(words(payload.get("body")))
    if isinstance(payload.get("message"), dict):
        said = said or _response(payload)
    elif isinstance(payload.get("request"), dict):
        said = said or _request(payload["request"])
    return said or words(payload.get("event_name"))


def _metric(payload: Payload) -> str:
    points = [entries(point) for point in listed(payload.get("points"))]
    unit = unit_of(payload)
    if len(points) == 1:
        return metric_value(points[0], unit)
    return fmt.counted(len(points), "point", "points") + (f" in {unit}" if unit else "")


def unit_of(payload: Payload) -> str:
    """The unit of a metric in words; empty for a plain number, which UCUM writes as 1.

    >>> unit_of({"unit": "{token}"}), unit_of({"unit": "1"})
    ('token', '')
    """
    unit = words(payload.get("unit")).strip("{}")
    return "" if unit == "1" else unit


def metric_value(point: Payload, unit: str) -> str:
    """What one data point of a metric says, in words.

    >>> metric_value({"value": 1240}, "token"), metric_value({"count": 4, "sum": 2.5}, "s")
    ('1240 token', '4 measured, 2.5 s together')
    """
    if "value" in point:
        return f"{words(point['value'])} {unit}".strip()
    total = f", {words(point['sum'])} {unit}".rstrip() + " together" if point.get("sum") is not None else ""
    return f"{words(point.get('count', '?'))} measured{total}"


def _resource(payload: Payload) -> str:
    said = entries(payload.get("attributes"))
    names = ("service.name", "service.version", "telemetry.sdk.language", "host.name")
    return " · ".join(words(said[name]) for name in names if said.get(name))


def _command(payload: Payload) -> str:
    given = payload.get("command")
    return " ".join(map(words, given)) if isinstance(given, list) else words(given)


def _exec(payload: Payload) -> str:
    heads = (words(entries(payload.get(name)).get("head")) for name in ("stdout", "stderr"))
    first = next((line for head in heads if (line := plain(_first(head)).strip())), "")
    return ": ".join(part for part in (_exit(payload), first) if part)


_SAYINGS: dict[str, Callable[[Payload], object]] = {
    "note": lambda payload: payload.get("text"),
    "error": _error,
    "degraded": _lost,
    "capability_decision": _decision,
    "patch_proposed": _patch,
    "patch_applied": _patch,
    "test_result": _tests,
    "llm_request": _request,
    "llm_response": _response,
    "tool_call": _call,
    "tool_result": _result,
    "span_finished": _span,
    "exec_started": _command,
    "test_started": _command,
    "exec_result": _exec,
    "run_finished": lambda payload: _error(payload.get("error")),
    "task_transition": _move,
    "ledger_entry": _entry,
    "feedback": _feedback,
    "audit": _audit,
    "log": _log,
    "metric": _metric,
    "resource": _resource,
}
_LONG = frozenset(
    {
        "llm_request",
        "llm_response",
        "tool_call",
        "tool_result",
        "exec_started",
        "test_started",
        "span_finished",
        "resource",
    }
)
# Only of these are payloads read for a list: the name of the others tells enough.
SPOKEN: tuple[str, ...] = tuple(name for name in _SAYINGS if name not in _LONG)
