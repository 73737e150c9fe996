"""`flightlog audit`: who did what, and who was allowed to."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from flightlog.cli import options, output, problems
from flightlog.cli.auditing import AuditQuery, open_auditing
from flightlog.cli.problems import FAILED
from flightlog.cli.query import Doc
from flightlog.cli.words import moment, short_time
from flightlog.errors import BadInput, EventInvalid

STYLES = {
    "stored": "green", "orphaned": "yellow", "adopted": "green", "spooled": "yellow", "failed": "red",
    "granted": "green", "denied": "red", "refused": "red", "requested": "dim",
}  # fmt: skip
OPERATION_CHARS_MAX = 512

Actor = Annotated[str | None, typer.Option("--actor", metavar="NAME", help="Who did it.")]
Run = Annotated[str | None, typer.Option("--run", metavar="ID", help="The run that it is part of.")]
Task = Annotated[str | None, typer.Option("--task", metavar="ID", help="The task that it is part of.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    group.command("list")(list_)
    group.command("show")(show)
    group.command("decisions")(decisions)
    group.command("add")(add)
    app.add_typer(group, name="audit", help="Who did what, and who was allowed to.")


def list_(
    query: options.Query = None,
    where: options.Where = None,
    orphaned: Annotated[
        bool, typer.Option("--orphaned", help="Only what names a run or task that is not in the store.")
    ] = False,
    actor: Actor = None,
    operation: Annotated[str | None, typer.Option("--operation", metavar="NAME", help="What was done.")] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="ID", help="To what: an id, or TYPE:ID as in repo:acme/shop.")
    ] = None,
    run: Run = None,
    task: Task = None,
    folder: options.Folder = None,
    server: options.Server = None,
    project: options.Project = None,
    since: options.Since = None,
    until: options.Until = None,
    limit: options.Limit = None,
    cursor: Annotated[
        str | None, typer.Option("--cursor", metavar="CURSOR", help="The page after this; the page before names it.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """List audit records and decisions on permissions, the latest first."""
    asked = options.chosen_query(query, where)
    wanted = AuditQuery(
        actor=actor,
        operation=operation,
        subject=subject,
        run_id=run,
        task_id=task,
        project=project,
        orphaned=orphaned,
        since=moment("since", since),
        until=moment("until", until),
        q=asked,
    )
    with problems.pointing_at(asked):
        page = open_auditing(folder, server).list(wanted, limit, cursor)
    if as_json:
        output.print_json({"audits": page["audits"], "next_cursor": page["nextCursor"]})
        return
    if not page["audits"]:
        output.hint("there are no such records")
        return
    columns = ("recorded", "operation", "status", "subject", "actor", "rule", "orphan", "event")
    rows = [_row(one) for one in page["audits"]]
    output.print_table(columns, rows, right=(), shrinks="subject", optional=("rule", "recorded", "orphan"))
    if page["nextCursor"]:
        output.hint(f"there are more: --cursor {page['nextCursor']}")


def _row(one: Doc) -> list[output.Cell]:
    status, orphan = one["status"] or "", "" if one["orphan"] == "known" else one["orphan"]
    return [
        short_time(one["created_at"])[:19],
        one["operation"] or "",
        (status, STYLES.get(status, "")),
        _subject(one),
        one["actor"] or one["approver"] or "",
        one["rule"] or "",
        (orphan, STYLES.get(orphan, "")),
        one["event_id"],
    ]


def _subject(one: Doc) -> str:
    return ":".join(part for part in (one["subject_type"], one["subject_id"]) if part)


def show(
    event_id: Annotated[str, typer.Argument(metavar="EVENT", help="The event id of the record.")],
    folder: options.Folder = None,
    server: options.Server = None,
    as_json: options.AsJson = False,
) -> None:
    """Show one record with all that was said, and its request or decision."""
    found = open_auditing(folder, server).show(event_id)
    if as_json:
        output.print_json(found)
        return
    names = (
        "event_id", "id", "created_at", "type", "operation", "status", "level", "actor", "source", "project", "run_id",
        "task_id", "rule", "approver", "reason", "expires_at", "action_digest", "correlation_id", "orphan", "adopted_at",
    )  # fmt: skip
    facts: list[tuple[str, output.Cell]] = [(name, str(found[name])) for name in names if found[name] is not None]
    facts.append(("subject", _subject(found)))
    if found["missing"]:
        facts.append(("missing", (f"its {' and its '.join(found['missing'])} is not in the store", "yellow")))
    output.print_facts(facts)
    output.print_text(json.dumps(found["event"]["payload"], indent=2, ensure_ascii=False))
    for other in found["paired"]:
        output.print_line([("beside it", "dim"), (other["status"] or "", ""), (other["event_id"], "")])


def decisions(
    query: options.Query = None,
    where: options.Where = None,
    capability: Annotated[
        str | None, typer.Option("--capability", metavar="NAME", help="Only this permission, such as fs.write.")
    ] = None,
    actor: Actor = None,
    run: Run = None,
    folder: options.Folder = None,
    server: options.Server = None,
    project: options.Project = None,
    since: options.Since = None,
    until: options.Until = None,
    as_json: options.AsJson = False,
) -> None:
    """Count how often each permission was asked for, granted and denied."""
    asked = options.chosen_query(query, where)
    wanted = AuditQuery(
        capability=capability,
        actor=actor,
        run_id=run,
        project=project,
        since=moment("since", since),
        until=moment("until", until),
        q=asked,
    )
    with problems.pointing_at(asked):
        found = open_auditing(folder, server).decisions(wanted)
    if as_json:
        output.print_json(found)
        return
    if not found["capabilities"]:
        output.hint("nobody asked for a permission")
        return
    words = ("requested", "granted", "denied")
    rows: list[list[output.Cell]] = [
        [row["capability"] or "", *(_count(row[word], word) for word in words), short_time(row["last_at"])[:19]]
        for row in found["capabilities"]
    ]
    output.print_table(("capability", *words, "last"), rows, right=words, optional=("last",))


def _count(number: int, word: str) -> output.Cell:
    return f"{number:,}", STYLES[word] if number else "dim"


def add(
    operation: Annotated[str, typer.Argument(metavar="OPERATION", help="What was done, such as repo.push.")],
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="TYPE:ID", help="To what, as in repo:acme/shop.")
    ] = None,
    outcome: Annotated[
        str | None, typer.Option("--outcome", metavar="WORD", help="How it ended: succeeded, refused, …")
    ] = None,
    level: Annotated[str, typer.Option("--level", metavar="LEVEL", help="debug, info, warn or error.")] = "info",
    details: Annotated[
        str | None, typer.Option("--details", metavar="JSON", help="What else is to be kept of it.")
    ] = None,
    actor: Annotated[
        str | None, typer.Option("--actor", metavar="NAME", help="Who did it. Default: the user of this machine.")
    ] = None,
    run: Run = None,
    task: Task = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with exit code 1 unless it is in the store in time.")
    ] = False,
    folder: options.Folder = None,
    server: options.Server = None,
    project: Annotated[
        str | None, typer.Option("--project", metavar="NAME", help="The project that it belongs to.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Record that something was done, and say what became of the record.

    What names a run or task that is not there is kept, and adopted when that comes.
    """
    from flightlog.audit.actors import os_actor

    if not operation.strip() or len(operation) > OPERATION_CHARS_MAX:
        raise EventInvalid(reason=f"an operation has 1 to {OPERATION_CHARS_MAX} characters")
    if level not in ("debug", "info", "warn", "error"):
        raise BadInput(reason=f"--level is debug, info, warn or error, not {level!r}")
    type_, colon, id_ = (subject or "").partition(":")
    given: Doc = {
        "operation": operation, "subject_type": type_ if colon else None, "subject_id": id_ if colon else subject,
        "outcome": outcome, "level": level, "details": _details(details), "actor": actor or os_actor(), "run_id": run,
        "task_id": task, "project": project,
    }  # fmt: skip
    made = open_auditing(folder, server).add({name: it for name, it in given.items() if it is not None})
    if as_json:
        output.print_json({name: made[name] for name in ("state", "event_id", "id", "reason")})
    else:
        state = made["state"]
        output.print_line([(state, STYLES[state]), (made["event_id"], ""), (made["reason"] or "", "")])
    if made["state"] == "failed" or (strict and made["state"] == "spooled"):
        raise typer.Exit(FAILED)


def _details(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadInput(reason=f"--details is no JSON: {error}") from None
