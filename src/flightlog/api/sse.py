"""Server-Sent Events (WHATWG HTML, 9.2) from a watcher of the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from flightlog.api.shapes import encode, event_shape
from flightlog.errors import Unavailable, WatchersFull
from flightlog.events.envelope import StoredEvent
from flightlog.journal.tail import Watcher

MEDIA_TYPE = "text/event-stream"
RETRY_MS = 1_000  # how long a browser waits before it connects again


class Streams:
    """How many streams are open, and how many may be."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.open = 0

    def __enter__(self) -> Streams:
        if self.open >= self.limit:
            raise WatchersFull(limit=self.limit)
        self.open += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.open -= 1


class EventStream(Response):
    """An endless answer. It ends with its client or with the hub, and lets go of its watcher then.

    So whoever stops the server closes the hub first; the server itself waits for its answers to end.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self, streams: Streams, watch: Callable[[], Watcher], *, payloads: bool, heartbeat_seconds: float
    ) -> None:
        super().__init__()
        # No length: there is none. Proxies that gather answers before they pass them on are asked not to.
        del self.headers["content-length"]
        self.headers["x-accel-buffering"] = "no"
        self._streams = streams
        self._watch = watch
        self._payloads = payloads
        self._heartbeat_seconds = heartbeat_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Taken here and not where the response is made, so that nothing is held for a client that has gone by now.
        with self._streams, await run_in_threadpool(self._watch) as watcher:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            pump = asyncio.create_task(self._pump(watcher, send))
            gone = asyncio.create_task(_gone(receive))
            try:
                await asyncio.wait((pump, gone), return_when=asyncio.FIRST_COMPLETED)
            finally:
                gone.cancel()
                pump.cancel()
                results = await asyncio.gather(pump, gone, return_exceptions=True)
        failed = results[0]
        if isinstance(failed, Exception) and not isinstance(failed, OSError):
            raise failed
        # To a client that has gone this goes nowhere; one that is still there learns that the hub was closed.
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pump(self, watcher: Watcher, send: Send) -> None:
        # The position first: who is cut off before the first event then knows where to go on.
        text = b"retry: %d\n" % RETRY_MS + mark(watcher.position)
        while True:
            await send({"type": "http.response.body", "body": text, "more_body": True})
            try:
                events = await watcher.anext(self._heartbeat_seconds)
            except Unavailable:
                # A browser comes back after a stream that ended, but for good not after a 503.
                await asyncio.sleep(RETRY_MS / 1_000)
                events = []
            if watcher.closed and not events:
                break
            text = b"".join(message(event, self._payloads) for event in events) or mark(watcher.position)


async def _gone(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def message(event: StoredEvent, payloads: bool) -> bytes:
    """One event, on one line: a line's end in JSON text is only ever white space, because in a string it is escaped."""
    data = encode(event_shape(event, payloads)).replace(b"\n", b" ").replace(b"\r", b" ")
    return b"id: %d\ndata: %b\n\n" % (event.id, data)


def mark(position: int) -> bytes:
    """A sign of life. An id without data moves the client's Last-Event-ID and shows it nothing."""
    return b": here\nid: %d\n\n" % position
