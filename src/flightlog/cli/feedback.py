"""`flightlog feedback add` and `flightlog feedback list`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from flightlog.cli import options, output, problems
from flightlog.cli.judging import SPOOLED, FeedbackQuery, open_judging
from flightlog.cli.query import Doc
from flightlog.cli.words import clip, moment, short_time
from flightlog.errors import FeedbackInvalid
from flightlog.events.feedback import fault_of

STYLES = {"linked": "green", "pending": "yellow", SPOOLED: "yellow", "up": "green", "down": "red"}
VALUE_CHARS_MAX = 40
TARGETS = {"generation": "generation_id", "span": "span_id", "run": "run_id"}


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    group.command("add")(add)
    group.command("list")(list_)
    app.add_typer(group, name="feedback", help="Say what an answer was worth; list what was said.")


def add(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="The id of a generation, a span, a run or an event.")],
    thumb: Annotated[str | None, typer.Option("--thumb", metavar="WAY", help="up or down.")] = None,
    score: Annotated[float | None, typer.Option("--score", metavar="N", help="A number, on any scale.")] = None,
    label: Annotated[str | None, typer.Option("--label", metavar="TEXT", help="A word for it.")] = None,
    correction: Annotated[
        str | None, typer.Option("--correction", metavar="TEXT", help="What should have been said.")
    ] = None,
    comment: Annotated[
        str | None, typer.Option("--comment", metavar="TEXT", help="Words; alone, or beside one of the above.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="What is judged: helpfulness, …")] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="WHO", help="user, reviewer, model or code.")] = None,
    actor: Annotated[str | None, typer.Option("--actor", metavar="NAME", help="The very person or program.")] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="KEY", help="Replaces what was said under it before.")
    ] = None,
    target_type: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="generation, span or run, where the id could be any.")
    ] = None,
    folder: options.Folder = None,
    server: options.Server = None,
    as_json: options.AsJson = False,
) -> None:
    """Say what you think of something. What nothing in the store has the id of is kept, and linked when it comes."""
    said = {"thumb": thumb, "score": score, "label": label, "correction": correction}
    values = {kind: value for kind, value in said.items() if value is not None}
    if len(values) > 1:
        raise FeedbackInvalid(reason=f"--{' and --'.join(values)} are two; say each by itself")
    kind, value = next(iter(values.items()), ("comment", None))
    given: Doc = {
        "target_id": target, "target_type": target_type, "kind": kind, "value": value, "name": name,
        "comment": comment, "given_by": by, "actor": actor, "key": key,
    }  # fmt: skip
    given = {name: it for name, it in given.items() if it is not None}
    if fault := fault_of(given):
        raise FeedbackInvalid(reason=fault)
    held = open_judging(folder, server).add(given)
    if as_json:
        output.print_json(held)
        return
    output.print_line([(held["status"], STYLES.get(held["status"], "")), (_what_became_of(held), "")])


def _what_became_of(held: Doc) -> str:
    if held["status"] == "linked":
        return f"to {held['target_type']} {held[TARGETS[held['target_type']]]}"
    if held["status"] == SPOOLED:
        return "it is recorded, and counts once the spool is delivered: `flightlog drain`"
    return f"nothing has the id {held['target_id']} yet; it is linked when that comes"


def list_(
    query: options.Query = None,
    where: options.Where = None,
    target: Annotated[
        str | None, typer.Option("--target", metavar="ID", help="On this generation, span or run.")
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", metavar="ID", help="On this run, its model calls and its spans.")
    ] = None,
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
    """List feedback, the latest first. `status:pending` is what waits for its target."""
    asked = options.chosen_query(query, where)
    wanted = FeedbackQuery(
        target=target,
        run_id=run,
        project=project,
        since=moment("since", since),
        until=moment("until", until),
        q=asked,
    )
    with problems.pointing_at(asked):
        page = open_judging(folder, server).list(wanted, limit, cursor)
    if as_json:
        output.print_json({"feedback": page["feedback"], "next_cursor": page["nextCursor"]})
        return
    if not page["feedback"]:
        output.hint("there is no such feedback")
        return
    columns = ("said", "kind", "value", "name", "by", "comment", "status", "target")
    output.print_table(
        columns, [_row(one) for one in page["feedback"]], right=(), shrinks="comment", optional=("by", "said", "name")
    )
    if page["nextCursor"]:
        output.hint(f"there are more: --cursor {page['nextCursor']}")


def _row(one: Doc) -> list[output.Cell]:
    value = _shown(one["value"])
    return [
        short_time(one["created_at"])[:19],
        one["kind"],
        (value, STYLES.get(value, "")),
        one["name"] or "",
        one["actor"] or one["given_by"] or "",
        one["comment"] or "",
        (one["status"], STYLES.get(one["status"], "")),
        one["target_id"],
    ]


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return clip(value, VALUE_CHARS_MAX) if isinstance(value, str) else json.dumps(value)
