"""How the server is doing."""

from __future__ import annotations

import platform
import sqlite3

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from flightlog.api.routes.deps import Here
from flightlog.api.schemas import answers, text_answers
from flightlog.api.shapes import (
    ArchiveShape,
    DrainShape,
    HealthShape,
    OutboxShape,
    SealShape,
    StoreShape,
    StreamsShape,
    WorkShape,
    json_response,
)
from flightlog.clock import format_ns
from flightlog.errors import FlightlogError
from flightlog.events import wire
from flightlog.journal.read import head_id
from flightlog.services import Services
from flightlog.version import __version__

router = APIRouter(tags=["system"])


@router.get("/healthz", summary="Is it alive", responses=text_answers())
async def alive() -> Response:
    """Says ok as long as requests are answered at all; it looks at nothing else."""
    return PlainTextResponse("ok\n")


@router.get("/api/health", summary="How is it doing", responses=answers(HealthShape, 503))
def health(request: Request, here: Here) -> Response:
    """The store, the drain, the seal, the archive, the tasks and the streams.

    The status is 503 when the store can't be read, else 200, also when degraded.
    """
    streams = request.app.state.streams
    store, trouble = look_at_store(here)
    drain, drain_trouble = look_at_drain(here)
    seal, seal_trouble = look_at_seal(here)
    archive, archive_trouble = look_at_archive(here)
    tasks, tasks_trouble = look_at_tasks(here)
    reasons = trouble + drain_trouble + seal_trouble + archive_trouble + tasks_trouble
    shape = HealthShape(
        status="ok" if not reasons else "degraded",
        reasons=reasons,
        store=store,
        drain=drain,
        seal=seal,
        archive=archive,
        tasks=tasks,
        streams=StreamsShape(streams.open, streams.limit),
        otlp_grpc=request.app.state.otlp_grpc,
        versions={
            "flightlog": __version__,
            "wire": str(wire.WIRE_VERSION),
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
        },
    )
    return json_response(shape, 503 if trouble else 200)


def look_at_store(here: Services) -> tuple[StoreShape, list[str]]:
    """The store, and what is wrong with it."""
    try:
        with here.store.read() as connection:
            last_id = head_id(connection)
        revision = here.store.revision()
    except FlightlogError as error:
        return StoreShape(here.store.dialect, here.store.writable, None, None), [error.message]
    return StoreShape(here.store.dialect, here.store.writable, revision, last_id), []


def look_at_drain(here: Services) -> tuple[DrainShape | None, list[str]]:
    """The drain of this process, if it has one, and what is wrong with it."""
    if here.drain is None:
        return None, []
    found = here.drain()
    shape = DrainShape(found.state, found.error, found.drained, found.backlog_bytes, found.backlog_segments)
    return shape, [f"events stay in the spool: {found.error}"] if found.error else []


def look_at_seal(here: Services) -> tuple[SealShape | None, list[str]]:
    """The seal of this process, if it has one, and what is wrong with it."""
    if here.seal is None:
        return None, []
    found = here.seal()
    sealed_at = format_ns(found.sealed_at) if found.sealed_at else None
    shape = SealShape(
        found.state, found.sealed_id, found.signed_id, sealed_at, found.error, found.witnessed_id, found.witness_error
    )
    reasons = [f"the journal is not sealed: {found.error}"] if found.error else []
    if found.witness_error:
        reasons.append(f"a checkpoint is not at every witness: {found.witness_error}")
    return shape, reasons


def look_at_archive(here: Services) -> tuple[ArchiveShape | None, list[str]]:
    """The archive of this process, if it keeps one, and what is wrong with it."""
    if here.archive is None:
        return None, []
    try:
        found = here.archive()
    except FlightlogError as error:
        return None, [f"the archive can't be looked at: {error.message}"]
    shape = ArchiveShape(
        state=found.state,
        archived_id=found.archived_id,
        dropped_id=found.dropped_id,
        archived_at=format_ns(found.archived_at) if found.archived_at else None,
        hot_events=found.hot_events,
        files=found.files,
        archived_bytes=found.archived_bytes,
        data_bytes=found.data_bytes,
        free_bytes=found.free_bytes,
        lack=found.lack,
        reserve=found.reserve,
        waits_for=found.waits_for,
        error=found.error,
    )
    reasons = [f"the archive stands still: {found.error}"] if found.error else []
    if found.lack == "disk":
        reasons.append("the disk is full: events are archived whatever their age, to make room")
    elif found.lack == "quota":
        reasons.append("the data folder takes more than data_bytes_max: events are archived whatever their age")
    return shape, reasons


def look_at_tasks(here: Services) -> tuple[WorkShape | None, list[str]]:
    """The task platform of this process, if it has one, and what is wrong with it."""
    if here.platform is None:
        return None, []
    try:
        found = here.platform.health()
    except FlightlogError:
        return None, []  # the store says so itself
    out = found.outbox
    outbox = OutboxShape(out.state, out.pending, round(out.backlog_seconds, 3), out.dead, out.error)
    return WorkShape(outbox, found.worker, found.running, found.concurrency), found.reasons
