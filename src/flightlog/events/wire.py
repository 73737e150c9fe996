"""The bytes of one event between processes: JSON with the envelope's own names, defaults left out.

Version 1. New fields may be added with a default; readers ignore fields they do not know, so both sides can be upgraded
in any order. A change that breaks this takes a new WIRE_VERSION and a new media type.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from flightlog.events.envelope import Event

WIRE_VERSION = 1
MEDIA_TYPE = f"application/vnd.flightlog.events.v{WIRE_VERSION}+jsonl"

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Event)


def encode(event: Event) -> bytes:
    """One event as one line of JSON without the line's end.

    >>> encode(Event(event_id="e1", type="note", created_at=1))
    b'{"event_id":"e1","type":"note","created_at":1}'
    """
    return _encoder.encode(event)


def decode(data: bytes | memoryview) -> Event:
    """The event in these bytes. Raises msgspec.DecodeError (msgspec.ValidationError where the shape is wrong).

    The payload is found, not looked into: `catalogue.check_type` does that, for events that come from elsewhere.

    >>> decode(b'{"event_id":"e1","type":"note","created_at":1,"from_the_future":[]}').type
    'note'
    """
    try:
        return _decoder.decode(data)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error


def encode_lines(bodies: Iterable[bytes]) -> bytes:
    """The body of a batch: one event a line."""
    return b"\n".join(bodies)
