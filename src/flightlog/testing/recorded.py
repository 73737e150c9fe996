"""Events as a test wants to look at them, and finding those it means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from flightlog.events.envelope import Event

SHOWN_MAX = 20


class Recorded:
    """One event, with its payload as plain objects. Everything that an event has (`type`, `name`, `run_id`, …) it has too."""

    def __init__(self, event: Event) -> None:
        self.event = event
        self.payload: Any = msgspec.json.decode(event.payload)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.event, name)

    def __repr__(self) -> str:
        name = f" {self.event.name}" if self.event.name else ""
        status = f" {self.event.status}" if self.event.status else ""
        return f"<{self.event.type}{name}{status} {msgspec.json.encode(self.payload).decode()}>"


def find(events: Iterable[Event], type: str | None = None, /, payload: Any = None, **wanted: Any) -> list[Recorded]:  # noqa: A002
    """The events of a type whose fields are as wanted and whose payload holds at least `payload`, in order.

    >>> from flightlog.testing import MemoryRecorder
    >>> rec = MemoryRecorder()
    >>> _ = rec.emit("note", {"text": "a"}), rec.emit("note", {"text": "b", "more": [1, 2]}, level="warn")
    >>> find(rec.events, "note", payload={"text": "b"}, level="warn")
    [<note {"text":"b","more":[1,2]}>]

    Raises TypeError for a field that events don't have.
    """
    unknown = wanted.keys() - set(Event.__struct_fields__)
    if unknown:
        raise TypeError(f"events have no field {min(unknown)!r}; what a payload holds is asked for with payload={{…}}")
    found = []
    for event in events:
        if (type is None or event.type == type) and all(
            getattr(event, name) == value for name, value in wanted.items()
        ):
            seen = Recorded(event)
            if payload is None or holds(seen.payload, payload):
                found.append(seen)
    return found


def one(events: Iterable[Event], type: str | None = None, /, payload: Any = None, **wanted: Any) -> Recorded:  # noqa: A002
    """The one event that `find` finds. Raises AssertionError, with what there was, where there is none or more than one."""
    events = list(events)
    found = find(events, type, payload, **wanted)
    if len(found) == 1:
        return found[0]
    asked = ", ".join([type or "any type", *(f"{name}={value!r}" for name, value in wanted.items())])
    asked += f", payload={payload!r}" if payload is not None else ""
    same_type = found or find(events, type) or find(events)
    shown = "\n  ".join(map(repr, same_type[:SHOWN_MAX])) or "(nothing)"
    more = f"\n  … and {len(same_type) - SHOWN_MAX} more" if len(same_type) > SHOWN_MAX else ""
    raise AssertionError(f"{len(found)} events where one was expected ({asked}); there were:\n  {shown}{more}")


def holds(value: Any, wanted: Any) -> bool:
    """Whether an object has at least the entries that are wanted, at any depth; lists and all else have to be equal.

    >>> holds({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}), holds({"a": [1, 2]}, {"a": [1]})
    (True, False)
    """
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            name in value and holds(value[name], inner) for name, inner in wanted.items()
        )
    return bool(value == wanted)
