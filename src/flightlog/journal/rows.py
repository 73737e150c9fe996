"""From events to rows and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec.structs import astuple

from flightlog.events.envelope import EMPTY_PAYLOAD, FLAG_ERASED, Event, StoredEvent
from flightlog.journal.ready import Ready
from flightlog.journal.table import EVENT_COLUMNS, event_payloads, run_events
from flightlog.store.contract import Tx

DIGEST_PREFIX = "sha256:"
ERASED_DIGEST = bytes(32)

_COLUMNS = len(EVENT_COLUMNS)


def insert(tx: Tx, items: Sequence[Ready], first_id: int, received_at: int) -> None:
    """Both rows of each event, under rising ids. Raises DuplicateKey or RowRefused and leaves nothing behind."""
    envelopes = [
        (row_id, *astuple(event)[:_COLUMNS], received_at, size, digest)
        for row_id, (event, _, size, digest, _) in enumerate(items, first_id)
    ]
    payloads = [(row_id, payload) for row_id, (_, payload, _, _, _) in enumerate(items, first_id)]
    tx.insert_many((run_events, envelopes), (event_payloads, payloads))


def as_stored(items: Iterable[Ready], first_id: int, received_at: int) -> list[StoredEvent]:
    """The events as the journal now holds them."""
    return [
        StoredEvent(
            id=row_id,
            received_at=received_at,
            payload_bytes=size,
            payload_digest=DIGEST_PREFIX + digest.hex(),
            payload=event.payload,
            event_id=event.event_id,
            type=event.type,
            created_at=event.created_at,
            run_id=event.run_id,
            project=event.project,
            name=event.name,
            level=event.level,
            source=event.source,
            actor=event.actor,
            trace_id=event.trace_id,
            span_id=event.span_id,
            parent_span_id=event.parent_span_id,
            task_id=event.task_id,
            correlation_id=event.correlation_id,
            status=event.status,
            duration_ns=event.duration_ns,
            producer_id=event.producer_id,
            seq=event.seq,
            flags=event.flags,
        )
        for row_id, (event, _, size, digest, _) in enumerate(items, first_id)
    ]


# What an event is, whoever delivers it: `flags` say how a delivery fared on its way in, the producer and its number whose
# delivery it is. A span that comes by the recorder and by OTLP too is one.
CONTENT_COLUMNS = tuple(name for name in EVENT_COLUMNS if name not in ("producer_id", "seq", "flags"))
_CONTENT = len(CONTENT_COLUMNS)
assert EVENT_COLUMNS[:_CONTENT] == CONTENT_COLUMNS


def content(event: Event, digest: bytes) -> tuple[Any, ...]:
    """What two deliveries of one event have in common: CONTENT_COLUMNS, and the digest of the payload."""
    return (*astuple(event)[:_CONTENT], digest)


# The columns that a page reads, in the order of `from_row`.
ENVELOPE: tuple[str, ...] = ("id", *EVENT_COLUMNS, "received_at", "payload_bytes", "payload_digest")
WHOLE = (*ENVELOPE, "payload")


def from_row(row: Sequence[Any]) -> StoredEvent:
    """A StoredEvent from the columns ENVELOPE, or WHOLE where the payload was asked for."""
    (
        row_id, event_id, type_, created_at, run_id, project, name, level, source, actor, trace_id, span_id,
        parent_span_id, task_id, correlation_id, status, duration_ns, producer_id, seq, flags,
        received_at, payload_bytes, digest,
    ) = row[:23]  # fmt: skip
    payload = row[23] if len(row) > 23 else None
    return StoredEvent(
        id=row_id,
        event_id=event_id,
        type=type_,
        created_at=created_at,
        run_id=run_id,
        project=project,
        name=name,
        level=level,
        source=source,
        actor=actor,
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent_span_id,
        task_id=task_id,
        correlation_id=correlation_id,
        status=status,
        duration_ns=duration_ns,
        producer_id=producer_id,
        seq=seq,
        # No payload is shorter than two bytes, so 0 says that it was erased.
        flags=flags if payload_bytes else flags | FLAG_ERASED,
        received_at=received_at,
        payload_bytes=payload_bytes,
        payload_digest=DIGEST_PREFIX + digest.hex(),
        payload=EMPTY_PAYLOAD if payload is None else msgspec.Raw(payload.encode()),
    )
