"""`flightlog export`: what was recorded, to hand to others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flightlog.cli import options, output
from flightlog.cli.export_events import events
from flightlog.cli.words import count, moment, size
from flightlog.clock import SystemClock
from flightlog.config import Settings
from flightlog.errors import BadInput, RunNotFound
from flightlog.wiring import SEAL_FOLDER, Keeper, seal_keys


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    group.command("evidence")(evidence)
    group.command("events")(events)
    app.add_typer(group, name="export", help="Take out what was recorded, to hand it to others.")


def evidence(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="The run whose events are wanted.")] = None,
    task: Annotated[str | None, typer.Option("--task", metavar="TASK", help="All events of this task.")] = None,
    since: options.Since = None,
    until: options.Until = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write. Default: evidence.zip in this folder.")
    ] = None,
    folder: options.Folder = None,
    as_json: options.AsJson = False,
) -> None:
    """Write a zip that proves these events to somebody who trusts nobody.

    It holds the events, the way from each to the signed root, the public keys, a report in plain words, and a program of a few
    pages that checks all of it with nothing but Python.
    """
    from flightlog.journal.filter import EventFilter
    from flightlog.seal.evidence import write_bundle

    if run is None and task is None and since is None and until is None:
        raise BadInput(reason="say whose evidence: a RUN, --task, or a time with --since and --until")
    place = options.chosen_folder(folder)
    settings = Settings.load(place)
    wanted = EventFilter(run_id=run, task_id=task, since=moment("since", since), until=moment("until", until))
    parts = [f"run {run}" if run else "", f"task {task}" if task else "", f"since {since}" if since else "",
             f"until {until}" if until else ""]  # fmt: skip
    target = out or Path("evidence.zip")
    unborn = target.with_name(f".{target.name}.unborn")
    keeper = Keeper(place, settings, writable=False)
    try:
        alone = run is not None and task is None and since is None and until is None
        extra = _run_report(keeper, run) if run is not None and alone else {}
        with unborn.open("wb") as file, output.progress("events", None, as_json) as told:
            made = write_bundle(
                keeper.store,
                place / SEAL_FOLDER,
                seal_keys(place, settings),
                wanted,
                file,
                subject=", ".join(part for part in parts if part),
                now_ns=SystemClock().now_ns(),
                progress=told,
                extra=extra,
            )
        unborn.replace(target)
    finally:
        unborn.unlink(missing_ok=True)
        keeper.close()
    if as_json:
        output.print_json({"file": str(target), **made._asdict()})
        return
    print(f"{target}: {count(made.events, 'event')}, {size(target.stat().st_size)}")
    if made.unsealed:
        print(f"{count(made.unsealed, 'event')} more match and are not sealed yet; try again in a second")


def _run_report(keeper: Keeper, run_id: str) -> dict[str, tuple[str, bytes]]:
    """The run's report in both forms, for its bundle; nothing where there is no such run, which the bundle itself will say."""
    from flightlog.reports.bundle import bundled
    from flightlog.reports.run import run_report
    from flightlog.seal.state import read_seal

    settings = keeper.settings
    seal = read_seal(keeper.store, keeper.folder / SEAL_FOLDER, seal_keys(keeper.folder, settings))
    try:
        return bundled(run_report(keeper.store, run_id, seal=seal, settings=settings))
    except RunNotFound:
        return {}
