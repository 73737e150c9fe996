"""A folder's keeper and its HTTP server in one process: started, watched over, and stopped without losing a thing."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from flightlog.archiving import keeper_archive
from flightlog.cli.words import count
from flightlog.config import Settings
from flightlog.decoding import GARBAGE_OBJECTS_MIN, make_apart
from flightlog.drills.joining import drill_handlers, drill_pipelines
from flightlog.errors import FlightlogError, GrpcExtraMissing, ServerExtraMissing, Unavailable, WriterLocked
from flightlog.keeping import keeper_janitor
from flightlog.wiring import (
    SEAL_FOLDER,
    SPOOL_FOLDER,
    Keeper,
    digest_key,
    has_server_extra,
    keeper_drain,
    keeper_seal,
    make_intake,
    open_platform_store,
)
from flightlog.working.pipelines import load_pipelines

if TYPE_CHECKING:
    from flightlog.api.grpc_door import GrpcDoor
    from flightlog.archive.keeper import ArchiveKeeper
    from flightlog.ingest.otlp.apart import Apart
    from flightlog.queue.port import Job
    from flightlog.retention.janitor import Janitor
    from flightlog.seal.keeper import SealKeeper
    from flightlog.tasks.pipeline import Pipeline
    from flightlog.working.platform import Platform

log = logging.getLogger("flightlog")

LOOPBACK = "127.0.0.1"
PORT = 4747
# How long open requests and streams get to end, and how long the last delivery may take.
REQUESTS_SECONDS_MAX = 3
DELIVERY_SECONDS_MAX = 10.0
JANITOR_SECONDS_MAX = 5.0  # a transaction of its own is short
ARCHIVE_SECONDS_MAX = 5.0  # what is not committed by then is written again after the next start
SEAL_SECONDS_MAX = 5.0  # what is not sealed by then is sealed after the next start


def require_server_extra(what: str) -> None:
    """Raise ServerExtraMissing unless this process can serve."""
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError:
        raise ServerExtraMissing(what=what) from None
    if not has_server_extra():
        raise ServerExtraMissing(what=what)


def listen(host: str, port: int, ports_tried: int = 1) -> socket.socket:
    """A socket that listens on the first free of these ports; port 0 is any. Raises BindRefused and Unavailable."""
    from flightlog.api.security import check_bind

    check_bind(host)
    bare = host.strip("[]")
    last = port + ports_tried - 1 if port else port
    for number in range(port, last + 1):
        try:
            family, _, _, _, address = socket.getaddrinfo(bare, number, type=socket.SOCK_STREAM)[0]
            listener = socket.create_server(address[:2], family=family, backlog=128)
            # asyncio does it only for sockets that name their protocol, and without it small answers wait 40 ms for an ACK.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return listener
        except OSError as error:
            if number == last:
                reason = (
                    f"{host} port {number}: {error.strerror or error}; choose another with --port (0: any free one)"
                )
                raise Unavailable(reason=reason) from None
    raise AssertionError("a range of ports is never empty")


def url_of(host: str, listener: socket.socket) -> str:
    """Where the server is, as a browser wants it."""
    bare = host.strip("[]")
    return f"http://{f'[{bare}]' if ':' in bare else bare}:{listener.getsockname()[1]}"


def serve(
    folder: Path,
    settings: Settings,
    host: str,
    listener: socket.socket,
    on_ready: Callable[[], None],
    on_grpc: Callable[[str], None] = lambda address: None,
    store: str | None = None,
    worker: bool = True,
) -> int:
    """Be the folder's writer and server until SIGTERM or SIGINT; the number of events that were delivered from the spool.

    With `store`, the URL of a PostgreSQL database, the store is there, with other servers beside this one, and the folder has
    the spool that is delivered into it.

    Tasks are taken for the pipelines that `settings` name, and done in this process too, unless `worker` is False.

    Where `otlp_grpc_port` is set, OTLP/gRPC is taken there too; `on_grpc` is told the address before `on_ready` is called.

    At the end requests get a moment, tasks that run get `worker_drain_seconds`, then what is in the spool is delivered, then the
    store is closed. A second signal leaves at once: what was acknowledged is in the spool or the store, and the next writer goes
    on from there.
    """
    logging.basicConfig(level=logging.WARNING, format="flightlog: %(message)s", stream=sys.stderr)
    if settings.otlp_grpc_port is not None and importlib.util.find_spec("grpc") is None:
        raise GrpcExtraMissing(what="A port for OTLP/gRPC")
    from flightlog.working.opening import keeper_platform  # with it comes SQLAlchemy

    pipelines = known_pipelines(settings)
    if store is not None:
        keeper = open_platform_store(store, settings, folder)
        settings = keeper.settings
    else:
        keeper = Keeper(folder, settings, writable=True, take_lock=True)
    seal = keeper_seal(keeper) if settings.seal else None
    archive = keeper_archive(keeper)
    janitor = keeper_janitor(keeper)
    try:
        drain = keeper_drain(keeper)
        drain.start()
        platform = keeper_platform(keeper, drain, pipelines, worker=worker, handlers=drill_handlers(settings))
        if seal is not None:
            seal.start()
        if archive is not None:
            archive.start()
        if settings.retention:
            janitor.start()
        apart = make_apart(settings, digest_key(keeper.folder), keeper.journal.preparation)
        try:
            server = _make_server(keeper, drain, seal, archive, janitor, platform, apart, host, on_ready, on_grpc)
            server.run(sockets=[listener])
            if server.force_exit:
                platform.hurry()
        finally:
            if apart is not None:
                apart.close()
            stop_platform(platform)
            janitor.stop(timeout=JANITOR_SECONDS_MAX)
            if archive is not None:
                archive.stop(timeout=ARCHIVE_SECONDS_MAX)
            drain.stop(timeout=DELIVERY_SECONDS_MAX)
        if server.force_exit:
            return drain.drained
        delivered = drain.drained + deliver_rest(keeper)
        if seal is not None:
            seal.stop(timeout=SEAL_SECONDS_MAX)
        return delivered
    finally:
        listener.close()
        if seal is not None:
            seal.stop(timeout=0)
        keeper.close()


def known_pipelines(settings: Settings) -> dict[str, Pipeline]:
    """The pipelines that this process knows. Raises PipelinesNotLoaded and PipelineInvalid."""
    return load_pipelines(settings.pipelines, drill_pipelines(settings))


def stop_platform(platform: Platform) -> list[Job]:
    """Drain and stop; a signal meanwhile has it leave at once. What was handed back."""

    def leave(number: int, frame: FrameType | None) -> None:
        platform.hurry()

    try:
        before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}
    except ValueError:
        before = {}  # not the main thread, as in tests: who can't be signalled is not
    try:
        left = platform.stop()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if left:
        log.warning("%s handed back, to go on elsewhere or at the next start", count(len(left), "task"))
    return left


def deliver_rest(keeper: Keeper) -> int:
    """Deliver what is in the spool now, as far as time allows."""
    last, delivered = keeper_drain(keeper), 0
    deadline = time.monotonic() + DELIVERY_SECONDS_MAX
    try:
        while time.monotonic() < deadline and (handed := last.drain_once()):
            delivered += handed
    except WriterLocked:
        pass  # another server delivers what is in this folder
    except FlightlogError as error:
        logging.getLogger("flightlog").warning("events stay in the spool: %s", error)
    finally:
        last.stop()
    return delivered


def _make_server(
    keeper: Keeper,
    drain: Any,
    seal: SealKeeper | None,
    archive: ArchiveKeeper | None,
    janitor: Janitor,
    platform: Platform,
    apart: Apart | None,
    host: str,
    on_ready: Callable[[], None],
    on_grpc: Callable[[str], None],
) -> Any:
    import uvicorn

    from flightlog.api.app import create_app
    from flightlog.services import DrainHealth, Services

    spool = keeper.folder / SPOOL_FOLDER

    def drain_health() -> DrainHealth:
        sizes = _segment_sizes(spool)
        return DrainHealth(
            state=drain.state,
            error=drain.error,
            drained=drain.drained,
            backlog_bytes=sum(sizes),
            backlog_segments=len(sizes),
        )

    class Server(uvicorn.Server):
        """Says when it is ready, and ends the streams first when it is told to stop."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            if door is not None and grpc_port is not None:
                app.state.otlp_grpc = await door.start(host, grpc_port)
                on_grpc(app.state.otlp_grpc)
            await super().startup(sockets)
            gc.freeze()
            gc.set_threshold(GARBAGE_OBJECTS_MIN, 20, 20)
            on_ready()
            await asyncio.to_thread(platform.start)  # after the line that says where it is: steps may print too

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await asyncio.to_thread(keeper.hub.close)
            await asyncio.to_thread(platform.drain)
            if door is not None:
                await door.stop(0 if self.force_exit else REQUESTS_SECONDS_MAX)
            await super().shutdown(sockets)

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            # Not kept for uvicorn to raise again: the end of this process is ours to do in order.
            self.force_exit = self.should_exit
            self.should_exit = True

    services = Services(
        store=keeper.store,
        journal=keeper.journal,
        hub=keeper.hub,
        intake=make_intake(keeper.folder, keeper.settings),
        settings=keeper.settings,
        drain=drain_health,
        seal=seal.health if seal is not None else None,
        seal_folder=None if keeper.is_shared else keeper.folder / SEAL_FOLDER,
        folder=keeper.folder,
        archive=archive.health if archive is not None else None,
        retention=janitor,
        prices=keeper.prices,
        platform=platform,
        apart=apart,
    )
    app = create_app(services)
    grpc_port = keeper.settings.otlp_grpc_port
    door = grpc_door(app) if grpc_port is not None else None
    config = uvicorn.Config(
        app,
        host=host,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=REQUESTS_SECONDS_MAX,
    )
    return Server(config)


def grpc_door(app: Any) -> GrpcDoor:
    """The door for OTLP/gRPC of an app; with it comes grpcio, some 15 MB."""
    from flightlog.api.grpc_door import GrpcDoor

    return GrpcDoor(app.state.services, app.state.otlp_waiting, app.state.appenders)


def _segment_sizes(spool: Path) -> list[int]:
    sizes = []
    try:
        with os.scandir(spool) as entries:
            for entry in entries:
                if entry.name.endswith(".seg"):
                    try:
                        sizes.append(entry.stat().st_size)
                    except FileNotFoundError:
                        continue
    except FileNotFoundError:
        pass
    return sizes
