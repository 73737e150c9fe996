"""The verbs of `flightlog deadletters` that have letters done again: planned, applied, followed, stopped."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from flightlog.cli import options, output, problems
from flightlog.cli.letter_options import (
    STYLES,
    Cause,
    Cursor,
    Event,
    Fingerprint,
    Job,
    Kind,
    LetterOption,
    Pipeline,
    PlanId,
    Queue,
    Running,
    Source,
    State,
    Status,
    Task,
    User,
    wanted_letters,
)
from flightlog.cli.lettering import ENDS, ServerLetters
from flightlog.cli.query import Doc
from flightlog.cli.words import count, short_time
from flightlog.errors import BadInput, ServerUnavailable

LOOK_SECONDS = 0.5
SILENCE_SECONDS_MAX = 60.0


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
        wanted = wanted_letters(
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
