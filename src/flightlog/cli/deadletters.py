"""`flightlog deadletters`: what failed for good, what it failed of, and having it done again."""

from __future__ import annotations

from typing import Annotated

import typer

from flightlog.cli import options, output
from flightlog.cli.letter_options import (
    STYLES,
    Cause,
    Cursor,
    Event,
    Fingerprint,
    Job,
    Kind,
    Pipeline,
    Queue,
    Source,
    State,
    Status,
    Task,
    User,
    wanted_letters,
)
from flightlog.cli.lettering import open_reading
from flightlog.cli.query import Doc
from flightlog.cli.replays import plan, plans, replay, stop
from flightlog.cli.words import short_time


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    for name, verb in (
        ("list", list_), ("groups", groups), ("show", show), ("replay", replay), ("plans", plans), ("plan", plan),
        ("stop", stop),
    ):  # fmt: skip
        group.command(name)(verb)
    app.add_typer(group, name="deadletters", help="Look at what failed for good, and have it done again.")


def list_(
    source: Source = None,
    cause: Cause = None,
    status: Status = None,
    pipeline: Pipeline = None,
    queue: Queue = None,
    state: State = None,
    user: User = None,
    project: options.Project = None,
    task: Task = None,
    event: Event = None,
    job: Job = None,
    kind: Kind = None,
    fingerprint: Fingerprint = None,
    since: options.Since = None,
    until: options.Until = None,
    limit: options.Limit = None,
    cursor: Cursor = None,
    folder: options.Folder = None,
    server: options.Server = None,
    as_json: options.AsJson = False,
) -> None:
    """List dead letters, the latest first."""
    wanted = wanted_letters(
        status, cause, since, until, source=source, pipeline=pipeline, queue=queue, state=state, user=user,
        project=project, task=task, event=event, job=job, kind=kind, fingerprint=fingerprint,
    )  # fmt: skip
    page = open_reading(folder, server).list(wanted, limit, cursor)
    if as_json:
        output.print_json({"letters": page["letters"], "next_cursor": page["nextCursor"]})
        return
    if not page["letters"]:
        output.hint("there is no such dead letter")
        return
    columns = ("failed", "letter", "status", "where", "cause", "said", "fingerprint")
    rows = [_row(letter) for letter in page["letters"]]
    output.print_table(columns, rows, shrinks="said", optional=("fingerprint", "cause", "failed"))
    if page["nextCursor"]:
        output.hint(f"there are more: --cursor {page['nextCursor']}")


def _row(letter: Doc) -> list[output.Cell]:
    return [
        short_time(letter["failed_at"])[:19],
        letter["letter_id"],
        (letter["status"], STYLES.get(letter["status"], "")),
        _where(letter),
        letter["cause"],
        _said(letter),
        letter["fingerprint"],
    ]


def _where(letter: Doc) -> str:
    place = letter["topic"] if letter["source"] == "outbox" else letter["state"]
    return " ".join(part for part in (letter["pipeline"], place) if part)


def _said(letter: Doc) -> str:
    return f"{letter['kind']}: {letter['message']}"


def groups(
    source: Source = None,
    cause: Cause = None,
    status: Status = None,
    pipeline: Pipeline = None,
    queue: Queue = None,
    state: State = None,
    user: User = None,
    project: options.Project = None,
    kind: Kind = None,
    since: options.Since = None,
    until: options.Until = None,
    folder: options.Folder = None,
    server: options.Server = None,
    as_json: options.AsJson = False,
) -> None:
    """Show what they failed of: letters with the same fingerprint together, the largest group first."""
    wanted = wanted_letters(
        status, cause, since, until, source=source, pipeline=pipeline, queue=queue, state=state, user=user,
        project=project, kind=kind,
    )  # fmt: skip
    found = open_reading(folder, server).groups(wanted)
    if as_json:
        output.print_json(found)
        return
    if not found["groups"]:
        output.hint("there are no such dead letters")
        return
    rows: list[list[output.Cell]] = [
        [
            f"{group['count']:,}", f"{group['open']:,}", group["fingerprint"], _where(group["example"]),
            _said(group["example"]), short_time(group["first_at"])[:19], short_time(group["last_at"])[:19],
        ]
        for group in found["groups"]
    ]  # fmt: skip
    columns = ("letters", "open", "fingerprint", "where", "the last said", "first", "last")
    output.print_table(columns, rows, right=("letters", "open"), shrinks="the last said", optional=("first", "last"))


def show(
    letter: Annotated[str, typer.Argument(metavar="LETTER", help="The id of a dead letter.")],
    folder: options.Folder = None,
    server: options.Server = None,
    as_json: options.AsJson = False,
) -> None:
    """Show one letter, the others of its task or message, and the plans that it was in."""
    found = open_reading(folder, server).show(letter)
    if as_json:
        output.print_json(found)
        return
    facts = {name: value for name, value in found["letter"].items() if value is not None and name != "message"}
    output.print_facts((name, str(value)) for name, value in facts.items())
    output.print_text(found["letter"]["message"])
    for other in found["chain"]:
        if other["letter_id"] != letter:
            status = other["status"]
            output.print_line([("beside it", "dim"), (other["letter_id"], ""), (status, STYLES.get(status, ""))])
    for turn in found["turns"]:
        words = (turn["plan_id"], turn["outcome"] or "waits", turn["ended"] or "", turn["detail"] or "")
        output.print_line([("in plan", "dim"), *((word, "") for word in words)])
