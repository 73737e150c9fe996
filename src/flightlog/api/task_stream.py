"""One task as it changes, as Server-Sent Events that end with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.types import Send

from flightlog.api.shapes import encode
from flightlog.api.shapes_tasks import task_shape
from flightlog.api.sse import RETRY_MS, EventStream, Streams
from flightlog.errors import Unavailable
from flightlog.journal.tail import Watcher
from flightlog.tasks.task import Task

# Its moves are events, which wake the stream. How far a step is, is no event: that is looked for.
PROGRESS_SECONDS = 0.5


class TaskStream(EventStream):
    """Sends the task when it has changed since `last_id`, and at each change after that, up to its end."""

    def __init__(
        self,
        streams: Streams,
        watch: Callable[[], Watcher],
        read: Callable[[], Task],
        *,
        last_id: str | None,
        heartbeat_seconds: float,
    ) -> None:
        super().__init__(streams, watch, payloads=False, heartbeat_seconds=heartbeat_seconds)
        self._read = read
        self._last_id = last_id

    async def _pump(self, watcher: Watcher, send: Send) -> None:
        text = b"retry: %d\n\n" % RETRY_MS
        spoke_at = 0.0
        while True:
            try:
                task = await run_in_threadpool(self._read)
            except Unavailable:
                await asyncio.sleep(RETRY_MS / 1_000)  # as with events: the stream waits for the store
                continue
            if (at := place_of(task)) != self._last_id:
                self._last_id = at
                text += b"id: %b\nevent: task\ndata: %b\n\n" % (at.encode(), encode(task_shape(task)))
            if not text and time.monotonic() - spoke_at >= self._heartbeat_seconds:
                text = b": here\n\n"
            if text:
                await send({"type": "http.response.body", "body": text, "more_body": True})
                text, spoke_at = b"", time.monotonic()
            if task.is_over or watcher.closed:
                return
            try:
                await watcher.anext(min(PROGRESS_SECONDS, self._heartbeat_seconds))
            except Unavailable:
                await asyncio.sleep(RETRY_MS / 1_000)


def place_of(task: Task) -> str:
    """Where a task is, as the id of the message that says so."""
    return f"{task.version}-{task.progress}"
