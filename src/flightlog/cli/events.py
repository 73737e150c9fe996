"""`flightlog events`: search the journal."""

from __future__ import annotations

from typing import Annotated

import typer

from flightlog.cli import lines, options, output, problems
from flightlog.cli.query import Doc, EventQuery, Source
from flightlog.cli.source import open_source
from flightlog.cli.words import moment
from flightlog.errors import BadInput

PAGE_EVENTS = 1_000


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("events")(events)


def events(
    query: options.Query = None,
    where: options.Where = None,
    folder: options.Folder = None,
    server: options.Server = None,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="Events of this run.")] = None,
    types: options.Types = None,
    levels: Annotated[
        list[str] | None,
        typer.Option("--level", metavar="LEVELS", help="debug, info, warn, error; several with commas."),
    ] = None,
    statuses: Annotated[
        list[str] | None, typer.Option("--status", metavar="STATUSES", help="Statuses; several with commas.")
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option("--source", metavar="NAME", help="From this source; give it again for any of several."),
    ] = None,
    actor: Annotated[
        list[str] | None,
        typer.Option("--actor", metavar="NAME", help="Of this actor; give it again for any of several."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="With this name: of a span, tool, command or model.")
    ] = None,
    trace: Annotated[str | None, typer.Option("--trace", metavar="ID", help="Of this trace.")] = None,
    span: Annotated[str | None, typer.Option("--span", metavar="ID", help="Of this span.")] = None,
    task: Annotated[str | None, typer.Option("--task", metavar="ID", help="Of this task.")] = None,
    correlation: Annotated[
        str | None, typer.Option("--correlation", metavar="ID", help="A request and its response.")
    ] = None,
    project: options.Project = None,
    since: options.Since = None,
    until: options.Until = None,
    after_id: options.AfterId = None,
    before_id: options.BeforeId = None,
    limit: options.Limit = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every page, oldest first; with --json one event a line.")
    ] = False,
    payloads: Annotated[bool, typer.Option("--payloads", help="Show each event's payload beneath it.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Search all events; filters combine. Without --after-id or --all it shows the newest."""
    if everything and (limit is not None or before_id is not None):
        raise BadInput(reason="--all takes neither --limit nor --before-id")
    asked = options.chosen_query(query, where)
    wanted = EventQuery(
        project=project,
        run_id=run,
        types=options.words(types),
        levels=options.words(levels),
        statuses=options.words(statuses),
        sources=tuple(source or ()),
        actors=tuple(actor or ()),
        trace_id=trace,
        span_id=span,
        task_id=task,
        correlation_id=correlation,
        name=name,
        since=moment("since", since),
        until=moment("until", until),
        q=asked,
    )
    opened = open_source(folder, server)
    try:
        with problems.pointing_at(asked):
            if everything:
                _print_all(opened, wanted, after_id or 0, payloads, as_json)
                return
            page = opened.events(wanted, after_id=after_id, before_id=before_id, limit=limit, latest=after_id is None)
    finally:
        opened.close()
    if as_json:
        pages = {"next_after_id": page["nextAfterId"], "next_before_id": page["nextBeforeId"], "more": page["more"]}
        output.print_json({"events": page["events"], **pages})
        return
    for event in page["events"]:
        _print(event, payloads)
    if page["more"]:
        further = f"--after-id {page['nextAfterId']}" if after_id is not None else f"--before-id {page['nextBeforeId']}"
        output.hint(f"there are more: {further}")


def _print_all(opened: Source, query: EventQuery, after_id: int, payloads: bool, as_json: bool) -> None:
    while True:
        page = opened.events(query, after_id=after_id, limit=PAGE_EVENTS)
        for event in page["events"]:
            if as_json:
                output.print_json(event, lines=True)
            else:
                _print(event, payloads)
        if not page["more"]:
            return
        after_id = page["nextAfterId"]


def _print(event: Doc, payloads: bool) -> None:
    output.print_line(lines.line(event))
    if payloads:
        output.print_text("    " + lines.text(event.get("payload")))
