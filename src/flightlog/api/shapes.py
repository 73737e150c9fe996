"""Events and runs as JSON: the envelope's own names, times as RFC 3339, payloads as they are stored."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from flightlog.clock import format_ns
from flightlog.events.envelope import StoredEvent, flag_names
from flightlog.journal.read import EventPage
from flightlog.journal.search import Scanned
from flightlog.runs.listing import RunPage
from flightlog.runs.summary import RunSummary

MEDIA_TYPE = "application/json"

_encoder = msgspec.json.Encoder()


class EventShape(msgspec.Struct, kw_only=True):
    """One event. Every member is always there, null where the event says nothing; `payload` only where it was asked for."""

    id: int
    event_id: str
    type: str
    run_id: str | None
    project: str
    name: str | None
    level: str
    source: str | None
    actor: str | None
    created_at: str
    received_at: str
    trace_id: str | None
    span_id: str | None
    parent_span_id: str | None
    task_id: str | None
    correlation_id: str | None
    status: str | None
    duration_ns: int | None
    producer_id: str | None
    seq: int | None
    flags: list[str]
    payload_bytes: int
    payload_digest: str
    payload: msgspec.Raw | UnsetType = UNSET


class EventPageShape(msgspec.Struct, rename="camel"):
    """A page of events, oldest first. Hand `nextAfterId` back as `afterId` for what follows, also once `more` is false."""

    events: list[EventShape]
    next_after_id: int | None
    next_before_id: int | None
    more: bool
    scanned: Scanned | UnsetType = UNSET


class RunShape(msgspec.Struct, kw_only=True):
    """One run's summary."""

    run_id: str
    project: str
    name: str | None
    status: str
    hung: bool
    actor: str | None
    source: str | None
    task_id: str | None
    trace_id: str | None
    started_at: str
    finished_at: str | None
    duration_ns: int | None
    last_event_at: str
    last_event_id: int
    event_count: int
    counts: dict[str, int]
    error_count: int
    lost_count: int
    models: list[str]
    tokens_input: int
    tokens_output: int
    tokens_cached_input: int
    tokens_reasoning: int
    cost_usd: float


class RunPageShape(msgspec.Struct, rename="camel"):
    """A page of runs, newest first. `nextCursor` is null on the last page."""

    runs: list[RunShape]
    next_cursor: str | None


class StoreShape(msgspec.Struct):
    """The store of this server; `last_event_id` and `revision` are null when it can't be read."""

    dialect: str
    writable: bool
    revision: str | None
    last_event_id: int | None


class DrainShape(msgspec.Struct):
    """How the spool is being emptied: here, elsewhere, nobody; and what still lies in it."""

    state: str
    error: str | None
    drained: int
    backlog_bytes: int
    backlog_segments: int


class SealShape(msgspec.Struct):
    """How far the journal is sealed. `state` is sealing, stopped or broken.

    Events up to `sealed_id` are leaves of the tree, those up to `signed_id` are under a signed checkpoint, those up to
    `witnessed_id` under one that every witness has.
    """

    state: str
    sealed_id: int
    signed_id: int
    sealed_at: str | None
    error: str | None
    witnessed_id: int
    witness_error: str | None


class ArchiveShape(msgspec.Struct):
    """How far the archive is. `state` is idle, archiving, waiting, stopped or broken.

    Events up to `archived_id` are in the archive's `files`, `archived_bytes` in all, and their rows are gone from the database up
    to `dropped_id`; `hot_events` are in the database alone. `waits_for` says what keeps more from being archived. `lack` is disk
    or quota where room is missing, `reserve` held, released or none.
    """

    state: str
    archived_id: int
    dropped_id: int
    archived_at: str | None
    hot_events: int
    files: int
    archived_bytes: int
    data_bytes: int
    free_bytes: int
    lack: str | None
    reserve: str
    waits_for: str | None
    error: str | None


class StreamsShape(msgspec.Struct):
    """How many live streams are open, and how many may be."""

    open: int
    max: int


class OutboxShape(msgspec.Struct):
    """How the outbox is being emptied: running, stopped or failing; what waits, how long the oldest that is due has waited, and
    what was given up."""

    state: str
    pending: int
    backlog_seconds: float
    dead: int
    error: str | None


class WorkShape(msgspec.Struct):
    """How this server is doing with tasks. `worker` is none, stopped, running or draining; `running` is how many tasks it is at."""

    outbox: OutboxShape
    worker: str
    running: int
    concurrency: int


class HealthShape(msgspec.Struct):
    """How the server is doing. `status` is ok or degraded, and `reasons` says why, in sentences. `otlp_grpc` is the address
    where OTLP/gRPC is taken too, null where it is not."""

    status: str
    reasons: list[str]
    store: StoreShape
    drain: DrainShape | None
    seal: SealShape | None
    archive: ArchiveShape | None
    tasks: WorkShape | None
    streams: StreamsShape
    otlp_grpc: str | None
    versions: dict[str, str]


class KindShape(msgspec.Struct):
    """One kind of problem."""

    type: str
    status: int
    code: int
    title: str
    advice: str


def event_shape(event: StoredEvent, payloads: bool = True) -> EventShape:
    """The event as JSON shows it. The payload's bytes go through untouched."""
    return EventShape(
        id=event.id,
        event_id=event.event_id,
        type=event.type,
        run_id=event.run_id,
        project=event.project,
        name=event.name,
        level=event.level,
        source=event.source,
        actor=event.actor,
        created_at=format_ns(event.created_at),
        received_at=format_ns(event.received_at),
        trace_id=event.trace_id,
        span_id=event.span_id,
        parent_span_id=event.parent_span_id,
        task_id=event.task_id,
        correlation_id=event.correlation_id,
        status=event.status,
        duration_ns=event.duration_ns,
        producer_id=event.producer_id,
        seq=event.seq,
        flags=flag_names(event.flags),
        payload_bytes=event.payload_bytes,
        payload_digest=event.payload_digest,
        payload=readable(event.payload) if payloads else UNSET,
    )


def event_page_shape(page: EventPage, payloads: bool) -> EventPageShape:
    """The page as JSON shows it."""
    events = [event_shape(event, payloads) for event in page.events]
    scanned = UNSET if page.scanned is None else page.scanned
    return EventPageShape(events, page.next_after_id, page.next_before_id, page.more, scanned)


def run_shape(run: RunSummary) -> RunShape:
    """The run as JSON shows it."""
    members = msgspec.structs.asdict(run)
    for name in ("started_at", "finished_at", "last_event_at"):
        members[name] = None if members[name] is None else format_ns(members[name])
    return RunShape(**members)


def run_page_shape(page: RunPage) -> RunPageShape:
    """The page as JSON shows it."""
    return RunPageShape([run_shape(run) for run in page.runs], page.next_cursor)


def readable(payload: msgspec.Raw) -> msgspec.Raw:
    """The payload if it is JSON, else a note in its place: one damaged row must not break the page that it is on."""
    try:
        msgspec.json.decode(payload, type=msgspec.Raw)
    except (ValueError, RecursionError) as error:
        return msgspec.Raw(msgspec.json.encode({"unreadable": f"the stored payload is not JSON: {error}"}))
    return payload


def encode(value: Any) -> bytes:
    """JSON text."""
    return _encoder.encode(value)


def json_response(value: Any, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(_encoder.encode(value), status, media_type=MEDIA_TYPE)
