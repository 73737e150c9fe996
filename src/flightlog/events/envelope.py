"""The event: the one noun that runs through everything."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from flightlog.errors import EventInvalid, FieldTooLong

Level = Literal["debug", "info", "warn", "error"]
LEVELS: tuple[str, ...] = get_args(Level)

# What happened to an event on its way into the journal, as bits of `flags`.
FLAG_TRUNCATED = 1  # parts of the payload are previews
FLAG_REDACTED = 2  # secrets were taken out
FLAG_WITHHELD = 4  # redaction failed, so the payload was not stored
FLAG_ORPHAN = 8  # its sender did not know its task; whether the store does is in the table `audits`, which may change
FLAG_INVALID = 16  # the caller broke a rule; recorded as well as it could be
FLAG_IMPORTED = 32  # taken over from a file, with the file's times
FLAG_ROOT = 64  # a finished span that is its run's own: it says how the run began and how it ended
FLAG_ERASED = 128  # the payload was erased since; given on reading, never stored

FLAG_NAMES: dict[int, str] = {
    FLAG_TRUNCATED: "truncated",
    FLAG_REDACTED: "redacted",
    FLAG_WITHHELD: "withheld",
    FLAG_ORPHAN: "orphan",
    FLAG_INVALID: "invalid",
    FLAG_IMPORTED: "imported",
    FLAG_ROOT: "root",
    FLAG_ERASED: "erased",
}

EMPTY_PAYLOAD = msgspec.Raw(b"{}")

# Characters. A longer value is refused at the door and cut by the recorder.
FIELD_CHARS_MAX: dict[str, int] = {
    "event_id": 64,
    "type": 128,
    "run_id": 128,
    "project": 128,
    "name": 512,
    "level": 16,
    "source": 128,
    "actor": 256,
    "trace_id": 64,
    "span_id": 64,
    "parent_span_id": 64,
    "task_id": 256,
    "correlation_id": 256,
    "status": 64,
    "producer_id": 64,
}

_INT64_MAX = 2**63 - 1


class Event(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One thing that happened. Times are nanoseconds since 1970, UTC; `payload` is the JSON text of an object.

    >>> event = Event(event_id="e1", type="note", created_at=1, run_id="r1")
    >>> event.level, bytes(event.payload)
    ('info', b'{}')
    """

    event_id: str
    type: str
    created_at: int
    run_id: str | None = None
    project: str = "default"
    name: str | None = None
    level: str = "info"
    source: str | None = None
    actor: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    task_id: str | None = None
    correlation_id: str | None = None
    status: str | None = None
    duration_ns: int | None = None
    producer_id: str | None = None
    seq: int | None = None
    flags: int = 0
    payload: msgspec.Raw = EMPTY_PAYLOAD


class StoredEvent(Event, kw_only=True, omit_defaults=True, gc=False):
    """An event as the journal holds it: with its place in commit order and the digest of its payload.

    `id` grows in commit order and is never used twice. `payload_digest` is `sha256:` and 64 hex digits over the stored
    payload bytes; all zeros once the payload was erased, and `payload_bytes` is 0 then. A page of envelopes alone leaves
    `payload` at `{}`.
    """

    id: int = 0
    received_at: int = 0
    payload_bytes: int = 0
    payload_digest: str = ""


ENVELOPE_FIELDS: tuple[str, ...] = tuple(name for name in Event.__struct_fields__ if name != "payload")


def flag_names(flags: int) -> list[str]:
    """The names of the bits that are set, in a fixed order.

    >>> flag_names(FLAG_TRUNCATED | FLAG_REDACTED)
    ['truncated', 'redacted']
    """
    return [name for bit, name in FLAG_NAMES.items() if flags & bit]


def check_envelope(event: Event) -> None:
    """Raise FieldTooLong or EventInvalid where the envelope itself can't be kept. The type is the catalogue's to judge."""
    for field, limit in FIELD_CHARS_MAX.items():
        value = getattr(event, field)
        if value is not None and len(value) > limit:
            raise FieldTooLong(field=field, length=len(value), limit=limit)
    if not event.event_id or not event.type:
        raise EventInvalid(reason="event_id and type can't be empty")
    if event.level not in LEVELS:
        raise EventInvalid(reason=f"level is one of {', '.join(LEVELS)}, not {event.level!r}")
    for field in ("created_at", "duration_ns", "seq"):
        number = getattr(event, field)
        if number is not None and not -_INT64_MAX <= number <= _INT64_MAX:
            raise EventInvalid(reason=f"{field} does not fit in 64 bits")
    if event.created_at < 0 or (event.duration_ns or 0) < 0:
        raise EventInvalid(reason="created_at and duration_ns can't be negative")
    if not bytes(event.payload[:1] if isinstance(event.payload, bytes) else bytes(event.payload)[:1]) == b"{":
        raise EventInvalid(reason="payload is a JSON object")
