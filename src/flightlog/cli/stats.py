"""`flightlog stats`: calls, errors, tokens, cost and time, in groups, over the store and the archive together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from flightlog.cli import options, output, problems
from flightlog.cli.options import chosen_folder
from flightlog.cli.query import Doc
from flightlog.cli.words import duration, moment, short_time
from flightlog.config import Settings
from flightlog.wiring import Keeper

BARS = "▁▂▃▄▅▆▇█"
SPARK_CHARS_MAX = 30
DAY_NS = 86_400 * 10**9
HOURS_NS_MAX = 30 * 3_600 * 10**9  # as many hours as a line of bars has room for

Asked = dict[str, Any]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("stats")(stats)


def stats(
    of: Annotated[
        str, typer.Argument(metavar="[OF]", help="models, tools, events, decisions, runs or feedback.")
    ] = "models",
    by: Annotated[
        str | None, typer.Option("--by", metavar="WORD", help="Groups: model, provider, tool, actor, project, …")
    ] = None,
    measure: Annotated[
        list[str] | None,
        typer.Option("--measure", metavar="NAMES", help="Only these: calls, tokens, cost, latency, … with commas."),
    ] = None,
    bucket: Annotated[
        str | None, typer.Option("--bucket", metavar="hour|day", help="How wide a bar of the last column is.")
    ] = None,
    where: options.Where = None,
    folder: options.Folder = None,
    server: options.Server = None,
    project: options.Project = None,
    since: options.Since = None,
    until: options.Until = None,
    sort: Annotated[
        str | None,
        typer.Option("--sort", metavar="NUMBER", help="What the first groups have most of: calls, errors, …"),
    ] = None,
    top: Annotated[int | None, typer.Option("--top", metavar="N", help="So many groups. Default: 10.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Count calls, errors, tokens, cost and time."""
    first, last = moment("since", since), moment("until", until)
    asked: Asked = {
        "of": of, "measure": list(options.words(measure)), "by": by or _FIRST.get(of), "project": project, "q": where,
        "since": first, "until": last, "sort": sort, "top": top, "bucket": bucket,
    }  # fmt: skip
    if bucket is None and not as_json:
        asked["bucket"] = _width(first, last)
    with problems.pointing_at(where):
        found = from_server(server, asked) if server is not None else from_folder(chosen_folder(folder), asked)
    if as_json:
        output.print_json(found)
        return
    if not any(value for value in found["total"]["numbers"].values() if isinstance(value, int)):
        output.hint("there is nothing of that kind in that time")
        return
    _print(found)


# What the groups are where nobody says it.
_FIRST = {
    "models": "model", "tools": "tool", "events": "type", "decisions": "capability", "runs": "status",
    "feedback": "model",
}  # fmt: skip


def _width(since: int | None, until: int | None) -> str:
    import time

    last = time.time_ns() if until is None else until
    return "hour" if since is not None and last - since <= HOURS_NS_MAX else "day"


def from_server(server: str, asked: Asked) -> Doc:
    from flightlog.cli.remote import ServerSource

    parameters = [(name, ",".join(value) if isinstance(value, list) else value) for name, value in asked.items()]
    return ServerSource(server).get(
        "/api/stats", [(name, value or None) for name, value in parameters], needs=("total", "groups")
    )


def from_folder(folder: Path, asked: Asked) -> Doc:
    keeper = Keeper(folder, Settings.load(folder), writable=False)
    from flightlog.analytics.answer import answer
    from flightlog.analytics.engine import Here
    from flightlog.analytics.place import open_kept
    from flightlog.analytics.question import make_question
    from flightlog.api.shapes_stats import stats_shape
    from flightlog.clock import SystemClock
    from flightlog.runs.summary import silent_since

    kept = open_kept(keeper.store, Here())
    try:
        clock = SystemClock()
        words = {name: value for name, value in asked.items() if name != "measure"}
        question = make_question(measures=asked["measure"], now_ns=clock.now_ns(), **words)
        made = answer(keeper.store, question, kept, silent_since=silent_since(clock, keeper.settings))
    finally:
        kept.close()
        keeper.close()
    found: Doc = msgspec.json.decode(msgspec.json.encode(stats_shape(made)))
    return found


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────────

_HEADS = {
    "tokens_input": "in", "tokens_output": "out", "tokens_cached_input": "cached", "cost_usd": "cost",
    "error_rate": "error %", "failed_rate": "failed %", "up_rate": "up %", "payload_bytes": "bytes",
}  # fmt: skip
_HIDDEN = {"priced", "thumbs", "tokens_cache_write", "tokens_reasoning"}
_SPREADS = {"latency_ns": ("p50", "p95", "p99"), "first_chunk_ns": ("p50",), "duration_ns": ("p50", "p95")}


def _print(found: Doc) -> None:
    names = [name for name in found["total"]["numbers"] if name not in _HIDDEN]
    heads = [head for name in names for head in _heads(name)]
    rows = [_row(found, group, group["value"] or "(none)", names) for group in found["groups"]]
    if others := found["others"]:
        rows.append(_row(found, others, f"({others['values']:,} others)", names))
    if len(rows) != 1:
        rows.append(_row(found, found["total"], "(all)", names))
    columns = (found["by"] or "", *heads, *([found["bucket"] + "s"] if found["times"] else []))
    optional = (columns[-1], "chunk p50", "cached", "p99", "out", "in", "error %", "errors", "p50")
    output.print_table(
        columns, rows, right=heads, shrinks=columns[0], optional=[one for one in optional if one in columns]
    )
    output.hint(f"{found['of']} from {short_time(found['since'])[:16]} to {short_time(found['until'])[:16]}, UTC")
    if found["stale_files"]:
        output.hint(
            "prices were recomputed; costs in some archived files are from before, until these are written anew"
        )


def _heads(name: str) -> list[str]:
    if name in _SPREADS:
        return [("chunk " if name == "first_chunk_ns" else "") + one for one in _SPREADS[name]]
    return [_HEADS.get(name, name.replace("_", " "))]


def _row(found: Doc, part: Doc, word: str, names: list[str]) -> list[output.Cell]:
    cells: list[output.Cell] = [word]
    for name in names:
        value = part["numbers"][name]
        if name in _SPREADS:
            cells += [duration(value[one]) for one in _SPREADS[name]]
        else:
            cells.append(_cell(name, value))
    return [*cells, _spark(part["series"][names[0]])] if found["times"] else cells


def _cell(name: str, value: Any) -> output.Cell:
    if value is None:
        return ""
    if name.endswith("_rate"):
        return f"{value:.1%}"
    if name == "cost_usd":
        return f"${value:,.4f}" if value < 100 else f"${value:,.2f}"
    if name in ("errors", "failed", "denied", "thumbs_down"):
        return f"{value:,}", "red" if value else "dim"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def _spark(values: list[int]) -> str:
    """A bar for each value, or for several where there are many.

    >>> _spark([0, 1, 4, 8])
    ' ▁▄█'
    """
    wide = max(1, -(-len(values) // SPARK_CHARS_MAX))
    sums = [sum(values[at : at + wide]) for at in range(0, len(values), wide)]
    most = max(sums, default=0)
    return "".join(" " if not one else BARS[max(0, -(-one * len(BARS) // most) - 1)] for one in sums)
