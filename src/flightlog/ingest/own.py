"""Events as Flightlog itself writes them for others (exports/lines.py), read back: the same events, with the same ids."""

from __future__ import annotations

from typing import Any

import msgspec

from flightlog.errors import EventInvalid
from flightlog.events.catalogue import check_type
from flightlog.events.envelope import FLAG_ERASED, FLAG_INVALID, FLAG_WITHHELD, Event, check_envelope
from flightlog.events.payload import encode_payload
from flightlog.ingest.importers.base import DEPTH_MAX

FLAGS_MAX = 2**31 - 1
ERASED = msgspec.Raw(b'{"withheld":"it was erased before it was exported"}')


class _Line(Event, kw_only=True):
    payload_text: str | None = None


_decode = msgspec.json.Decoder(_Line).decode


def event_of(line: bytes | str, depth_max: int = DEPTH_MAX) -> Event:
    """The event in one line. Raises EventInvalid or FieldTooLong, ValueError or RecursionError.

    It is what it was, but for its place and arrival, which the journal gives anew. What breaks a rule of its type is kept and
    flagged, as a recorder's is. An erased payload stays away: the event says so.
    """
    read = _decode(line)
    values: dict[str, Any] = {name: getattr(read, name) for name in Event.__struct_fields__}
    if read.payload_text is not None:
        values["payload"] = msgspec.Raw(read.payload_text.encode())
    event = Event(**values)
    if not 0 <= event.flags <= FLAGS_MAX:
        raise EventInvalid(reason=f"flags {event.flags} are not bits of ours")
    if event.flags & FLAG_ERASED:
        event.flags = event.flags & ~FLAG_ERASED | FLAG_WITHHELD
        event.payload = ERASED
    check_envelope(event)
    _check_payload(event, depth_max)
    if not event.flags & FLAG_WITHHELD:  # what is left of a withheld payload is no longer of its type
        try:
            check_type(event)
        except EventInvalid:
            event.flags |= FLAG_INVALID
    return event


def _check_payload(event: Event, depth_max: int) -> None:
    """See to it that every reader can read the payload again; what is nested too deep is cut there, as the recorder does."""
    value = msgspec.json.decode(event.payload)
    if not isinstance(value, dict):
        raise EventInvalid(reason="its payload is a JSON object")
    data = bytes(event.payload)
    if data.count(b"[") + data.count(b"{") > depth_max and _depth_of(value) > depth_max:
        data, flags = encode_payload(value, depth_max=depth_max)
        event.flags |= flags
    event.payload = msgspec.Raw(data)  # a copy, so that the event does not keep the whole line alive


def _depth_of(value: object) -> int:
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return depth
