"""`flightlog remap`: a newer mapping applied to what came by OpenTelemetry before."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from flightlog.cli import options, output
from flightlog.cli.words import count, moment
from flightlog.config import Settings


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("remap")(remap)


def remap(
    since: options.Since = None,
    until: options.Until = None,
    run: Annotated[str | None, typer.Option("--run", metavar="ID", help="Only the events of this run.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    folder: options.Folder = None,
    as_json: options.AsJson = False,
) -> None:
    """Apply a newer mapping to stored OpenTelemetry.

    Model calls, totals of runs and the list of what is not understood follow; the events stay as they are. It can be stopped
    with Ctrl-C at any time, and goes on where it was.
    """
    from flightlog.ops.remap import Remap, Wanted
    from flightlog.wiring import Keeper

    place = options.chosen_folder(folder)
    wanted = Wanted(since=moment("since", since), until=moment("until", until), run_id=run)
    keeper = Keeper(place, Settings.load(place), writable=not dry_run, take_lock=not dry_run)
    try:
        job = Remap(keeper, wanted)
        with output.progress("reading again", None, as_json) as told:
            made = job.dry_run(told) if dry_run else job.run(told)
    finally:
        keeper.close()
    if as_json:
        output.print_json(msgspec.to_builtins(made))
        return
    would = "would be" if dry_run else "were"
    print(
        f"{count(made.looked_at, 'event')} looked at by mapping {made.mapping}; more was understood of {made.events:,}"
    )
    print(
        f"{made.generations_new:,} model calls {would} found, {made.generations_changed:,} {would} changed, "
        f"{made.feedback:,} evaluations {would} taken as feedback"
    )
    if made.attributes:
        listed: list[list[output.Cell]] = [
            [key, f"{number:,}"] for key, number in sorted(made.attributes.items(), key=lambda one: (-one[1], one[0]))
        ]
        output.print_table(("attribute", "events"), listed, right=("events",), shrinks="attribute")
