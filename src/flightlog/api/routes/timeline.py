"""The timeline of a run, for whoever draws it."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from msgspec.structs import replace
from starlette.responses import Response, StreamingResponse

from flightlog.api.paging import IdText
from flightlog.api.routes.deps import Here
from flightlog.api.schemas import lines_answers
from flightlog.filters.compile import event_filter
from flightlog.filters.params import parse_id
from flightlog.runs.summary import RunSummary, get_run
from flightlog.runs.timeline import timeline
from flightlog.version import __version__

LINES_TYPE = "application/x-ndjson"
GZIP_LEVEL = 2

router = APIRouter(prefix="/api/runs", tags=["runs"])


@router.get("/{run_id:path}/timeline", summary="The timeline of a run", responses=lines_answers(400, 404, 503))
def run_timeline(
    request: Request,
    here: Here,
    run_id: str,
    q: Annotated[str | None, Query(description="Only the events that this query asks for.")] = None,
    after_id: Annotated[IdText | None, Query(alias="afterId", description="Only events with a larger id.")] = None,
    known: Annotated[
        str | None, Header(alias="If-None-Match", description="The ETag of an answer that is kept.")
    ] = None,
) -> Response:
    """Envelopes by column, in chunks, one JSON object a line: a head, chunks, an end. No payload is read."""
    run = get_run(here.store, run_id, clock=here.clock, settings=here.settings)
    wanted = replace(event_filter(q or "", here.clock.now_ns()), run_id=run_id)
    wanted.check()
    position = parse_id(after_id) or 0
    packed = "gzip" in request.headers.get("accept-encoding", "").lower()
    etag = _etag(run, q or "", position, packed)
    headers = {"etag": etag, "cache-control": "private, no-cache", "vary": "Accept-Encoding"}
    if known is not None and etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
        return Response(status_code=304, headers=headers)
    lines = timeline(here.store, run, wanted, position)
    if packed:
        return StreamingResponse(_gzip(lines), headers={**headers, "content-encoding": "gzip"}, media_type=LINES_TYPE)
    return StreamingResponse(lines, headers=headers, media_type=LINES_TYPE)


def _etag(run: RunSummary, q: str, after_id: int, packed: bool) -> str:
    """A new one with each event of the run: an answer never changes otherwise."""
    parts: tuple[Any, ...] = (
        __version__,
        run.run_id,
        run.last_event_id,
        run.event_count,
        run.hung,
        q,
        after_id,
        packed,
    )
    return '"' + hashlib.sha256(repr(parts).encode("utf-8", "replace")).hexdigest()[:32] + '"'


def _gzip(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Each line leaves as soon as it is there: a client draws the first while the last is read."""
    packer = zlib.compressobj(GZIP_LEVEL, wbits=16 + zlib.MAX_WBITS)
    for line in lines:
        yield packer.compress(line) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield packer.flush()
