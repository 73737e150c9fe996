"""OTLP/HTTP as OpenTelemetry specifies it: which encoding a request has, and answers in the same one.

Specification: opentelemetry-proto 1.10, `docs/specification.md`, "OTLP/HTTP". Errors are `google.rpc.Status` messages, and those
after which a sender may try again are 503 with `Retry-After`; older official exporters do not try again after a 429.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from flightlog.api.problems import RETRY_AFTER_SECONDS, Problem
from flightlog.errors import MediaTypeUnsupported
from flightlog.ingest.otlp.reading import Encoding, SignalName
from flightlog.ingest.otlp.receive import Received

PROTOBUF_TYPE, JSON_TYPE = "application/x-protobuf", "application/json"
PROJECT_HEADER = "x-flightlog-project"

ENCODINGS: dict[str, Encoding] = {PROTOBUF_TYPE: "protobuf", JSON_TYPE: "json"}


class Signal(NamedTuple):
    """One of the three kinds of telemetry, as its path has it."""

    name: SignalName
    rejected_key: str  # what a partial success calls the records that were refused


SIGNALS: dict[str, Signal] = {
    "/v1/traces": Signal("traces", "rejectedSpans"),
    "/v1/logs": Signal("logs", "rejectedLogRecords"),
    "/v1/metrics": Signal("metrics", "rejectedDataPoints"),
}

# google.rpc.Code, by HTTP status; what is not here is UNKNOWN (4xx) or INTERNAL (5xx).
_RPC_CODES = {400: 3, 403: 7, 404: 5, 405: 12, 413: 8, 415: 3, 422: 3, 503: 14}


def encoding_of(headers: Headers) -> Encoding:
    """The encoding of a request. Raises MediaTypeUnsupported for what is not OTLP."""
    given = headers.get("content-type", "")
    encoding = ENCODINGS.get(given.split(";", 1)[0].strip().lower())
    if encoding is None:
        raise MediaTypeUnsupported(media_type=given, expected=" or ".join(ENCODINGS))
    return encoding


def success(received: Received, signal: Signal, encoding: Encoding) -> Response:
    """An Export*ServiceResponse: empty, or a partial success that says how many records were refused, and why."""
    if encoding == "json":
        partial = {signal.rejected_key: str(received.rejected), "errorMessage": received.message}
        body = msgspec.json.encode({"partialSuccess": partial} if received.rejected else {})
        return Response(body, media_type=JSON_TYPE)
    return Response(protobuf_answer(received), media_type=PROTOBUF_TYPE)


def protobuf_answer(received: Received) -> bytes:
    """An Export*ServiceResponse in protobuf."""
    if not received.rejected:
        return b""
    # In all three messages: field 1 of the response is the partial success, in it field 1 the number and field 2 the text.
    partial_success = b"\x08" + _varint(received.rejected) + _text(2, received.message)
    return b"\x0a" + _varint(len(partial_success)) + partial_success


def is_otlp(scope: Scope) -> bool:
    """Whether whoever sends this expects an answer of OTLP."""
    return scope["path"] in SIGNALS


def status_response(scope: Scope, problem: Problem) -> Response:
    """A problem as a `google.rpc.Status`, in the encoding of the request; in JSON where that is none of ours."""
    status = _status_of(problem)
    headers = dict(problem.headers)
    if status == 503:
        headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    code, message = rpc_status(problem)
    media_type = Headers(scope=scope).get("content-type", "").split(";", 1)[0].strip().lower()
    if media_type == PROTOBUF_TYPE:
        return Response(b"\x08" + _varint(code) + _text(2, message), status, headers, PROTOBUF_TYPE)
    return Response(msgspec.json.encode({"code": code, "message": message}), status, headers, JSON_TYPE)


def rpc_status(problem: Problem) -> tuple[int, str]:
    """The code and message of the `google.rpc.Status` that a problem is."""
    status = _status_of(problem)
    code = _RPC_CODES.get(status, 13 if status >= 500 else 2)
    return code, f"{problem.detail} ({problem.kind.code} {problem.kind.slug})"


def _status_of(problem: Problem) -> int:
    """The status over HTTP. What the store can't do now it may do later, and nothing of the request was stored: the sender
    keeps it."""
    status = problem.kind.status
    return 503 if status >= 500 and problem.kind.code != 50000 else status


def _text(field: int, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    return bytes([field << 3 | 2]) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    made.append(number)
    return bytes(made)
