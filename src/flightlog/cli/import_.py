"""`flightlog import`: take over what other tools recorded."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from flightlog.cli import options, output
from flightlog.cli.problems import FAILED
from flightlog.cli.words import count
from flightlog.config import Settings
from flightlog.errors import BadInput, ServerExtraMissing
from flightlog.events.envelope import Event
from flightlog.ingest.batch import Intake
from flightlog.ingest.files import ImportReport, Progress, import_files
from flightlog.wiring import Keeper, has_server_extra, make_intake, state_folder

PROBLEMS_SHOWN_MAX = 20
RUNS_SHOWN_MAX = 3


class Format(StrEnum):
    """What can be imported."""

    SWE_AGENT = "swe-agent"
    CLAUDE_CODE = "claude-code"
    JSONL = "jsonl"
    OTLP = "otlp"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("import")(import_)


def import_(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="[FORMAT] FILE...",
            help="Files, or folders of them. FORMAT is jsonl, otlp, swe-agent or claude-code; without it each file is looked at.",
        ),
    ],
    folder: options.Folder = None,
    server: options.Server = None,
    project: Annotated[
        str | None, typer.Option("--project", metavar="NAME", help="The project that the runs belong to.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Import events from files, with their own times.

    Files that Flightlog exported, OpenTelemetry wrote or other agents left. Importing a file again stores nothing twice.

    The exit code is 1 when a part could not be read or stored; all else is in the store then too.
    """
    format_, files = _named(files)
    place = options.chosen_folder(folder, server)
    settings = Settings.load(None if server is not None else place)
    append, close = _way_in(place, server, settings)
    # The key of the redaction marks has to stay, or the same file would look changed when it is imported again.
    intake = make_intake(place if server is None else state_folder(server), settings)
    try:
        report = _import(append, intake, files, format_, project or settings.project, as_json)
        if report.stored:
            append([_told(report, project or settings.project, intake)])
    finally:
        close()
    if as_json:
        output.print_json(_document(report))
    else:
        _print(report)
    if report.problems:
        raise typer.Exit(FAILED)


def _named(words: list[Path]) -> tuple[str | None, list[Path]]:
    """The format, where the first word is one and no file of that name is there, and the files. Raises BadInput without a file."""
    name = str(words[0])
    if words[0].exists() or (
        name not in set(Format) and (len(words) == 1 or words[0].suffix or len(words[0].parts) > 1)
    ):
        return None, words
    if name not in set(Format):
        raise BadInput(reason=f"{name!r} is neither a file nor a format; the formats are {', '.join(Format)}")
    if len(words) == 1:
        raise BadInput(reason=f"name the files that are to be imported as {name}")
    return name, words[1:]


def _way_in(
    place: Path, server: str | None, settings: Settings
) -> tuple[Callable[[list[Event]], Any], Callable[[], None]]:
    """How events get into the journal: over HTTP, or as the folder's writer. Raises WriterLocked when there is another."""
    if server is not None:
        from flightlog.cli.remote import ServerSource

        source = ServerSource(server, settings)
        source.health()  # a wrong address is met before any file is read
        return source.append, source.close
    if not has_server_extra():
        raise ServerExtraMissing(what="Importing into a folder (--server URL works without it)")
    keeper = Keeper(place, settings, writable=True, take_lock=True)
    return lambda events: keeper.journal.append(events, rejects="return"), keeper.close


def _import(
    append: Callable[[list[Event]], Any],
    intake: Intake,
    files: list[Path],
    format_: str | None,
    project: str,
    as_json: bool,
) -> ImportReport:
    with output.progress("reading", None, as_json) as update:

        def on_progress(progress: Progress) -> None:
            update(progress.bytes_done, progress.bytes_total)

        return import_files(append, intake, files, format_, on_progress, project=project)


def _told(report: ImportReport, project: str, intake: Intake) -> Event:
    """The audit event of an import that brought something."""
    from flightlog.audit.actors import os_actor
    from flightlog.audit.events import admin_event

    files = [file.path for file in report.files if file.stored]
    formats = sorted({file.format for file in report.files if file.stored})
    details = {"format": " ".join(formats), "stored": report.stored, "problems": report.problems, "files": files}
    return admin_event("import", actor=os_actor(), subject_type="files", details=details, project=project, care=intake)


def _document(report: ImportReport) -> dict[str, Any]:
    files = []
    for file in report.files:
        found: dict[str, Any] = msgspec.to_builtins(file)
        found["problems"] = [{"where": problem.where, "reason": problem.reason} for problem in file.problems]
        files.append(found)
    return {"format": report.format, "stored": report.stored, "problems": report.problems, "files": files}


def _print(report: ImportReport) -> None:
    columns = ("file", "format", "runs", "events", "new", "known", "changed", "redacted", "problems")
    rows: list[list[output.Cell]] = [
        [
            file.path,
            file.format,
            f"{len(file.run_ids):,}",
            f"{file.events:,}",
            f"{file.stored:,}",
            f"{file.duplicates:,}",
            f"{file.changed:,}",
            f"{file.redacted + file.withheld:,}",
            (f"{len(file.problems):,}", "red" if file.problems else ""),
        ]
        for file in report.files
    ]
    if rows:
        output.print_table(columns, rows, right=columns[2:])
    runs = list(dict.fromkeys(run_id for file in report.files for run_id in file.run_ids))
    for run_id in runs[:RUNS_SHOWN_MAX]:
        output.hint(f"flightlog run show {run_id}")
    if len(runs) > RUNS_SHOWN_MAX:
        output.hint(f"and {count(len(runs) - RUNS_SHOWN_MAX, 'more run')}: flightlog run list")
    if not report.files:
        output.hint("there is no file to import")
    for file in report.files:
        for problem in file.problems[:PROBLEMS_SHOWN_MAX]:
            output.hint(f"{file.path}: {problem.where}: {problem.reason}")
        if len(file.problems) > PROBLEMS_SHOWN_MAX:
            output.hint(f"{file.path}: {len(file.problems) - PROBLEMS_SHOWN_MAX} more problems (--json names them all)")
