"""SQL: one SELECT over documented views, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.background import BackgroundTask
from starlette.responses import Response, StreamingResponse

from flightlog.api.body import coding_of, read_body, unpack
from flightlog.api.decode import JSON_TYPE, position_of
from flightlog.api.routes.deps import Here
from flightlog.api.schemas import answers, json_body, sql_answers
from flightlog.api.security import check_origin
from flightlog.api.shapes import json_response
from flightlog.api.shapes_sql import SqlGiven, SqlViewsShape, sql_views_shape
from flightlog.errors import BadInput, BodyInvalid, MediaTypeUnsupported
from flightlog.query.asking import run_while_wanted
from flightlog.query.runner import FORMS, Answer, Runner

router = APIRouter(prefix="/api/sql", tags=["sql"])

BODY_BYTES_MAX = 1024 * 1024
CHUNK_BYTES = 256 * 1024


@router.get("", summary="Ask with SQL", responses=sql_answers(400, 403, 422, 501, 503))
async def ask(
    request: Request,
    query: Annotated[str, Query(description="One SELECT over the documented views.")],
    format: Annotated[str, Query(description="`json`, `csv`, `parquet` or `arrow` (a stream).")] = "json",  # noqa: A002
    rows: Annotated[int | None, Query(ge=1, description="Most rows.")] = None,
    timeout: Annotated[float | None, Query(gt=0, description="Longest that it may take, in seconds.")] = None,
) -> Response:
    """The same as a link, for queries that fit into one. Not for links from pages of other sites."""
    check_origin(request.headers, request.headers.get("host", "").lower())
    return await _answer(request, query, format, rows, timeout)


@router.post(
    "",
    summary="Ask with SQL",
    responses=sql_answers(400, 403, 413, 415, 422, 501, 503),
    openapi_extra=json_body(SqlGiven),
)
async def ask_with_body(request: Request) -> Response:
    """Runs one SELECT in a process of its own, within the limits of the settings (`sql_…`). The headers `Flightlog-Rows` and
    `Flightlog-Cut` say how many rows there are, and which limit cut the rest off. Whoever hangs up ends the query.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.split(";", 1)[0].strip().lower() != JSON_TYPE:
        raise MediaTypeUnsupported(media_type=content_type, expected=JSON_TYPE)
    body = unpack(await read_body(request, BODY_BYTES_MAX), coding_of(request.headers), BODY_BYTES_MAX)
    try:
        given = msgspec.json.decode(body, type=SqlGiven)
    except UnicodeDecodeError as error:
        raise BodyInvalid(reason=f"it is not UTF-8 at byte {error.start}") from None
    except msgspec.ValidationError as error:
        raise BadInput(reason=str(error)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise BodyInvalid(reason=position_of(body, error)) from None
    return await _answer(request, given.sql, given.format, given.rows, given.timeout_seconds)


@router.get("/views", summary="The views", responses=answers(SqlViewsShape))
def views(here: Here) -> Response:
    """The views that SQL can be asked of, with their columns, and examples."""
    return json_response(sql_views_shape())


async def _answer(request: Request, sql: str, form: str, rows: int | None, seconds: float | None) -> Response:
    if form not in FORMS:
        raise BadInput(reason=f"there is no format {form!r}; there are {', '.join(FORMS)}")
    runner: Runner = request.app.state.sql
    answer = await run_while_wanted(runner, request.is_disconnected, sql, form, rows, seconds)
    headers = {"flightlog-rows": str(answer.rows), "flightlog-elapsed-ms": f"{answer.elapsed_ms:.0f}"}
    if answer.cut is not None:
        headers["flightlog-cut"] = answer.cut
    if form != "json":
        headers["content-disposition"] = f'attachment; filename="flightlog.{form}"'
    return StreamingResponse(
        _chunks(answer), 200, headers, answer.media_type, background=BackgroundTask(answer.file.close)
    )


def _chunks(answer: Answer) -> Iterator[bytes]:
    while chunk := answer.file.read(CHUNK_BYTES):
        yield chunk
