"""What of an event goes into the tree: a small header, versioned, from which nobody learns the payload.

A leaf is a JSON array in UTF-8 without spaces: the version, then the journal id, event id, time, time of receipt, type, run,
producer, its number, the digest of the rest of the envelope, and the digest of the payload. The payload's digest is HMAC-SHA256
over its SHA-256 under a salt of the event's own: with payload and salt erased, nobody can try payloads against the leaf, and the
tree still adds up. The SHA-256 is the one that the append took, so the seal reads no payloads. `docs/reference/seal.md` has the
format with test vectors.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from flightlog.errors import TileBroken

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


# What is read of an event to make its leaf: what stands in the leaf, what its digest covers, and the payload's digest.
HEADER: tuple[str, ...] = ("id", "event_id", "created_at", "received_at", "type", "run_id", "producer_id", "seq")
REST: tuple[str, ...] = (
    "project", "name", "level", "source", "actor", "trace_id", "span_id", "parent_span_id", "task_id", "correlation_id",
    "status", "duration_ns", "flags",
)  # fmt: skip
COLUMNS: tuple[str, ...] = (*HEADER, *REST, "payload_digest")
_HEADER, _REST = len(HEADER), len(HEADER) + len(REST)


def leaf_of(row: Sequence[Any], salt: bytes) -> bytes:
    """The leaf of an event, read as COLUMNS: the bytes that are hashed into the tree."""
    return _encode((VERSION, *row[:_HEADER], envelope_digest(row), payload_digest(salt, row[_REST])))


def envelope_digest(row: Sequence[Any]) -> str:
    """SHA-256 over what else the envelope says (REST), as a JSON array without spaces."""
    return sha256(_encode(tuple(row[_HEADER:_REST]))).hexdigest()


# HMAC (RFC 2104) with a key shorter than a block, written out: half the time of the library's call.
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))
_INNER_REST, _OUTER_REST = (bytes([pad]) * (64 - SALT_BYTES) for pad in (0x36, 0x5C))


def payload_digest(salt: bytes, digest: bytes) -> str:
    """HMAC-SHA256 of the SHA-256 of the stored payload, under the event's salt of 16 bytes.

    >>> import hmac
    >>> digest = sha256(b"{}").digest()
    >>> payload_digest(b"0123456789abcdef", digest) == hmac.digest(b"0123456789abcdef", digest, "sha256").hex()
    True
    """
    inner = sha256(salt.translate(_INNER) + _INNER_REST + digest).digest()
    return sha256(salt.translate(_OUTER) + _OUTER_REST + inner).hexdigest()


def missing_leaf(row_id: int) -> bytes:
    """The leaf of an id whose row was gone before it could be sealed. Nothing that goes through the journal makes one."""
    return _encode((VERSION, row_id, "", 0, 0, MISSING, None, None, None, "", ""))


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
