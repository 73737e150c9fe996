"""`flightlog generation list` and `flightlog generation show`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from flightlog.cli import options, output, problems
from flightlog.cli.query import Doc, GenerationQuery
from flightlog.cli.source import open_source
from flightlog.cli.words import duration, moment, short_time

STYLES = {"error": "red", "running": "cyan", "ok": "green"}
TEXT_LINES_MAX = 40


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    group.command("list")(list_)
    group.command("show")(show)
    app.add_typer(group, name="generation", help="Look at model calls: list them, read one.")


def list_(
    query: options.Query = None,
    where: options.Where = None,
    sort: Annotated[
        str | None,
        typer.Option(
            "--sort",
            metavar="FIELD",
            help="started, duration, cost, tokens, ttfc; -FIELD for the largest first. Default: -started.",
        ),
    ] = None,
    folder: options.Folder = None,
    server: options.Server = None,
    run: Annotated[str | None, typer.Option("--run", metavar="ID", help="Calls of this run.")] = None,
    trace: Annotated[str | None, typer.Option("--trace", metavar="ID", help="Calls of this trace.")] = None,
    project: options.Project = None,
    since: options.Since = None,
    until: options.Until = None,
    limit: options.Limit = None,
    cursor: Annotated[
        str | None, typer.Option("--cursor", metavar="CURSOR", help="The page after this; the page before names it.")
    ] = None,
    count: Annotated[bool, typer.Option("--count", help="Say how many there are on all pages.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """List model calls, newest first."""
    asked = options.chosen_query(query, where)
    wanted = GenerationQuery(
        project=project,
        run_id=run,
        trace_id=trace,
        since=moment("since", since),
        until=moment("until", until),
        q=asked,
        sort=sort,
    )
    source = open_source(folder, server)
    try:
        with problems.pointing_at(asked):
            page = source.generations(wanted, limit, cursor, count)
    finally:
        source.close()
    if as_json:
        total = {"total": page["total"]} if count else {}
        output.print_json({"generations": page["generations"], "next_cursor": page["nextCursor"], **total})
        return
    if not page["generations"]:
        output.hint("there are no such model calls")
        return
    columns = ("generation", "model", "status", "started", "took", "tokens", "cost", "asked", "answered")
    output.print_table(
        columns,
        [_row(one) for one in page["generations"]],
        right=columns[4:7],
        shrinks="answered",
        optional=("asked", "answered", "cost", "tokens", "started", "took"),
    )
    if count:
        more = " at least" if page.get("totalIsLeast") else ""
        output.hint(f"{page['total']:,} in all{more}")
    if page["nextCursor"]:
        output.hint(f"there are more: --cursor {page['nextCursor']}")


def _row(one: Doc) -> list[output.Cell]:
    used = (one["tokens_input"] or 0) + (one["tokens_output"] or 0)
    return [
        one["generation_id"],
        one["model"] or "",
        (one["status"], STYLES.get(one["status"], "")),
        short_time(one["started_at"])[:19],
        duration(one["duration_ns"]),
        f"{used:,}" if used else "",
        "" if one["cost_usd"] is None else f"${one['cost_usd']:.6f}",
        (one["input_preview"] or "")[:40],
        one["output_preview"] or "",
    ]


def show(
    generation_id: Annotated[str, typer.Argument(metavar="GENERATION", help="The call's id.")],
    folder: options.Folder = None,
    server: options.Server = None,
    full: Annotated[bool, typer.Option("--full", help="Everything that was said, not its first lines.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Read one model call: what was asked and answered, the tools it called, what it took and cost."""
    source = open_source(folder, server)
    try:
        one = source.generation(generation_id)
    finally:
        source.close()
    if as_json:
        output.print_json(one)
        return
    output.print_facts(_facts(one))
    lines_max = None if full else TEXT_LINES_MAX
    request = one["request"] or {}
    for message in request.get("messages") or ():
        _print_message(message, lines_max)
    if request.get("input") is not None:
        _print_part("input", request["input"], lines_max)
    for message in [one["message"], *(one["choices"] or ())]:
        if message is not None:
            _print_message(message, lines_max)
    for answer in one["tool_answers"]:
        _print_part(f"tool {answer['name'] or answer['call_id']}", answer["result"] or answer["error"], lines_max)
    if one["error"] is not None:
        _print_part("error", one["error"], lines_max)


def _facts(one: Doc) -> list[tuple[str, output.Cell]]:
    names = ("run_id", "trace_id", "span_id", "actor", "provider", "model", "request_model", "operation")
    facts: list[tuple[str, output.Cell]] = [("generation", one["generation_id"])]
    facts += [(name.removesuffix("_id").replace("_", " "), one[name] or "") for name in names]
    facts += [
        ("status", (one["status"], STYLES.get(one["status"], ""))),
        ("error", one["error_kind"] or ""),
        ("finish", one["finish_reason"] or ""),
        ("started", short_time(one["started_at"])),
        ("took", duration(one["duration_ns"])),
        ("first chunk", duration(one["time_to_first_chunk_ns"])),
        ("tokens", _tokens(one)),
        ("cost", _cost(one)),
        ("feedback", f"{len(one['feedback']):,}" if one["feedback"] else ""),
    ]
    return [(name, value) for name, value in facts if value]


def _tokens(one: Doc) -> str:
    if one["tokens_input"] is None and one["tokens_output"] is None:
        return ""
    text = f"{one['tokens_input'] or 0:,} in"
    parts = [
        f"{one[name]:,} {word}"
        for name, word in (("tokens_cached_input", "cached"), ("tokens_cache_write", "written to a cache"))
        if one[name]
    ]
    text += f" ({', '.join(parts)})" if parts else ""
    text += f", {one['tokens_output'] or 0:,} out"
    return text + (f" ({one['tokens_reasoning']:,} reasoning)" if one["tokens_reasoning"] else "")


def _cost(one: Doc) -> str:
    if one["cost_usd"] is None:
        return ""
    by = f"priced by {one['price_id']}" if one["price_id"] else "reported by the sender"
    return f"${one['cost_usd']:.6f}, {by}"


def _print_message(message: Any, lines_max: int | None) -> None:
    if not isinstance(message, dict):
        _print_part("message", message, lines_max)
        return
    role = str(message.get("role") or "message")
    if message.get("content") is not None:
        _print_part(role, message["content"], lines_max)
    for call in message.get("tool_calls") or ():
        name = call.get("name") if isinstance(call, dict) else None
        _print_part(f"{role} calls {name}", call.get("arguments") if isinstance(call, dict) else call, lines_max)


def _print_part(title: str, value: Any, lines_max: int | None) -> None:
    text = value if isinstance(value, str) else _text(value)
    rows = text.splitlines() or [""]
    print()
    output.print_text(title, "bold")
    shown = rows if lines_max is None else rows[:lines_max]
    for row in shown:
        output.print_text("    " + row)
    if len(rows) > len(shown):
        output.print_text(f"    … {len(rows) - len(shown):,} more lines (--full)", "dim")


def _text(value: Any) -> str:
    """A value as text: the texts of parts, else JSON."""
    if isinstance(value, list) and all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in value):
        return "\n".join(part["text"] for part in value)
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
