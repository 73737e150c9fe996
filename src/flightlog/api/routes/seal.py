"""The seal: how far it is, whether it holds, evidence to take away, and the log itself for tools that read such logs."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from typing import IO
from urllib.parse import quote

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from flightlog.api.body import coding_of, read_body, unpack
from flightlog.api.decode import JSON_TYPE
from flightlog.api.routes.deps import Here
from flightlog.api.schemas import answers, file_answers, json_body
from flightlog.api.shapes import json_response
from flightlog.api.shapes_seal import (
    SealStateShape,
    VerifiedShape,
    VerifyGiven,
    seal_state_shape,
    verified_shape,
)
from flightlog.errors import (
    BadInput,
    BodyInvalid,
    EvidenceMissing,
    MediaTypeUnsupported,
    NoteInvalid,
    NotOnThisStore,
    TileMissing,
    VerifierBusy,
)
from flightlog.journal.filter import EventFilter
from flightlog.reports.bundle import bundled
from flightlog.reports.run import run_report
from flightlog.seal.evidence import write_bundle
from flightlog.seal.keys import Keys
from flightlog.seal.note import Verifier
from flightlog.seal.sealer import CHECKPOINT
from flightlog.seal.state import Log, SealState, read_seal
from flightlog.seal.tiles import tile_path, width_of
from flightlog.seal.verify import Report, verify_store
from flightlog.seal.verify_part import verify_event, verify_run
from flightlog.services import Services

BODY_BYTES_MAX = 16 * 1024
PART_BYTES = 256 * 1024
ZIP_TYPE = "application/zip"
_TILE = re.compile(
    r"(?P<level>[0-9]{1,2}|entries)/(?P<path>(?:x[0-9]{3}/){0,4}[0-9]{3})(?:\.p/(?P<width>[0-9]{1,3}))?", re.ASCII
)

# Two servers would sign two trees of one journal.
WHY_NOT = "the signed tree lies in the folder of the one process that keeps a store, and here there may be several"

router = APIRouter(tags=["seal"])


def _need(here: Services, subject: str) -> Log:
    found = here.log
    if found is None and here.store.dialect != "sqlite":
        raise NotOnThisStore(what="The seal", dialect=here.store.dialect, reason=WHY_NOT)
    if found is None:
        raise EvidenceMissing(subject=subject, reason="this server keeps no seal")
    return found


@router.get("/api/seal", summary="How far it is sealed", responses=answers(SealStateShape, 503))
def seal(here: Here) -> Response:
    """What is sealed and signed, the public keys to keep, and the newest checkpoint."""
    log = here.log
    state = SealState() if log is None else read_seal(here.store, log.folder, log.keys)
    trouble = here.seal().error if here.seal is not None else None
    return json_response(seal_state_shape(state, here.seal is not None, trouble))


@router.post(
    "/api/verify",
    summary="Verify",
    responses=answers(VerifiedShape, 400, 403, 404, 413, 415, 501, 503),
    openapi_extra=json_body(VerifyGiven),
)
async def verify(request: Request, here: Here) -> Response:
    """Check one run, one event, or with an empty object the whole store against the signed tree, and name what was altered.

    The whole store takes its time, and is verified once at a time; meanwhile asking again is `50310`.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.split(";", 1)[0].strip().lower() != JSON_TYPE:
        raise MediaTypeUnsupported(media_type=content_type, expected=JSON_TYPE)
    coding = coding_of(request.headers)
    given = _given(unpack(await read_body(request, BODY_BYTES_MAX), coding, BODY_BYTES_MAX))
    trusted = None if given.key is None else Verifier.parse(given.key)
    log = _need(here, "anything")
    whole = request.app.state.verifier

    def work() -> Report:
        if given.run_id is not None:
            return verify_run(here.store, log.folder, log.keys, given.run_id, trusted=trusted)
        if given.event_id is not None:
            return verify_event(here.store, log.folder, log.keys, given.event_id, trusted=trusted)
        if not whole.acquire(blocking=False):
            raise VerifierBusy
        try:
            return verify_store(here.store, log.folder, log.keys, trusted=trusted)
        finally:
            whole.release()

    is_part = given.run_id is not None or given.event_id is not None
    report = await to_thread.run_sync(work, limiter=request.app.state.verifiers if is_part else None)
    believed = trusted.text if trusted is not None else _first_key(log.keys)
    return json_response(verified_shape(report, believed, here.clock.now_ns()))


def _given(body: bytes) -> VerifyGiven:
    try:
        given = msgspec.json.decode(body, type=VerifyGiven)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BodyInvalid(reason=str(error)) from None
    if given.run_id is not None and given.event_id is not None:
        raise BadInput(reason="give run_id or event_id, not both")
    return given


def _first_key(keys: Keys) -> str:
    try:
        return next((key.verifier.text for key in keys.all()), "")
    except NoteInvalid:
        return ""


# ── evidence ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@router.get(
    "/api/runs/{run_id:path}/evidence",
    summary="Evidence of a run",
    responses=file_answers(ZIP_TYPE, 400, 404, 500, 501, 503),
)
async def evidence(request: Request, here: Here, run_id: str) -> Response:
    """A zip that proves the run's events to somebody who trusts nobody: with `verify.py`, checked with Python alone."""
    log = _need(here, f"run {run_id}")

    def work() -> tuple[IO[bytes], int]:
        state = read_seal(here.store, log.folder, log.keys)
        report = run_report(here.store, run_id, seal=state, clock=here.clock, settings=here.settings)
        # A file without a name, beside the data: payloads are not left behind anywhere else.
        file = tempfile.TemporaryFile(dir=log.folder.parent)  # noqa: SIM115 (closed when it is sent)
        try:
            wanted = EventFilter(run_id=run_id)
            now = here.clock.now_ns()
            write_bundle(
                here.store,
                log.folder,
                log.keys,
                wanted,
                file,
                subject=f"run {run_id}",
                now_ns=now,
                extra=bundled(report),
            )
            size = file.tell()
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file, size

    file, size = await to_thread.run_sync(work, limiter=request.app.state.verifiers)
    headers = {"Content-Disposition": _attached(f"evidence-{run_id}.zip"), "Content-Length": str(size)}
    return StreamingResponse(_parts(file), media_type=ZIP_TYPE, headers=headers)


def _parts(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while part := file.read(PART_BYTES):
            yield part


def _attached(name: str) -> str:
    """The header that says what the file is called (RFC 6266).

    >>> print(_attached("evidence-a/b.zip"))
    attachment; filename="evidence-a-b.zip"; filename*=UTF-8''evidence-a%2Fb.zip
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:200]
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name[:200], safe='')}"


# ── the log itself ───────────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/seal/checkpoint", summary="The newest checkpoint", responses=file_answers("text/plain", 404, 501))
def checkpoint(here: Here) -> Response:
    """The signed root, as C2SP tlog-tiles has it."""
    return Response(_note(_need(here, "the checkpoint")), media_type="text/plain; charset=utf-8")


@router.get(
    "/seal/tile/{path:path}",
    summary="A piece of the tree",
    responses=file_answers("application/octet-stream", 404, 500, 501),
)
def tile(here: Here, path: str) -> Response:
    """Hashes or leaves, by the paths of C2SP tlog-tiles, as far as the newest checkpoint signs for them."""
    log = _need(here, f"tile/{path}")
    missing = EvidenceMissing(subject=f"tile/{path}", reason="the signed tree has no such piece")
    asked = _TILE.fullmatch(path)
    if asked is None:
        raise missing
    is_bundle = asked["level"] == "entries"
    level = 0 if is_bundle else int(asked["level"])
    index = int("".join(char for char in asked["path"] if char.isdigit()))
    width = int(asked["width"] or 256)
    name = tile_path("entries" if is_bundle else level, index, width)
    # One piece has one name; nothing else below the folder can be asked for.
    if name != f"tile/{path}" or not 0 < width <= width_of(level, index, _size(_note(log))):
        raise missing
    try:
        data = (log.folder / name).read_bytes()
    except FileNotFoundError:
        if asked["width"]:
            raise missing from None  # a full one stands for it by now
        raise TileMissing(path=name) from None
    # What is signed never changes.
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(data, media_type="application/octet-stream", headers=headers)


def _note(log: Log) -> bytes:
    try:
        return (log.folder / CHECKPOINT).read_bytes()
    except FileNotFoundError:
        raise EvidenceMissing(subject="the checkpoint", reason="nothing is sealed yet") from None


def _size(note: bytes) -> int:
    lines = note.split(b"\n", 2)
    return int(lines[1]) if len(lines) > 2 and lines[1].isdigit() else 0
