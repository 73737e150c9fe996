"""Events as JSON Lines, without a loss: the wire form of an event (events/wire.py) with its place, arrival and digest beside.

Times are nanoseconds since 1970; what an event does not say is left out. The payload is the bytes that are stored, so that
its digest still fits; where they hold a line's end between their values, `payload_text` has them as a JSON string instead.
Whoever reads passes over members it does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from flightlog.events.envelope import EMPTY_PAYLOAD, StoredEvent

MEDIA_TYPE = "application/jsonl"

_encode = msgspec.json.Encoder().encode


class _Line(StoredEvent, kw_only=True, omit_defaults=True, gc=False):
    payload_text: str = ""


def line(event: StoredEvent) -> bytes:
    """One event as one line, without the line's end.

    >>> line(StoredEvent(id=7, event_id="e1", type="note", created_at=1, payload=msgspec.Raw(b'{"text": "hi"}')))
    b'{"event_id":"e1","type":"note","created_at":1,"payload":{"text": "hi"},"id":7}'
    """
    encoded = _encode(event)
    if b"\n" not in encoded and b"\r" not in encoded:
        return encoded
    values = {name: getattr(event, name) for name in StoredEvent.__struct_fields__}
    payload = bytes(event.payload).decode()
    return _encode(_Line(**{**values, "payload": EMPTY_PAYLOAD, "payload_text": payload}))


def lines(pages: Iterable[list[StoredEvent]]) -> Iterator[bytes]:
    """The lines of each page."""
    for page in pages:
        yield b"".join([line(event) + b"\n" for event in page])
