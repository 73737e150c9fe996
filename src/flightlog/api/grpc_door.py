"""OTLP/gRPC: the three Export services of OpenTelemetry's collector on a port of their own, beside the same receiver as HTTP.

Specification: opentelemetry-proto 1.10, `docs/specification.md`, "OTLP/gRPC". What a sender may try again is UNAVAILABLE, with
a `google.rpc.RetryInfo` that says when. Requests come as bytes and are decoded as those of HTTP, so both doors take the same.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from anyio import CapacityLimiter, to_thread

from flightlog.api.otlp import PROJECT_HEADER, SIGNALS, Signal, protobuf_answer, rpc_status
from flightlog.api.problems import RETRY_AFTER_SECONDS, internal_problem, problem_of
from flightlog.api.routes.otlp import Waiting
from flightlog.api.security import check_bind
from flightlog.errors import BodyTooLarge, FlightlogError, Unavailable
from flightlog.ingest.otlp.receive import Received
from flightlog.ingest.otlp.sieve import framed
from flightlog.services import Services

log = logging.getLogger("flightlog.otlp")

PACKAGE = "opentelemetry.proto.collector"
SERVICES: dict[str, str] = {
    f"{PACKAGE}.trace.v1.TraceService": "/v1/traces",
    f"{PACKAGE}.logs.v1.LogsService": "/v1/logs",
    f"{PACKAGE}.metrics.v1.MetricsService": "/v1/metrics",
}
STREAMS_MAX = 100  # requests at once on one connection; what is beyond waits at its sender

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_RETRY_TYPE = b"type.googleapis.com/google.rpc.RetryInfo"

Answer = Callable[[bytes, Any], Awaitable[bytes]]


class GrpcDoor:
    """The gRPC server of one app. It shares with HTTP how many requests are taken at once (`waiting`, `appenders`).

    Started and stopped in the event loop of that app; safe to stop twice.
    """

    def __init__(self, services: Services, waiting: Waiting, appenders: CapacityLimiter) -> None:
        self._services = services
        self._waiting = waiting
        self._appenders = appenders
        self._server: Any = None
        self.address: str | None = None

    async def start(self, host: str, port: int) -> str:
        """Listen; the address. Port 0 is any free one. Raises BindRefused and Unavailable."""
        check_bind(host)
        bytes_max = self._services.settings.body_bytes_max
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", bytes_max),
                ("grpc.max_concurrent_streams", STREAMS_MAX),
                ("grpc.so_reuseport", 0),  # else a second server would take half of the connections
            ],
        )
        for name, path in SERVICES.items():
            handler = grpc.unary_unary_rpc_method_handler(self._export(SIGNALS[path]))
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Export": handler}),))
        bare = host.strip("[]")
        shown = f"[{bare}]" if ":" in bare else bare
        try:
            bound = server.add_insecure_port(f"{shown}:{port}")
            await server.start()
        except RuntimeError:
            bound = 0
        if not bound:
            reason = f"{host} port {port} can't be listened on; choose another with --otlp-grpc-port (0: any free one)"
            raise Unavailable(reason=reason)
        self._server = server
        self.address = f"{shown}:{bound}"
        return self.address

    async def stop(self, seconds_max: float) -> None:
        """Take nothing more, and give what is under way so long to end."""
        server, self._server, self.address = self._server, None, None
        if server is not None:
            await server.stop(seconds_max)

    def _export(self, signal: Signal) -> Answer:
        async def export(request: bytes, context: Any) -> bytes:
            try:
                return protobuf_answer(await self._take(signal, request, _project_of(context)))
            except FlightlogError as error:
                problem = problem_of(error)
            except Exception:
                log.exception("an export by gRPC failed")
                problem = internal_problem()
            code, message = rpc_status(problem)
            await context.abort(_CODES[code], message, _trailers(code, message))
            raise AssertionError("abort does not return")

        return export

    async def _take(self, signal: Signal, request: bytes, project: str | None) -> Received:
        here = self._services
        if len(request) > here.settings.body_bytes_max:
            raise BodyTooLarge(limit=here.settings.body_bytes_max)

        def work() -> Received:
            return here.otlp.take(signal.name, "protobuf", request, project)

        with self._waiting:
            return await to_thread.run_sync(work, limiter=self._appenders)


def _project_of(context: Any) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == PROJECT_HEADER and isinstance(value, str) and value:
            return value
    return None


def _trailers(code: int, message: str) -> tuple[tuple[str, bytes], ...]:
    """When to come again, for what may come again: as a google.rpc.Status, and as older exporters look for it."""
    if _CODES[code] is not grpc.StatusCode.UNAVAILABLE:
        return ()
    retry = framed(1, b"\x08" + bytes([RETRY_AFTER_SECONDS]))  # RetryInfo.retry_delay, a Duration of so many seconds
    details = framed(1, _RETRY_TYPE) + framed(2, retry)
    status = b"\x08" + bytes([code]) + framed(2, message.encode("utf-8", "replace")) + framed(3, details)
    return ("grpc-status-details-bin", status), ("google.rpc.retryinfo-bin", retry)
