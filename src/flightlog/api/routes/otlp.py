"""OpenTelemetry's own paths: traces, logs and metrics as its exporters send them."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from flightlog.api.body import coding_of, read_body, unpack
from flightlog.api.otlp import PROJECT_HEADER, PROTOBUF_TYPE, SIGNALS, encoding_of, success
from flightlog.api.routes.deps import Here
from flightlog.errors import ReceiverBusy
from flightlog.ingest.otlp.receive import Received
from flightlog.services import Services

router = APIRouter(prefix="/v1", tags=["opentelemetry"])


class Waiting:
    """How many requests are being read or stored."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.count = 0

    def __enter__(self) -> None:
        if self.count >= self.most:
            raise ReceiverBusy(limit=self.most)
        self.count += 1

    def __exit__(self, *_: object) -> None:
        self.count -= 1


def _documented(message: str) -> dict[str, Any]:
    """What the OpenAPI document says: these are messages of OTLP, which is specified elsewhere."""
    body = {"schema": {"type": "object", "description": f"Export{message}ServiceRequest of OTLP"}}
    answer = {"schema": {"type": "object", "description": f"Export{message}ServiceResponse of OTLP"}}
    status = {"schema": {"type": "object", "description": "google.rpc.Status"}}
    types = ("application/json", PROTOBUF_TYPE)
    return {
        "openapi_extra": {"requestBody": {"required": True, "content": dict.fromkeys(types, body)}},
        "responses": {
            200: {"description": "Stored; a partial success says what was refused", "content": dict.fromkeys(types, answer)},
            "default": {"description": "A problem", "content": dict.fromkeys(types, status)},
        },
    }  # fmt: skip


@router.post("/traces", summary="Take spans from OpenTelemetry", **_documented("Trace"))
async def traces(request: Request, here: Here) -> Response:
    """Answers after the commit. A span that can't be stored is refused by itself, in the partial success; sent again, a span
    changes nothing."""
    return await _take(request, here)


@router.post("/logs", summary="Take log records from OpenTelemetry", **_documented("Logs"))
async def logs(request: Request, here: Here) -> Response:
    """As for spans: answers after the commit, and refuses a record by itself."""
    return await _take(request, here)


@router.post("/metrics", summary="Take metrics from OpenTelemetry", **_documented("Metrics"))
async def metrics(request: Request, here: Here) -> Response:
    """As for spans; each metric of an export is one event."""
    return await _take(request, here)


async def _take(request: Request, here: Services) -> Response:
    signal = SIGNALS[request.url.path]
    bytes_max = here.settings.body_bytes_max
    encoding = encoding_of(request.headers)
    coding = coding_of(request.headers)
    project = request.headers.get(PROJECT_HEADER) or None
    waiting: Waiting = request.app.state.otlp_waiting
    with waiting:
        body = await read_body(request, bytes_max)

        def work() -> Received:
            return here.otlp.take(signal.name, encoding, unpack(body, coding, bytes_max), project)

        received = await to_thread.run_sync(work, limiter=request.app.state.appenders)
    return success(received, signal, encoding)
