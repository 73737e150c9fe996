"""An event in one line, and in a few: what a person wants to see of it, by type. Payloads may hold anything."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

import msgspec

from flightlog.cli.output import Part
from flightlog.cli.words import clip, count, duration, short_time

Doc = dict[str, Any]

SUMMARY_CHARS_MAX = 160
LEVEL_STYLES = {"debug": "dim", "info": "", "warn": "yellow", "error": "red"}
STATUS_STYLES = {
    **dict.fromkeys(("ok", "succeeded", "passed", "granted"), "green"),
    **dict.fromkeys(("error", "failed", "denied"), "red"),
    **dict.fromkeys(("canceled", "skipped", "requested", "began", "hung"), "yellow"),
    "running": "cyan",
}


def line(event: Doc, *, with_run: bool = True) -> list[Part]:
    """Time, level, type, what happened, and the run, each with its style."""
    level = str(event.get("level", "info"))
    parts = [
        (short_time(event.get("created_at")), "dim"),
        (level.ljust(5), LEVEL_STYLES.get(level, "")),
        (str(event.get("type")).ljust(19), "bold"),
        (summary(event), STATUS_STYLES.get(str(event.get("status")), "")),
    ]
    if with_run and event.get("run_id"):
        parts.append((f"run={event['run_id']}", "dim"))
    return parts


def summary(event: Doc) -> str:
    """What happened, in a few words."""
    payload = entries(event.get("payload"))
    describe = _SUMMARIES.get(str(event.get("type")), _any)
    text = " ".join(part for part in describe(event, payload) if part)
    marks = [mark for mark in event.get("flags") or () if mark in ("withheld", "invalid")]
    return clip(" ".join(text.split()), SUMMARY_CHARS_MAX) + "".join(f" [{mark}]" for mark in marks)


def body(event: Doc) -> list[Part]:
    """The lines that a transcript shows beneath the summary."""
    tell = _BODIES.get(str(event.get("type")))
    return tell(entries(event.get("payload"))) if tell else []


# ── reading what may be anything ─────────────────────────────────────────────────────────────────────────────────────


def entries(value: object) -> Doc:
    """An object as it is; anything else as an empty one."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[Any]:
    """A list as it is; anything else as an empty one."""
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    """A text as it is; nothing as nothing; anything else as JSON. Parts of a message's content are put together.

    >>> text("a"), text(None), text({"a": 1}), text([{"type": "text", "text": "hello"}])
    ('a', '', '{"a":1}', 'hello')
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list) and value and all(isinstance(entries(part).get("text"), str) for part in value):
        return "\n".join(part["text"] for part in value)
    return msgspec.json.encode(value).decode()


def number(value: object) -> int:
    """A whole number as it is; anything else as 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


# ── one line ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _name(event: Doc) -> str:
    return text(event.get("name"))


def _end(event: Doc) -> list[str]:
    """How and after what time something ended."""
    spent = event.get("duration_ns")
    return [text(event.get("status")), f"({duration(spent)})" if isinstance(spent, int) else ""]


def _failure(payload: Doc) -> str:
    error = entries(payload.get("error"))
    return ": ".join(part for part in (text(error.get("kind")), text(error.get("message"))) if part)


def _any(event: Doc, payload: Doc) -> list[str]:
    return [_name(event), *_end(event), text(payload) if payload else ""]


def _named(event: Doc, payload: Doc) -> list[str]:
    return [_name(event), *_end(event), _failure(payload)]


def _heartbeat(event: Doc, payload: Doc) -> list[str]:
    spans = listed(payload.get("open_spans"))
    return [f"up {duration(number(payload.get('uptime_ns')))}", f"in {' > '.join(map(text, spans))}" if spans else ""]


def _llm_request(event: Doc, payload: Doc) -> list[str]:
    tools = listed(payload.get("tools"))
    return [
        text(payload.get("model")) or _name(event),
        f"← {count(len(listed(payload.get('messages'))), 'message')}",
        f"and {count(len(tools), 'tool')}" if tools else "",
    ]


def _llm_response(event: Doc, payload: Doc) -> list[str]:
    message = entries(payload.get("message"))
    calls = [f"{text(entries(call).get('name'))}()" for call in listed(message.get("tool_calls"))]
    said = text(message.get("content"))
    return [
        text(payload.get("model")) or _name(event),
        *_end(event),
        tokens(entries(payload.get("usage"))),
        f"→ {', '.join(calls)}" if calls else "",
        f"“{said}”" if said else "",
        _failure(payload),
    ]


def tokens(usage: Doc) -> str:
    """Tokens in and out.

    >>> tokens({"input_tokens": 1200, "output_tokens": 35})
    '1,200 → 35 tokens'
    """
    if not usage:
        return ""
    return f"{number(usage.get('input_tokens')):,} → {number(usage.get('output_tokens')):,} tokens"


def _tool_call(event: Doc, payload: Doc) -> list[str]:
    return [text(payload.get("tool")) or _name(event), text(payload.get("arguments"))]


def _tool_result(event: Doc, payload: Doc) -> list[str]:
    # A finished span says what the tool was called with as well.
    given = f"({text(payload['arguments'])})" if "arguments" in payload else ""
    called = (text(payload.get("tool")) or _name(event)) + given
    return [called, *_end(event), _failure(payload) or text(payload.get("result"))]


def _patch(event: Doc, payload: Doc) -> list[str]:
    files = listed(payload.get("files"))
    paths = [text(entries(file).get("path")) for file in files[:3]] + (["…"] if len(files) > 3 else [])
    return [
        count(len(files), "file"),
        f"+{number(payload.get('added'))} −{number(payload.get('deleted'))}",
        ", ".join(paths),
        text(event.get("status")),
        _failure(payload),
    ]


def _command(payload: Doc) -> str:
    words = payload.get("command")
    return shlex.join(map(text, words)) if isinstance(words, list) else text(words)


def _test_started(event: Doc, payload: Doc) -> list[str]:
    return [_command(payload) or _name(event)]


def _test_result(event: Doc, payload: Doc) -> list[str]:
    kinds = ("passed", "failed", "errors", "skipped")
    counts = ", ".join(f"{number(payload.get(kind))} {kind}" for kind in kinds if number(payload.get(kind)))
    return [
        *_end(event),
        counts,
        f"of {number(payload.get('total'))}" if payload.get("total") else "",
        _failure(payload),
    ]


def _exec_result(event: Doc, payload: Doc) -> list[str]:
    code = payload.get("exit_code")
    outcome = text(payload.get("signal")) or ("not started" if code is None else f"exit {text(code)}")
    return [_name(event) or _command(payload), outcome, _end(event)[1], _failure(payload)]


def _error(event: Doc, payload: Doc) -> list[str]:
    handled = "(handled)" if payload.get("handled") is True else ""
    return [": ".join(part for part in (text(payload.get("kind")), text(payload.get("message"))) if part), handled]


def _decision(event: Doc, payload: Doc) -> list[str]:
    rule, approver = text(payload.get("rule")), text(payload.get("approver"))
    return [
        text(payload.get("decision")) or text(event.get("status")),
        text(payload.get("capability")) or _name(event),
        text(payload.get("resource")),
        f"by rule {rule}" if rule else "",
        f"by {approver}" if approver else "",
        f"({text(payload.get('reason'))})" if payload.get("reason") else "",
    ]


def _audit(event: Doc, payload: Doc) -> list[str]:
    subject = ":".join(part for key in ("subject_type", "subject_id") if (part := text(payload.get(key))))
    return [text(payload.get("operation")), subject, text(payload.get("outcome"))]


def _feedback(event: Doc, payload: Doc) -> list[str]:
    return [
        text(payload.get("kind")), text(payload.get("key")), text(payload.get("value")), "on",
        text(payload.get("target_type")), text(payload.get("target_id")), text(payload.get("comment")),
    ]  # fmt: skip


def _transition(event: Doc, payload: Doc) -> list[str]:
    return [f"{text(payload.get('from'))} → {text(payload.get('to'))}", text(payload.get("reason"))]


def _ledger_entry(event: Doc, payload: Doc) -> list[str]:
    return [f"{text(payload.get('status'))} {text(payload.get('units'))}", text(payload.get("source"))]


def _dead_letter(event: Doc, payload: Doc) -> list[str]:
    where = text(payload.get("state")) or text(payload.get("topic"))
    return [text(payload.get("pipeline")), where, text(payload.get("kind")), text(payload.get("message"))]


def _replayed(event: Doc, payload: Doc) -> list[str]:
    return [text(payload.get("letter_id")), text(payload.get("outcome"))]


def _alert(event: Doc, payload: Doc) -> list[str]:
    return [text(event.get("name")) or text(payload.get("alert")), text(payload.get("text"))]


def _log(event: Doc, payload: Doc) -> list[str]:
    said = text(payload.get("body")) or text(entries(payload.get("message")).get("content"))
    return [text(payload.get("event_name")), said]


def _metric(event: Doc, payload: Doc) -> list[str]:
    points = [entries(point) for point in listed(payload.get("points"))]
    unit = text(payload.get("unit")).strip("{}")
    value = points[0].get("value", points[0].get("sum")) if len(points) == 1 else None
    said = f"{text(value)} {unit}" if value is not None else count(len(points), "point")
    return [text(payload.get("metric")) or _name(event), said]


def _resource(event: Doc, payload: Doc) -> list[str]:
    said = entries(payload.get("attributes"))
    return [_name(event), *(text(said[key]) for key in ("service.version", "host.name") if said.get(key))]


def _degraded(event: Doc, payload: Doc) -> list[str]:
    lost = number(payload.get("count"))
    return [
        text(event.get("status")),
        text(payload.get("reason")),
        f"{count(lost, 'event')} lost" if lost else "",
        text(payload.get("detail")),
    ]


Describe = Callable[[Doc, Doc], list[str]]

_SUMMARIES: dict[str, Describe] = {
    **dict.fromkeys(("run_started", "run_finished", "span_started", "span_finished"), _named),
    "run_heartbeat": _heartbeat,
    "llm_request": _llm_request,
    "llm_response": _llm_response,
    "tool_call": _tool_call,
    "tool_result": _tool_result,
    **dict.fromkeys(("patch_proposed", "patch_applied"), _patch),
    "test_started": _test_started,
    "test_result": _test_result,
    "exec_started": lambda event, payload: [_command(payload) or _name(event)],
    "exec_result": _exec_result,
    "note": lambda event, payload: [text(payload.get("text"))],
    "error": _error,
    "capability_decision": _decision,
    "audit": _audit,
    "feedback": _feedback,
    "task_transition": _transition,
    "ledger_entry": _ledger_entry,
    "dead_letter": _dead_letter,
    "dead_letter_replayed": _replayed,
    "alert": _alert,
    "degraded": _degraded,
    "log": _log,
    "metric": _metric,
    "resource": _resource,
}


# ── a few lines ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _plain(value: object, style: str = "") -> list[Part]:
    return [(row, style) for row in text(value).strip("\n").split("\n")] if text(value).strip() else []


def _run_body(payload: Doc) -> list[Part]:
    return _plain(payload.get("input") or payload.get("output")) + _stack(entries(payload.get("error")))


def _stack(error: Doc) -> list[Part]:
    return _plain(error.get("stack") or error.get("message"), "red")


def _request_body(payload: Doc) -> list[Part]:
    messages = listed(payload.get("messages"))
    last = entries(messages[-1]) if messages else {}
    said = text(last.get("content")) or text(last.get("tool_calls"))
    return _plain(f"{text(last.get('role'))}: {said}") if last else []


def _response_body(payload: Doc) -> list[Part]:
    message = entries(payload.get("message"))
    rows = _request_body(entries(payload.get("request"))) + _plain(message.get("content"))
    for call in map(entries, listed(message.get("tool_calls"))):
        rows.append((f"→ {text(call.get('name'))}({text(call.get('arguments'))})", "cyan"))
    return rows


def _patch_body(payload: Doc) -> list[Part]:
    styles = {"+": "green", "-": "red", "@": "cyan"}
    shown = payload.get("diff") or payload.get("preview")
    return [(row, styles.get(row[:1], "")) for row, _ in _plain(shown)]


def _test_body(payload: Doc) -> list[Part]:
    failures = [entries(failure) for failure in listed(payload.get("failures"))]
    return [(f"✗ {text(failure.get('name'))}  {text(failure.get('message'))}", "red") for failure in failures]


def _exec_body(payload: Doc) -> list[Part]:
    rows: list[Part] = []
    for stream, style in (("stdout", ""), ("stderr", "yellow")):
        ends = entries(payload.get(stream))
        cut = [("…", "dim")] if ends.get("truncated") else []
        rows += _plain(ends.get("head"), style) + cut + _plain(ends.get("tail"), style)
    return rows


def _result_body(payload: Doc) -> list[Part]:
    return _plain(payload.get("result")) + _stack(entries(payload.get("error")))


_BODIES: dict[str, Callable[[Doc], list[Part]]] = {
    **dict.fromkeys(("run_started", "run_finished"), _run_body),
    "span_finished": lambda payload: _stack(entries(payload.get("error"))),
    "llm_request": _request_body,
    "llm_response": _response_body,
    "tool_result": _result_body,
    **dict.fromkeys(("patch_proposed", "patch_applied"), _patch_body),
    "test_result": _test_body,
    "exec_result": _exec_body,
    "error": lambda payload: _plain(payload.get("stack"), "red"),
    "note": lambda payload: _plain(payload.get("text")) if "\n" in text(payload.get("text")) else [],
}
