"""What every request passes on its way in and every answer on its way out: ids, checks, headers, and the last net."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flightlog.api import security
from flightlog.api.problems import Problem, internal_problem, problem_of
from flightlog.clock import Clock
from flightlog.errors import FlightlogError
from flightlog.ids import Ids

log = logging.getLogger("flightlog.api")

REQUEST_ID = "x-request-id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}", re.ASCII)

# Here an answer is always JSON, whatever a browser says that it would rather see.
JSON_PATHS = ("/api/", "/v1/", "/healthz", "/openapi.json")

Answer = Callable[[Scope, Problem], Response]


class Doorway:
    """The outermost layer of the app. `answer` turns a problem into a response in the form that the client reads."""

    def __init__(self, app: ASGIApp, *, answer: Answer, clock: Clock, ids: Ids) -> None:
        self.app = app
        self._answer = answer
        self._clock = clock
        self._ids = ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = scope["flightlog.request_id"] = self._request_id(headers)
        started = False

        async def send_dressed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                dress(MutableHeaders(scope=message), request_id)
            await send(message)

        try:
            host = security.check_host(scope, headers)
            if scope["method"] not in security.SAFE_METHODS:
                security.check_origin(headers, host)
            await self.app(scope, receive, send_dressed)
            return
        except ClientDisconnect:
            return
        except FlightlogError as error:
            problem = problem_of(error)
        except Exception:
            log.exception("request %s failed: %s %s", request_id, scope["method"], scope["path"])
            problem = internal_problem()
        if started:
            # Half an answer can only be broken off; the client sees that it is cut.
            raise ConnectionAbortedError(f"request {request_id} failed after its answer had begun")
        await self._answer(scope, problem)(scope, receive, send_dressed)

    def _request_id(self, headers: Headers) -> str:
        given = headers.get(REQUEST_ID, "")
        return given if _REQUEST_ID.fullmatch(given) else self._ids.event_id(self._clock.now_ns())


def dress(headers: MutableHeaders, request_id: str) -> None:
    """Put the headers on an answer that every answer has."""
    headers[REQUEST_ID] = request_id
    for name, value in security.HEADERS.items():
        headers.setdefault(name, value)


def request_id_of(scope: Scope) -> str:
    """The id of the request under way."""
    return str(scope.get("flightlog.request_id", ""))


def wants_page(scope: Scope) -> bool:
    """Whether this request comes from somebody who reads HTML."""
    if scope["path"].startswith(JSON_PATHS):
        return False
    return "text/html" in Headers(scope=scope).get("accept", "")
