"""Payloads of events that stand alone: errors and decisions."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from flightlog.events.envelope import FLAG_INVALID
from flightlog.events.payload import describe_error, encode_any
from flightlog.recorder.helpers.base import as_text, without_nones
from flightlog.recorder.helpers.reading import text

DECISIONS = ("requested", "granted", "denied")

_ALIASES = {
    "message": ("message", "error", "detail", "msg", "title"),
    "kind": ("kind", "type", "name", "code"),
    "stack": ("stack", "traceback"),
}


def error_payload(error: object, handled: bool, message: str | None, extra: dict[str, Any]) -> dict[str, Any]:
    """The payload of an `error` event for anything that was raised, returned or said. None is the exception being handled."""
    if error is None:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        told = describe_error(error)
    elif isinstance(error, Mapping):
        told = _from_mapping(error)
    elif error is None:
        told = {"message": "an error that nobody described"}
    else:
        told = {"message": as_text(error)}
        if not isinstance(error, str | bytes | bytearray):
            told["kind"] = type(error).__name__
    if message is not None:
        told["message"], told["original_message"] = as_text(message), told["message"]
    return {**extra, **told, "handled": bool(handled)}


def _from_mapping(error: Mapping[Any, Any]) -> dict[str, Any]:
    """Something like `{kind, message, stack}`, under the names that others use for these."""
    told: dict[str, Any] = {"value": error}
    for ours, names in _ALIASES.items():
        found = next((said for name in names if (said := text(error, name))), None)
        if found is not None:
            told[ours] = found
    if "message" not in told:
        told["message"] = encode_any(error).decode("utf-8", "replace")
    return told


def decision_payload(
    capability: str, decision: str | bool, action: object, extra: dict[str, Any], **said: object
) -> dict[str, Any]:
    """The payload of a `capability_decision` event."""
    word = ("granted" if decision else "denied") if isinstance(decision, bool) else as_text(decision)
    payload: dict[str, Any] = {"capability": as_text(capability), "decision": word}
    for key, value in said.items():
        if value is not None:
            payload[key] = value.isoformat() if isinstance(value, datetime) else as_text(value)
    if action is not None:
        payload["action_digest"] = action_digest(action)
    return {**extra, **payload}


def decision_fields(payload: dict[str, Any]) -> dict[str, Any]:
    """The envelope's part of a `capability_decision`. A word that is no decision stays, and is flagged."""
    flags = 0 if payload["decision"] in DECISIONS else FLAG_INVALID
    level = "warn" if payload["decision"] == "denied" else "info"
    return {"name": payload["capability"], "status": payload["decision"], "level": level, "flags": flags}


def audit_payload(operation: object, details: object, extra: dict[str, Any], **said: object) -> dict[str, Any]:
    """The payload of an `audit` event."""
    payload = {**extra, "operation": as_text(operation), "details": details}
    for key, value in said.items():
        payload[key] = None if value is None else as_text(value)
    return without_nones(payload)


def audit_fields(payload: dict[str, Any], level: str, given: dict[str, Any]) -> dict[str, Any]:
    """The envelope's part of an `audit` event."""
    return {"name": payload["operation"], "status": payload.get("outcome"), "level": level, **without_nones(given)}


def action_digest(action: object) -> str:
    """`sha256:` and the digest of the action as canonical JSON: keys sorted, no spaces, UTF-8.

    Whoever grants an action and whoever carries it out can compare the two without keeping the action itself.

    >>> action_digest({"b": 1, "a": "x"}) == action_digest({"a": "x", "b": 1})
    True
    """
    try:
        canonical = _canonical(action)
    except Exception:  # not JSON as it is: then what would be recorded of it
        canonical = _canonical(msgspec.json.decode(encode_any(action)))
    return f"sha256:{hashlib.sha256(canonical).hexdigest()}"


def _canonical(value: object) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")
