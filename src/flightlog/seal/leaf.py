"""What of an event goes into the tree: a small header, versioned, from which nobody learns the payload.

A leaf is a JSON array in UTF-8 without spaces: the version, then the journal id, event id, time, time of receipt, type, run,
producer, its number, the digest of the rest of the envelope, and the digest of the payload. The payload's digest is
HMAC-SHA256 under a salt of the event's own: with payload and salt erased, nobody can try payloads against the leaf, and the
tree still adds up. `docs/reference/seal.md` has the format with test vectors.
"""

from __future__ import annotations

import hmac
import json
from hashlib import sha256
from typing import NamedTuple

import msgspec

from flightlog.errors import TileBroken
from flightlog.events.envelope import StoredEvent

VERSION = "flightlog-leaf/1"
SALT_BYTES = 16
MISSING = "missing"  # no type of an event: it has no dot and no place in the catalogue

_encode = msgspec.json.encode


class Leaf(NamedTuple):
    """One leaf, opened up. Times are nanoseconds since 1970; the digests are lower-case hex."""

    id: int
    event_id: str
    created_at: int
    received_at: int
    type: str
    run_id: str | None
    producer_id: str | None
    seq: int | None
    envelope_digest: str
    payload_digest: str


def leaf_of(event: StoredEvent, salt: bytes, payload: bytes) -> bytes:
    """The leaf of an event: the bytes that are hashed into the tree."""
    return _encode(
        (
            VERSION,
            event.id,
            event.event_id,
            event.created_at,
            event.received_at,
            event.type,
            event.run_id,
            event.producer_id,
            event.seq,
            envelope_digest(event),
            payload_digest(salt, payload),
        )
    )


def missing_leaf(row_id: int) -> bytes:
    """The leaf of an id whose row was gone before it could be sealed. Nothing that goes through the journal makes one."""
    return _encode((VERSION, row_id, "", 0, 0, MISSING, None, None, None, "", ""))


def envelope_digest(event: StoredEvent) -> str:
    """SHA-256 over what else the envelope says, as a JSON array without spaces."""
    rest = (
        event.project,
        event.name,
        event.level,
        event.source,
        event.actor,
        event.trace_id,
        event.span_id,
        event.parent_span_id,
        event.task_id,
        event.correlation_id,
        event.status,
        event.duration_ns,
        event.flags,
    )
    return sha256(_encode(rest)).hexdigest()


def payload_digest(salt: bytes, payload: bytes) -> str:
    """HMAC-SHA256 of the stored payload bytes under the event's salt."""
    return hmac.digest(salt, payload, "sha256").hex()


def read_leaf(entry: bytes, path: str = "a bundle") -> Leaf:
    """The leaf in these bytes. Raises TileBroken for anything else.

    >>> entry = b'["flightlog-leaf/1",7,"e7",1,2,"note",null,null,null,"aa","bb"]'
    >>> read_leaf(entry).event_id
    'e7'
    """
    try:
        version, *fields = json.loads(entry)
        if version != VERSION:
            raise TileBroken(path=path, reason=f"a leaf is of the version {version!r}")
        return Leaf(*fields)
    except (ValueError, TypeError):
        raise TileBroken(path=path, reason="a leaf can't be read") from None
