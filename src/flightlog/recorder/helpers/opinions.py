"""Recording what somebody thinks of a model call, a span or a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flightlog.events.envelope import FLAG_INVALID
from flightlog.events.feedback import THUMBS, fault_of
from flightlog.recorder.helpers.base import as_text, attempt, without_nones


def feedback_payload(
    target: object, target_type: str | None, extra: Mapping[str, Any], **said: object
) -> dict[str, Any]:
    """The payload of a `feedback` event. True and False are a thumb up and down, unless another kind is named."""
    target_id, found = target_of(target)
    payload = {**extra, "target_id": target_id, "target_type": target_type or found, **said}
    if isinstance(payload.get("value"), bool) and payload.get("kind") in (None, "thumb"):
        payload["value"] = THUMBS[not payload["value"]]
    for word in ("kind", "name", "comment", "given_by", "key"):
        if payload.get(word) is not None:
            payload[word] = as_text(payload[word])
    return without_nones(payload)


def feedback_fields(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The envelope's part of a `feedback` event. One that no server would take at its door is kept, and flagged."""
    fault, unread = attempt(fault_of, payload)
    return {"name": payload.get("name"), "flags": 0 if fault is None and unread is None else FLAG_INVALID}


def target_of(target: object) -> tuple[str | None, str | None]:
    """The id and the kind of what is judged: an id as text, or something that says what it is (a call, a span, a run; a
    recorder is its current run). The kind of a bare id is not known.

    >>> target_of("01a1fc58")
    ('01a1fc58', None)
    """
    if target is None or isinstance(target, str):
        return target or None, None
    found, _ = attempt(getattr, target, "as_target")
    return found if isinstance(found, tuple) else (as_text(target), None)
