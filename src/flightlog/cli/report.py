"""`flightlog report`: the report of a run, to be read and filed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from flightlog.cli import options
from flightlog.cli.run import newest
from flightlog.cli.source import open_source
from flightlog.errors import BadInput


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("report")(report)


def report(
    run_id: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="The run's id. Default: the newest run.")
    ] = None,
    folder: options.Folder = None,
    server: options.Server = None,
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="FORMAT", help="md, html or json. Default: by the name of --out, else md."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write to a file, not to the screen.")
    ] = None,
    link_base: Annotated[
        str | None,
        typer.Option("--link-base", metavar="URL", help="The server that links to events lead to. Default: --server."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Write down what a run did, each line with its event.

    What was asked, commands with exit codes and output, tests, patches, permissions, errors, cost, what was lost or erased, how far
    it is sealed, what came of it. Without --server or --link-base, lines name their events instead of linking to them.
    """
    chosen = _format(form, out, as_json)
    source = open_source(folder, server)
    try:
        made = source.report(run_id if run_id is not None else newest(source), chosen, link_base)
    finally:
        source.close()
    if out is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(made)
        return
    unborn = out.with_name(f".{out.name}.unborn")
    try:
        unborn.write_bytes(made)
        unborn.replace(out)
    except OSError as error:
        raise BadInput(reason=f"{out} can't be written: {error.strerror}") from None
    finally:
        unborn.unlink(missing_ok=True)


def _format(form: str | None, out: Path | None, as_json: bool) -> str:
    """The format that is meant. Raises BadInput where two are."""
    if as_json and form not in (None, "json"):
        raise BadInput(reason=f"--json and --format {form} are two formats; give one of them")
    if form is not None or as_json:
        return form or "json"
    by_name = {".md": "md", ".html": "html", ".htm": "html", ".json": "json"}
    return by_name.get(out.suffix.lower(), "md") if out is not None else "md"
