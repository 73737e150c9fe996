"""Asking on behalf of somebody who may hang up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

from anyio import to_thread

from flightlog.query.runner import Answer, Runner

GONE_LOOK_SECONDS = 0.1  # how often it is looked whether somebody still waits


async def run_while_wanted(
    runner: Runner,
    is_gone: Callable[[], Awaitable[bool]],
    sql: str,
    form: str,
    rows: int | None = None,
    seconds: float | None = None,
) -> Answer:
    """The answer, as `Runner.run`; a query whose asker is gone is ended."""
    canceled = threading.Event()

    async def look() -> None:
        while not await is_gone():
            await asyncio.sleep(GONE_LOOK_SECONDS)
        canceled.set()

    looking = asyncio.create_task(look())
    try:
        return await to_thread.run_sync(
            lambda: runner.run(sql, form, rows_max=rows, seconds_max=seconds, canceled=canceled)
        )
    finally:
        looking.cancel()
