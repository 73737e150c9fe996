"""The task platform on a keeper's store, as servers and workers have it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence

from flightlog.audit.witness import FolderWatch
from flightlog.clock import Clock, SystemClock
from flightlog.ids import Ids, SystemIds
from flightlog.outbox.dispatch import Handler
from flightlog.recorder.drain import Drain
from flightlog.tasks.pipeline import Pipeline
from flightlog.wiring import Keeper, digest_key, make_intake
from flightlog.working.platform import EMBEDDED, Platform, WorkerPlan
from flightlog.working.recording import WorkerRecorder


def keeper_platform(
    keeper: Keeper,
    drain: Drain,
    pipelines: Mapping[str, Pipeline],
    *,
    worker: bool = True,
    name: str | None = None,
    queues: tuple[str, ...] = (),
    concurrency: int | None = None,
    handlers: Mapping[str, Handler] | None = None,
    look_after: Sequence[Callable[[], object]] = (),
    clock: Clock | None = None,
    ids: Ids | None = None,
) -> Platform:
    """The platform of a process that keeps a store; not started yet. Without pipelines it has no worker.

    `drain` is who delivers the folder's spool in this process. The worker of a folder has always the same id: whoever holds the
    folder is the one process that works there. On a store with others each process is a worker of its own.
    """
    clock, ids = clock or SystemClock(), ids or SystemIds()
    folder = keeper.folder
    plan = None
    if worker and pipelines:
        host = f"{socket.gethostname()}-{os.getpid()}"
        worker_id = f"{host}-{ids.span_id()[:6]}" if keeper.is_shared else EMBEDDED
        recorder = WorkerRecorder(
            folder,
            keeper.settings,
            clock,
            ids,
            digest_key=digest_key(folder),
            drain=drain,
            witness=None if keeper.is_shared else lambda event_id: FolderWatch(folder, event_id),
        )
        plan = WorkerPlan(worker_id, name or (host if keeper.is_shared else EMBEDDED), recorder, queues, concurrency)
    return Platform(
        keeper.store, keeper.journal, make_intake(folder, keeper.settings), keeper.settings,
        pipelines=pipelines, alone=not keeper.is_shared, worker=plan, handlers=handlers,
        look_after=look_after, clock=clock, ids=ids,
    )  # fmt: skip
