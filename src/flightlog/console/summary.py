"""What one event says, in one line, for those types whose name alone does not tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from flightlog.events.envelope import StoredEvent

CHARS_MAX = 160

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
    return f"{count} lost: {reason}" if count else reason


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


def _feedback(payload: Payload) -> str:
    return " ".join(str(payload[name]) for name in ("kind", "value", "comment") if payload.get(name) is not None)


def _audit(payload: Payload) -> str:
    return " ".join(
        str(payload[name]) for name in ("operation", "subject_type", "subject_id", "outcome") if payload.get(name)
    )


_SAYINGS: dict[str, Callable[[Payload], object]] = {
    "note": lambda payload: payload.get("text"),
    "error": _error,
    "degraded": _lost,
    "capability_decision": _decision,
    "patch_proposed": _patch,
    "patch_applied": _patch,
    "test_result": _tests,
    "exec_result": _exit,
    "run_finished": lambda payload: _error(payload.get("error")),
    "task_transition": _move,
    "feedback": _feedback,
    "audit": _audit,
}
# Only of these are payloads read for a list.
SPOKEN: tuple[str, ...] = tuple(_SAYINGS)
