"""`flightlog up`: keep a folder's store and serve it."""

from __future__ import annotations

import os
from typing import Annotated

import msgspec
import typer

from flightlog.cli import options, output, serving
from flightlog.cli.words import count
from flightlog.config import Settings
from flightlog.store.address import without_password


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("up")(up)


def up(
    folder: options.Folder = None,
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="The port; 0 takes any free one.")
    ] = serving.PORT,
    host: Annotated[
        str, typer.Option("--host", metavar="NAME", help="The address to listen on; only this machine's own.")
    ] = serving.LOOPBACK,
    otlp_grpc_port: Annotated[
        int | None,
        typer.Option(
            "--otlp-grpc-port",
            metavar="N",
            min=0,
            max=65535,
            help="Take OTLP/gRPC too, usually on 4317; 0 is any free port.",
        ),
    ] = None,
    store: options.Store = None,
    pipelines: options.Pipelines = None,
    worker: Annotated[
        bool,
        typer.Option("--worker/--no-worker", help="Do tasks in this process, or leave them to `flightlog worker`."),
    ] = True,
    as_json: options.AsJson = False,
) -> None:
    """Serve a folder or a PostgreSQL store, until Ctrl-C.

    The spool is delivered meanwhile, and with pipelines tasks are done.

    The API and the console answer on this machine only: there is no authentication yet.
    """
    serving.require_server_extra("flightlog up")
    place, database = options.chosen_place(folder, store)
    served = str(place.absolute()) if database is None else without_password(database)
    settings = Settings.load(place)
    if otlp_grpc_port is not None:
        settings = msgspec.structs.replace(settings, otlp_grpc_port=otlp_grpc_port)
    settings = options.with_pipelines(settings, pipelines)
    if not worker and database is None:
        output.hint("tasks wait: those of a folder are done by the process that serves it, and this one is told not to")
    listener = serving.listen(host, port)
    url = serving.url_of(host, listener)

    grpc: list[str] = []

    def ready() -> None:
        if as_json:
            more = {"otlp_grpc": grpc[0]} if grpc else {}
            if database is not None:
                more["store"] = served
            output.print_json({"url": url, "folder": str(place.absolute()), "pid": os.getpid(), **more}, lines=True)
        else:
            print(f"Flightlog serves {served} at {url} (Ctrl-C ends it)")
            for address in grpc:
                print(f"OTLP/gRPC is taken at http://{address}")
        output.flush()

    delivered = serving.serve(place, settings, host, listener, ready, grpc.append, database, worker)
    output.hint(f"stopped; {count(delivered, 'event')} delivered from the spool")
