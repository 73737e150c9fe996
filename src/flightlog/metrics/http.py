"""Counting requests: by the template of their route, so that there are as many as there are routes."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flightlog.metrics.meters import Meters

NO_ROUTE = "none"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Counted:
    """Around the whole app: what is refused at the door counts as well. Seconds are those to the beginning of the answer."""

    def __init__(self, app: ASGIApp, *, meters: Meters) -> None:
        self.app = app
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                method = scope["method"] if scope["method"] in METHODS else "other"
                seconds = time.perf_counter() - began
                self._meters.answered(method, route_of(scope), message["status"], seconds)
            await send(message)

        await self.app(scope, receive, counting)


def route_of(scope: Scope) -> str:
    """The template of the route that a request found; `none` where it found none."""
    path = getattr(scope.get("route"), "path", None)
    if isinstance(path, str):
        return path.replace(":path}", "}")
    return "/static" if scope.get("path", "").startswith("/static/") else NO_ROUTE
