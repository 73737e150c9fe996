"""`flightlog deadletters`: what failed for good, what it failed of, and having it done again."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from flightlog.cli import options, output, problems
from flightlog.cli.lettering import ENDS, SERVER, ServerLetters, Wanted, open_reading
from flightlog.cli.query import Doc
from flightlog.cli.words import count, moment, short_time
from flightlog.errors import BadInput, ServerUnavailable

LOOK_SECONDS = 0.5
SILENCE_SECONDS_MAX = 60.0
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
    wanted = _wanted(
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
    wanted = _wanted(
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


def replay(
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
    letter: LetterOption = None,
    since: options.Since = None,
    until: options.Until = None,
    plan_id: Annotated[
        str | None, typer.Option("--plan", metavar="PLAN", help="A plan that was made before, instead of a new one.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Replay them; without it nothing is done.")] = False,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why; --apply needs it, the audit trail keeps it.")
    ] = None,
    yes_replay: Annotated[
        int | None,
        typer.Option(
            "--yes-replay", metavar="N", help="The confirmation that many letters at high concurrency need: how many."
        ),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", metavar="N", help="Most tasks under way at once, 10 at most.")
    ] = None,
    high: Annotated[
        bool, typer.Option("--allow-high-concurrency", help="Up to 20 at once; the default is then 20.")
    ] = False,
    delete: Annotated[
        bool, typer.Option("--delete-after-replay", help="Delete each letter as it is replayed.")
    ] = False,
    stop_ratio: Annotated[
        float | None,
        typer.Option(
            "--stop-failures-ratio", metavar="SHARE", help="Stop when more than this share fails again. Default: 0.2."
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is over (the default).")] = True,
    server: Running = None,
    as_json: options.AsJson = False,
) -> None:
    """Say what a replay of these letters would do; with --apply do it.

    Exit code 1 where it stopped, 2 where other letters match by now, 4 where the confirmation is missing.
    """
    if apply and not reason:
        raise BadInput(reason="--apply needs a --reason")
    from flightlog.audit.actors import os_actor

    letters = ServerLetters(server)
    by = os_actor()
    if plan_id is None:
        wanted = _wanted(
            status, cause, since, until, source=source, pipeline=pipeline, queue=queue, state=state, user=user,
            project=project, task=task, event=event, job=job, kind=kind, fingerprint=fingerprint, letter=letter,
        )  # fmt: skip
        given = {
            "filter": wanted, "concurrency": concurrency, "allow_high_concurrency": high,
            "delete_after_replay": delete, "stop_failures_ratio": stop_ratio, "by": by,
        }  # fmt: skip
        made = letters.plan({name: value for name, value in given.items() if value is not None})
    else:
        made = letters.read(plan_id)
    if not apply:
        _print_plan(made, as_json)
        if made["state"] == "PLANNED" and made["letters"]:
            again = f" --yes-replay {made['letters']}" if made["confirm"] else ""
            output.hint(
                f"nothing was replayed; to do it: flightlog deadletters replay --plan {made['plan_id']} --apply"
                f" --reason …{again}"
            )
        return
    confirm = None if yes_replay is None else f"replay {yes_replay} dead letters"
    if not as_json:
        for warning in made["warnings"]:
            output.hint(warning)
    begun = letters.apply(made["plan_id"], {"hash": made["hash"], "reason": reason, "confirm": confirm, "by": by})
    last = _wait(letters, begun, as_json) if wait else begun
    _print_plan(last, as_json)
    if last["state"] in ("STOPPED", "REFUSED"):
        raise typer.Exit(problems.FAILED)


def _wait(letters: ServerLetters, begun: Doc, as_json: bool) -> Doc:
    """The plan once it is over, with a bar meanwhile."""
    found, plan_id, silent = begun, begun["plan_id"], 0.0
    try:
        with output.progress("replaying", found["letters"], as_json) as say:
            while found["state"] not in ENDS:
                time.sleep(LOOK_SECONDS)
                try:
                    found, silent = letters.read(plan_id), 0.0
                except ServerUnavailable:  # a server that was killed goes on with it when it is back
                    silent += LOOK_SECONDS
                    if silent > SILENCE_SECONDS_MAX:
                        raise
                say(found["letters"] - found["waiting"] - found["under_way"], found["letters"])
    except KeyboardInterrupt:
        output.hint(f"it goes on without you; to stop it: flightlog deadletters stop {plan_id}")
        raise
    return found


def plans(
    limit: options.Limit = None, cursor: Cursor = None, server: Running = None, as_json: options.AsJson = False
) -> None:
    """List plans, the latest first."""
    page = ServerLetters(server).plans(limit, cursor)
    if as_json:
        output.print_json({"plans": page["plans"], "next_cursor": page["nextCursor"]})
        return
    if not page["plans"]:
        output.hint("there are no plans")
        return
    rows: list[list[output.Cell]] = [
        [
            one["plan_id"], (one["state"], STYLES.get(one["state"], "")), f"{one['letters']:,}",
            short_time(one["created_at"])[:19], one["applied_by"] or one["created_by"], one["because"] or one["reason"] or "",
        ]
        for one in page["plans"]
    ]  # fmt: skip
    columns = ("plan", "state", "letters", "made", "by", "why")
    output.print_table(columns, rows, right=("letters",), shrinks="why", optional=("made", "by"))
    if page["nextCursor"]:
        output.hint(f"there are more: --cursor {page['nextCursor']}")


def plan(
    plan_id: PlanId,
    limit: options.Limit = None,
    after: Annotated[int, typer.Option("--after-no", metavar="N", help="Only its letters after this number.")] = 0,
    server: Running = None,
    as_json: options.AsJson = False,
) -> None:
    """Show a plan, how far it is, and its letters one by one."""
    letters = ServerLetters(server)
    found, page = letters.read(plan_id), letters.items(plan_id, after, limit)
    if as_json:
        output.print_json(found | {"items": page["items"], "next_after_no": page["nextAfterNo"]})
        return
    _print_plan(found, as_json)
    rows: list[list[output.Cell]] = [
        [
            str(item["letter_no"]), item["letter_id"], item["expected"], item["outcome"] or "", item["ended"] or "",
            item["detail"] or "",
        ]
        for item in page["items"]
    ]  # fmt: skip
    if rows:
        columns = ("no", "letter", "expected", "outcome", "ended", "detail")
        output.print_table(columns, rows, right=("no",), shrinks="detail", optional=("expected",))
    if page["nextAfterNo"]:
        output.hint(f"there are more: --after-no {page['nextAfterNo']}")


def stop(
    plan_id: PlanId,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why.")] = None,
    server: Running = None,
    as_json: options.AsJson = False,
) -> None:
    """Replay no more of a plan. What is under way goes its way."""
    from flightlog.audit.actors import os_actor

    _print_plan(ServerLetters(server).stop(plan_id, {"reason": reason, "by": os_actor()}), as_json)


def _print_plan(found: Doc, as_json: bool) -> None:
    if as_json:
        output.print_json(found)
        return
    state = found["state"]
    facts: list[tuple[str, output.Cell]] = [
        ("plan", found["plan_id"]), ("state", (state, STYLES.get(state, ""))),
        ("letters", count(found["letters"], "dead letter")), ("at once", str(found["concurrency"])),
        ("hash", found["hash"]),
    ]  # fmt: skip
    if found["because"]:
        facts.append(("because", found["because"]))
    if state == "PLANNED":
        facts += [("would be", _counts(found["expected"])), ("needs", found["confirm"] or "no confirmation")]
    else:
        facts += [
            ("reason", found["reason"] or ""), ("by", found["applied_by"] or ""), ("became", _counts(found["outcomes"])),
            ("then", _counts(found["ended"])), ("waiting", str(found["waiting"])), ("under way", str(found["under_way"])),
        ]  # fmt: skip
    output.print_facts(facts)
    if state == "PLANNED":
        for warning in found["warnings"]:
            output.hint(warning)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in sorted(counts.items(), key=lambda one: -one[1])) or "none"


def _wanted(
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
