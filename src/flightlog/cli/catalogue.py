"""`flightlog catalogue`: the built-in event types."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from flightlog.cli import options, output
from flightlog.events.catalogue import event_type, published


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("catalogue")(catalogue)


def catalogue(
    type_: Annotated[
        str | None, typer.Argument(metavar="[TYPE]", help="One type, whole. Default: a list of all.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """List the built-in event types, or show one of them.

    One type comes with its JSON Schema and a worked example.
    """
    types = published()
    if type_ is not None:
        name = event_type(type_).type
        found = next(entry for entry in types if entry["type"] == name)
        if as_json:
            output.print_json(found)
        else:
            _print(found)
    elif as_json:
        output.print_json({"types": types})
    else:
        rows = [[entry["code"], entry["type"], _needs(entry), entry["title"]] for entry in types]
        output.print_table(("code", "type", "needs", "meaning"), rows)


def _needs(entry: dict[str, Any]) -> str:
    return ", ".join(entry["schema"].get("required", ()))


def _print(entry: dict[str, Any]) -> None:
    output.print_facts(
        [
            ("code", entry["code"]),
            ("type", entry["type"]),
            ("title", entry["title"]),
            ("meaning", entry["description"]),
            ("statuses", ", ".join(entry["statuses"])),
            ("needs a run", "yes" if entry["run_required"] else "no"),
            ("answers", entry["answers"] or ""),
            ("answered by", entry["answered_by"] or ""),
        ]
    )
    for part in ("schema", "example"):
        output.print_text(f"\n{part}\n" + msgspec.json.format(msgspec.json.encode(entry[part]), indent=2).decode())
