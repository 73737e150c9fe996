"""`flightlog run list` and `flightlog run show`; `flightlog run compare` has a file of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from flightlog.cli import lines, options, output, problems
from flightlog.cli.compare import compare
from flightlog.cli.query import Doc, EventQuery, RunQuery, Source
from flightlog.cli.source import open_source
from flightlog.cli.words import count, duration, moment, short_time
from flightlog.errors import NotFound

BODY_LINES_MAX = 8


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    group.command("list")(list_)
    group.command("show")(show)
    group.command("compare")(compare)
    app.add_typer(group, name="run", help="Look at runs: list them, read one, compare two.")


def list_(
    query: options.Query = None,
    where: options.Where = None,
    sort: Annotated[
        str | None,
        typer.Option(
            "--sort",
            metavar="FIELD",
            help="started, duration, cost, tokens, errors, events; -FIELD for the largest first. Default: -started.",
        ),
    ] = None,
    folder: options.Folder = None,
    server: options.Server = None,
    status: Annotated[
        list[str] | None,
        typer.Option(
            "--status", metavar="STATUSES", help="running, hung, succeeded, failed, canceled; several with commas."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="TEXT", help="Runs with this in their name.")] = None,
    actor: Annotated[str | None, typer.Option("--actor", metavar="NAME", help="Runs for this actor.")] = None,
    task: Annotated[str | None, typer.Option("--task", metavar="ID", help="Runs of this task.")] = None,
    trace: Annotated[str | None, typer.Option("--trace", metavar="ID", help="Runs of this trace.")] = None,
    project: options.Project = None,
    since: options.Since = None,
    until: options.Until = None,
    limit: options.Limit = None,
    cursor: Annotated[
        str | None, typer.Option("--cursor", metavar="CURSOR", help="The page after this; the page before names it.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """List runs, newest first."""
    asked = options.chosen_query(query, where)
    wanted = RunQuery(
        project=project,
        statuses=options.words(status),
        actor=actor,
        task_id=task,
        trace_id=trace,
        name=name,
        since=moment("since", since),
        until=moment("until", until),
        q=asked,
        sort=sort,
    )
    source = open_source(folder, server)
    try:
        with problems.pointing_at(asked):
            page = source.runs(wanted, limit, cursor)
    finally:
        source.close()
    if as_json:
        output.print_json({"runs": page["runs"], "next_cursor": page["nextCursor"]})
        return
    if not page["runs"]:
        output.hint("there are no such runs")
        return
    columns = ("run", "name", "status", "started", "took", "events", "errors", "lost", "tokens", "cost", "actor")
    output.print_table(
        columns,
        [_row(run) for run in page["runs"]],
        right=columns[4:10],
        shrinks="name",
        optional=("actor", "cost", "lost", "tokens", "took", "errors", "events", "started"),
    )
    if page["nextCursor"]:
        output.hint(f"there are more: --cursor {page['nextCursor']}")


def _row(run: Doc) -> list[output.Cell]:
    used = run["tokens_input"] + run["tokens_output"]
    return [
        run["run_id"],
        run["name"] or "",
        _status(run),
        short_time(run["started_at"])[:19],
        duration(run["duration_ns"]),
        f"{run['event_count']:,}",
        (f"{run['error_count']:,}", "red" if run["error_count"] else ""),
        (f"{run['lost_count']:,}", "red" if run["lost_count"] else ""),
        f"{used:,}" if used else "",
        f"${run['cost_usd']:.4f}" if run["cost_usd"] else "",
        run["actor"] or "",
    ]


def _status(run: Doc) -> output.Part:
    word = "hung" if run["hung"] else run["status"]
    return word, lines.STATUS_STYLES.get(word, "")


def show(
    run_id: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="The run's id. Default: the newest run.")
    ] = None,
    folder: options.Folder = None,
    server: options.Server = None,
    limit: options.Limit = None,
    after_id: options.AfterId = None,
    types: options.Types = None,
    full: Annotated[bool, typer.Option("--full", help="Everything that an event holds, not its first lines.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Read one run: its totals, then what happened, a page at a time."""
    source = open_source(folder, server)
    try:
        run = source.run(run_id if run_id is not None else newest(source))
        query = EventQuery(run_id=run["run_id"], types=options.words(types))
        page = source.events(query, after_id=after_id if after_id is not None else 0, limit=limit)
    finally:
        source.close()
    if as_json:
        pages = {"next_after_id": page["nextAfterId"], "more": page["more"]}
        output.print_json({"run": run, "events": page["events"], **pages})
        return
    if after_id is None:
        output.print_facts(header(run))
        print()
    for event in page["events"]:
        print_event(event, None if full else BODY_LINES_MAX)
    if page["more"]:
        output.hint(f"there are more: --after-id {page['nextAfterId']}")


def newest(source: Source) -> str:
    """The id of the run that was started last. Raises NotFound."""
    runs = source.runs(RunQuery(), limit=1)["runs"]
    if not runs:
        raise NotFound(what="run, not even", id="the newest")
    return str(runs[0]["run_id"])


def header(run: Doc) -> list[tuple[str, output.Cell]]:
    """The facts of a run that stand above its events."""
    facts: list[tuple[str, output.Cell]] = [
        ("run", run["run_id"]),
        ("name", run["name"] or ""),
        ("status", _status(run)),
        ("project", run["project"]),
        ("actor", run["actor"] or ""),
        ("task", run["task_id"] or ""),
        ("trace", run["trace_id"] or ""),
        ("started", short_time(run["started_at"])),
        ("finished", short_time(run["finished_at"])),
        ("took", duration(run["duration_ns"])),
        (
            "events",
            f"{run['event_count']:,}: " + ", ".join(f"{n:,} {kind}" for kind, n in sorted(run["counts"].items())),
        ),
        ("models", ", ".join(run["models"])),
        ("tokens", _tokens(run)),
        ("cost", f"${run['cost_usd']:.6f}" if run["cost_usd"] else ""),
        ("errors", (count(run["error_count"], "event"), "red") if run["error_count"] else ""),
        ("lost", (count(run["lost_count"], "event"), "red") if run["lost_count"] else ""),
    ]
    return [(name, value) for name, value in facts if value]


def _tokens(run: Doc) -> str:
    if not run["tokens_input"] and not run["tokens_output"]:
        return ""
    return (
        f"{run['tokens_input']:,} in ({run['tokens_cached_input']:,} cached), "
        f"{run['tokens_output']:,} out ({run['tokens_reasoning']:,} reasoning)"
    )


def print_event(event: Doc, lines_max: int | None) -> None:
    """One event of a transcript: its line, and beneath it what it holds."""
    output.print_line(lines.line(event, with_run=False))
    rows = lines.body(event)
    left_out = len(rows) - lines_max if lines_max is not None and len(rows) > lines_max + 1 else 0
    for row, style in rows[: len(rows) - left_out]:
        output.print_text("    " + row, style)
    if left_out:
        output.print_text(f"    … {count(left_out, 'line')} more (--full)", "dim")
