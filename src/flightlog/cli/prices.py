"""`flightlog prices`: what models cost, and costs worked out again."""

from __future__ import annotations

from typing import Annotated

import typer

from flightlog.cli import options, output, problems
from flightlog.cli.query import Doc, Recompute
from flightlog.cli.source import open_source, open_writer
from flightlog.cli.words import count as counted
from flightlog.errors import NotFound


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    group.command("list")(list_)
    group.command("show")(show)
    group.command("recompute")(recompute)
    app.add_typer(group, name="prices", help="See what models cost, and work costs out again.")


Provider = Annotated[str | None, typer.Option("--provider", metavar="NAME", help="Only what this provider asks.")]


def list_(
    provider: Provider = None,
    folder: options.Folder = None,
    server: options.Server = None,
    as_json: options.AsJson = False,
) -> None:
    """List the prices in force, in dollars per million tokens; those of the folder's own prices.toml first."""
    _print(_prices(folder, server, None, provider), as_json)


def show(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's name, as its calls have it.")],
    provider: Provider = None,
    folder: options.Folder = None,
    server: options.Server = None,
    as_json: options.AsJson = False,
) -> None:
    """Say which prices fit a model's name, the one that counts first."""
    found = _prices(folder, server, model, provider)
    if not found:
        raise NotFound(what="price for model", id=model)
    _print(found, as_json)


def _prices(folder: options.Folder, server: options.Server, model: str | None, provider: str | None) -> list[Doc]:
    source = open_source(folder, server)
    try:
        found: list[Doc] = source.prices(model, provider)["prices"]
        return found
    finally:
        source.close()


def _print(prices: list[Doc], as_json: bool) -> None:
    if as_json:
        output.print_json({"prices": prices})
        return
    columns = ("price", "input", "cached", "written", "output", "from", "until")
    output.print_table(columns, [_row(price) for price in prices], right=columns[1:5], shrinks="price")


def _row(price: Doc) -> list[output.Cell]:
    amounts = [price[name] for name in ("input", "cached_input", "cache_write", "output")]
    dates = [(price[name] or "")[:10] for name in ("valid_from", "valid_until")]
    return [price["price_id"], *("" if amount is None else f"{amount:g}" for amount in amounts), *dates]


def recompute(
    query: options.Query = None,
    where: options.Where = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Only calls that this model answered.")
    ] = None,
    since: options.Since = None,
    until: options.Until = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    folder: options.Folder = None,
    server: options.Server = None,
    as_json: options.AsJson = False,
) -> None:
    """Work costs out again by the prices in force, but for those that senders reported. Nothing else ever does.

    Generations, the totals of their runs, and an `audit` event that says what changed are committed together.
    """
    asked = options.chosen_query(query, where)
    wanted = Recompute(q=asked, since=since, until=until, model=model, dry_run=dry_run)
    writer = open_writer(folder, server, writable=not dry_run)
    try:
        with problems.pointing_at(asked):
            made = writer.recompute(wanted)
    finally:
        writer.close()
    if as_json:
        output.print_json(made)
        return
    would = "would change" if dry_run else "changed"
    print(f"{counted(made['looked_at'], 'model call')} looked at, {made['changed']:,} {would}: "
          f"${made['before_usd']:.6f} → ${made['after_usd']:.6f}")  # fmt: skip
    if made["models"]:
        columns = ("model", "calls", "before", "after", "price")
        rows: list[list[output.Cell]] = [
            [
                one["model"],
                f"{one['generations']:,}",
                f"${one['before_usd']:.6f}",
                f"${one['after_usd']:.6f}",
                one["price_id"] or "not known",
            ]
            for one in made["models"]
        ]
        output.print_table(columns, rows, right=columns[1:4], shrinks="model")
