"""`flightlog run compare`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flightlog.cli import lines, options, output
from flightlog.cli.query import Doc
from flightlog.cli.source import open_source
from flightlog.cli.words import count, duration

SIGNS = {"same": "=", "changed": "~", "left": "-", "right": "+"}
STYLES = {"changed": "yellow", "left": "red", "right": "green"}
WORDS = {
    "duration_ns": "time",
    "events": "events",
    "model_calls": "model calls",
    "tool_calls": "tool calls",
    "commands": "commands",
    "patches": "patches",
    "test_runs": "test runs",
    "tokens_input": "tokens in",
    "tokens_output": "tokens out",
    "cost_usd": "cost",
    "errors": "errors",
    "lost": "lost",
}


def compare(
    left: Annotated[str, typer.Argument(metavar="LEFT", help="A run's id.")],
    right: Annotated[str, typer.Argument(metavar="RIGHT", help="The id of the run to compare it with.")],
    folder: options.Folder = None,
    server: options.Server = None,
    full: Annotated[bool, typer.Option("--full", help="The steps that are the same too.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Compare two runs: their totals, then the steps in which they differ."""
    source = open_source(folder, server)
    try:
        found = source.compare(left, right)
    finally:
        source.close()
    if as_json:
        output.print_json(found)
        return
    rows: list[list[output.Cell]] = [["status", _status(found["left"]), _status(found["right"]), ""]]
    told = [total for total in found["totals"] if total["left"] or total["right"]]
    rows += [
        [WORDS[total["name"]], *(_number(total, side) for side in ("left", "right", "difference"))] for total in told
    ]
    output.print_table(("", "left", "right", "difference"), rows, right=("left", "right", "difference"))
    print()
    same = 0
    for row in found["rows"]:
        if row["relation"] == "same" and not full:
            same += 1
            continue
        same = _tell_same(same)
        _print_row(row)
    _tell_same(same)
    if not found["complete"]:
        output.hint("one of the runs goes on: only its first steps were compared (compare_steps_max)")


def _tell_same(same: int) -> int:
    if same:
        output.print_line([("=", "dim"), (f"{count(same, 'step')} the same", "dim")])
    return 0


def _print_row(row: Doc) -> None:
    step = row["left"] or row["right"]
    style = STYLES.get(row["relation"], "")
    parts = [(SIGNS[row["relation"]], style), (step["kind"], style), (step["name"], "")]
    if row["differs"]:
        parts.append((", ".join(row["differs"]), "dim"))
    ids = [f"#{one['id']}" for one in (row["left"], row["right"]) if one is not None]
    output.print_line([*parts, (" ".join(ids), "dim")])


def _status(run: Doc) -> output.Part:
    word = "hung" if run["hung"] else str(run["status"])
    return word, lines.STATUS_STYLES.get(word, "")


def _number(total: Doc, side: str) -> str:
    value: Any = total[side]
    if value is None:
        return ""
    sign = "+" if side == "difference" and value > 0 else "-" if value < 0 else ""
    if total["name"] == "duration_ns":
        return sign + duration(abs(value))
    return f"{sign}${abs(value):.4f}" if total["name"] == "cost_usd" else f"{sign}{abs(value):,}"
