"""`flightlog otlp unmapped`: what no mapping understood of what came by OpenTelemetry."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from flightlog.cli import options, output
from flightlog.cli.query import Doc
from flightlog.cli.words import short_time
from flightlog.config import Settings


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    group.callback()(lambda: None)
    group.command("unmapped")(unmapped)
    app.add_typer(group, name="otlp", help="See what came by OpenTelemetry and was not understood.")


def unmapped(
    scope: Annotated[
        str | None, typer.Option("--scope", metavar="NAME", help="Only of this instrumentation, as name@version.")
    ] = None,
    limit: options.Limit = None,
    folder: options.Folder = None,
    server: options.Server = None,
    as_json: options.AsJson = False,
) -> None:
    """List the attributes that no mapping understood, what most events have first.

    They are kept in the events under their own names. `flightlog remap` applies a newer mapping.
    """
    found = _of_folder(folder, scope, limit) if server is None else _of_server(folder, server, scope, limit)
    if as_json:
        output.print_json(found)
        return
    shown = found["attributes"]
    if not shown:
        output.hint("every attribute was understood")
        return
    rows: list[list[output.Cell]] = [
        [f"{one['count']:,}", one["key"], one["scope"], short_time(one["last_at"])[:19], one["event_id"]]
        for one in shown
    ]
    columns = ("events", "attribute", "scope", "last", "event")
    output.print_table(columns, rows, right=("events",), shrinks="event", optional=("last",))
    if found["keys"] > len(shown):
        output.hint(f"{found['keys'] - len(shown):,} more: --limit {found['keys']}")


def _of_server(folder: options.Folder, server: str, scope: str | None, limit: int | None) -> Doc:
    from flightlog.cli.remote import ServerSource

    options.chosen_folder(folder, server)
    return ServerSource(server).get(
        "/api/otlp/unmapped", [("scope", scope), ("limit", limit)], needs=("attributes", "keys")
    )


def _of_folder(folder: options.Folder, scope: str | None, limit: int | None) -> Doc:
    from flightlog.wiring import Keeper

    place = options.chosen_folder(folder)
    keeper = Keeper(place, Settings.load(place), writable=False)
    try:
        from flightlog.api.shapes_otlp import unmapped_list_shape
        from flightlog.ingest.otlp.unmapped import list_unmapped

        found: Doc = msgspec.json.decode(
            msgspec.json.encode(unmapped_list_shape(list_unmapped(keeper.store, scope, limit)))
        )
        return found
    finally:
        keeper.close()
