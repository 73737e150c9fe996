"""`flightlog tail`: follow what is being recorded."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from flightlog.cli import lines, options, output, problems
from flightlog.cli.query import Doc, EventQuery, Source
from flightlog.cli.source import open_source
from flightlog.errors import BadInput

LAST_DEFAULT = 10


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("tail")(tail)


def tail(
    run_id: Annotated[str | None, typer.Argument(metavar="[RUN]", help="Only this run. Default: all of them.")] = None,
    where: options.Where = None,
    folder: options.Folder = None,
    server: options.Server = None,
    types: options.Types = None,
    levels: Annotated[
        list[str] | None,
        typer.Option("--level", metavar="LEVELS", help="debug, info, warn, error; several with commas."),
    ] = None,
    last: Annotated[
        int, typer.Option("--last", metavar="N", min=0, help="Show so many events from before first.")
    ] = LAST_DEFAULT,
    until_finished: Annotated[bool, typer.Option("--until-finished", help="End when the run has finished.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Follow events as they are recorded, one a line, until Ctrl-C. With --json each line is one event."""
    if until_finished and where is not None:
        raise BadInput(
            reason="--until-finished reads every event of the run; give --types or --level instead of --where"
        )
    if until_finished and run_id is None:
        raise BadInput(reason="--until-finished needs a RUN")
    source = open_source(folder, server)
    try:
        with problems.pointing_at(where):
            _follow(source, run_id, options.words(types), options.words(levels), last, until_finished, as_json, where)
    finally:
        source.close()


def _follow(
    source: Source,
    run_id: str | None,
    types: tuple[str, ...],
    levels: tuple[str, ...],
    last: int,
    until_finished: bool,
    as_json: bool,
    where: str | None = None,
) -> None:
    wanted = EventQuery(run_id=run_id, types=types, levels=levels, q=where)
    # Of a run whose end is waited for, every event is read and those not asked for are passed over.
    read = EventQuery(run_id=run_id) if until_finished else wanted

    def show(events: list[Doc]) -> bool:
        """Print what was asked for; True when the run's end was among the events."""
        for event in events:
            if (not types or event["type"] in types) and (not levels or event["level"] in levels):
                _print(event, run_id is None, as_json)
        sys.stdout.flush()
        return until_finished and any(event["type"] == "run_finished" for event in events)

    # The place is taken first: what comes after it is followed, what was before it is read backwards.
    head = source.head()
    if last:
        show(source.events(wanted, before_id=head + 1, limit=last, latest=True)["events"])
    end = EventQuery(run_id=run_id, types=("run_finished",))
    if until_finished and source.events(end, before_id=head + 1, limit=1)["events"]:
        return
    for events in source.follow(read, head):
        if show(events):
            return


def _print(event: Doc, with_run: bool, as_json: bool) -> None:
    if as_json:
        output.print_json(event, lines=True)
    else:
        output.print_line(lines.line(event, with_run=with_run))
