"""`flightlog worker`: do tasks of a store that others serve."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from flightlog.cli import options, output, serving
from flightlog.cli.words import count
from flightlog.config import Settings
from flightlog.drills.joining import drill_handlers
from flightlog.errors import BadInput, WriterLocked
from flightlog.store.address import without_password
from flightlog.wiring import Keeper, keeper_drain, open_platform_store

if TYPE_CHECKING:
    from flightlog.working.platform import Platform


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("worker")(worker)


def worker(
    pipelines: options.Pipelines = None,
    queues: Annotated[
        list[str] | None,
        typer.Option("--queues", metavar="NAMES", help="Take tasks of these queues alone; several with commas."),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", metavar="N", min=1, max=512, help="How many tasks at once.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What it is called. Default: host and process.")
    ] = None,
    store: options.Store = None,
    folder: options.Folder = None,
    as_json: options.AsJson = False,
) -> None:
    """Do tasks of a store that others serve, until Ctrl-C.

    Those that run then come to their end, or are handed back. Any number of workers may share a PostgreSQL store. A folder is
    worked on by the one process that keeps it: `flightlog up` with pipelines, or this verb while nobody serves it.
    """
    serving.require_server_extra("flightlog worker")
    place, database = options.chosen_place(folder, store)
    settings = options.with_pipelines(Settings.load(place), pipelines)
    known = serving.known_pipelines(settings)
    wanted = options.words(queues)
    there = {pipeline.queue for pipeline in known.values()}
    if not settings.pipelines:
        raise BadInput(
            reason="a worker needs pipelines to do: name where they are with --pipelines or FLIGHTLOG_PIPELINES"
        )
    if strange := sorted(set(wanted) - there):
        raise BadInput(
            reason=f"no pipeline here has its tasks in the queue {', '.join(strange)}; they are in {', '.join(sorted(there))}"
        )
    logging.basicConfig(level=logging.WARNING, format="flightlog: %(message)s", stream=sys.stderr)
    with _kept(place, settings, database) as keeper:
        from flightlog.working.opening import keeper_platform

        drain = keeper_drain(keeper)
        platform = keeper_platform(
            keeper, drain, known, name=name, queues=wanted, concurrency=concurrency, handlers=drill_handlers(settings)
        )
        drain.start()
        left = 0
        try:
            _work(platform, lambda: _say_ready(platform, database, place, as_json))
        finally:
            left = len(serving.stop_platform(platform))
            drain.stop(timeout=serving.DELIVERY_SECONDS_MAX)
        serving.deliver_rest(keeper)
    output.hint(f"stopped; {count(left, 'task')} handed back" if left else "stopped; nothing was left undone")


@contextmanager
def _kept(place: Path, settings: Settings, database: str | None) -> Iterator[Keeper]:
    try:
        keeper = (
            open_platform_store(database, settings, place)
            if database is not None
            else Keeper(place, settings, writable=True, take_lock=True)
        )
    except WriterLocked as error:
        raise BadInput(
            reason=f"{error.message} Tasks of a folder are done by that process: start it as `flightlog up --pipelines …`, "
            "or have the store on PostgreSQL (--store), where any number of workers may be"
        ) from None
    try:
        yield keeper
    finally:
        keeper.close()


def _work(platform: Platform, on_ready: Callable[[], None]) -> None:
    """Work until a signal comes."""
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        platform.start()
        on_ready()
        ended.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say_ready(platform: Platform, database: str | None, place: Path, as_json: bool) -> None:
    where = str(place.absolute()) if database is None else without_password(database)
    offer = platform.offer
    assert offer is not None
    if as_json:
        said = {
            "worker": offer.worker_id, "store": where, "queues": list(offer.queues),
            "pipelines": sorted(platform.pipelines), "concurrency": offer.concurrency, "pid": os.getpid(),
        }  # fmt: skip
        output.print_json(said, lines=True)
    else:
        print(f"Worker {offer.worker_id} takes tasks of {', '.join(offer.queues)} from {where}, "
              f"{offer.concurrency} at once (Ctrl-C ends it)")  # fmt: skip
    output.flush()
