"""The fields that a caller hands to emit: taken as they are, or repaired and named as a problem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flightlog.errors import EventInvalid, EventTypeUnknown, FieldTooLong
from flightlog.events.envelope import FIELD_CHARS_MAX, LEVELS, Event

TEXT_FIELDS = frozenset(FIELD_CHARS_MAX) - {"event_id", "type", "producer_id", "level"}
NUMBER_FIELDS = frozenset({"created_at", "duration_ns", "flags"})


def take_fields(event: Event, fields: Mapping[str, Any], keys: frozenset[str] | None) -> list[EventInvalid]:
    """Put `fields` on the event and give what is wrong with it; the event can be recorded whatever it was.

    `keys` are the payload keys that its type must have; None says that there is no such type.
    """
    problems: list[EventInvalid] = []
    for field, value in fields.items():
        problem = _take(event, field, value)
        if problem is not None:
            problems.append(problem)
    if not isinstance(event.type, str) or not event.type:
        problems.append(EventInvalid(reason="the type is a text"))
        event.type = fit("type", event.type)[0] or "invalid"
    elif keys is None:
        problems.append(EventTypeUnknown(type=event.type))
        event.type = fit("type", event.type)[0] or "invalid"
    elif keys:
        missing = keys - event.payload.keys() if isinstance(event.payload, Mapping) else keys
        if missing:
            problems.append(EventInvalid(reason=f"{event.type} needs {', '.join(sorted(missing))} in its payload"))
    return problems


def _take(event: Event, field: str, value: Any) -> EventInvalid | None:
    if field in TEXT_FIELDS:
        text, changed = fit(field, value)
        if text is not None or field != "project":
            setattr(event, field, text)
        if not changed:
            return None
        if isinstance(value, str):
            return FieldTooLong(field=field, length=len(value), limit=FIELD_CHARS_MAX[field])
        return EventInvalid(reason=f"{field} is a text")
    if field == "level":
        if value in LEVELS:
            event.level = value
            return None
        return EventInvalid(reason=f"level is one of {', '.join(LEVELS)}")
    if field in NUMBER_FIELDS:
        if value is None:
            return None
        if isinstance(value, int) and 0 <= value < 2**63:
            setattr(event, field, int(value))
            return None
        return EventInvalid(reason=f"{field} is a whole number, not negative, of 64 bits")
    return EventInvalid(reason=f"there is no field {field!r}")


def fit(field: str, value: object) -> tuple[str | None, bool]:
    """A caller's value as text that fits its field, and whether it had to be changed."""
    if value is None:
        return None, False
    if not isinstance(value, str):
        try:
            value, changed = str(value), True
        except Exception:
            return None, True
    else:
        changed = False
    limit = FIELD_CHARS_MAX[field]
    if len(value) > limit:
        return value[: limit - 1] + "…", True
    return value, changed
