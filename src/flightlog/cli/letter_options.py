"""Which dead letters are meant, as options of verbs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flightlog.cli import options
from flightlog.cli.lettering import SERVER, Wanted
from flightlog.cli.words import moment

STYLES = {"OPEN": "red", "REPLAYED": "yellow", "RESOLVED": "green", "DONE": "green", "STOPPED": "red", "REFUSED": "red"}
OPEN, ALL = "OPEN", "ALL"
STATUSES = (OPEN, "REPLAYED", "RESOLVED")

Running = Annotated[
    str | None, typer.Option("--server", metavar="URL", help=f"The server that does the tasks. Default: {SERVER}.")
]
Source = Annotated[str | None, typer.Option("--source", metavar="WORD", help="What failed: task, or outbox.")]
Cause = Annotated[
    list[str] | None,
    typer.Option(
        "--cause", metavar="WORDS", help="error, unrecoverable, poison, deadline, undelivered; several with commas."
    ),
]
Status = Annotated[
    list[str] | None,
    typer.Option(
        "--status", metavar="WORDS", help="open (the default), replayed, resolved; several with commas, or all."
    ),
]
Pipeline = Annotated[str | None, typer.Option("--pipeline", metavar="NAME", help="Only of this pipeline.")]
Queue = Annotated[str | None, typer.Option("--queue", metavar="NAME", help="Only of this queue.")]
State = Annotated[str | None, typer.Option("--state", metavar="STATE", help="Only what failed in this state.")]
User = Annotated[str | None, typer.Option("--user", metavar="ID", help="Only of this user.")]
Task = Annotated[str | None, typer.Option("--task", metavar="ID", help="Only of this task.")]
Event = Annotated[str | None, typer.Option("--event", metavar="ID", help="Only of this message of the outbox.")]
Job = Annotated[str | None, typer.Option("--job", metavar="ID", help="Only of this attempt: TASK.NUMBER.")]
Kind = Annotated[str | None, typer.Option("--kind", metavar="NAME", help="Only with an error of this class.")]
Fingerprint = Annotated[
    str | None, typer.Option("--fingerprint", metavar="HEX", help="Only what failed of this; `groups` shows it.")
]
LetterOption = Annotated[str | None, typer.Option("--letter", metavar="ID", help="Only this letter.")]
PlanId = Annotated[str, typer.Argument(metavar="PLAN", help="The id of a plan.")]
Cursor = Annotated[
    str | None, typer.Option("--cursor", metavar="CURSOR", help="The page after this; the page before names it.")
]


def wanted_letters(
    status: list[str] | None, cause: list[str] | None, since: str | None, until: str | None, **given: Any
) -> Wanted:
    """Which letters, as the API asks for them: those that are open, unless the status is named."""
    statuses = [word.upper() for word in options.words(status)] or [OPEN]
    wanted: Wanted = {name: value for name, value in given.items() if value is not None}
    wanted |= {"status": list(STATUSES) if ALL in statuses else statuses, "cause": list(options.words(cause))}
    for name, text in (("since", since), ("until", until)):
        at = moment(name, text)
        if at is not None:
            wanted[name] = str(at)
    return {name: value for name, value in wanted.items() if value != []}
