"""`flightlog index`: the text index of a folder's store."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import typer

from flightlog.cli import options, output
from flightlog.cli.words import count
from flightlog.config import Settings
from flightlog.wiring import Keeper

if TYPE_CHECKING:
    from flightlog.store.contract import Tx


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    group.command("build")(build)
    group.command("drop")(drop)
    group.command("status")(status)
    app.add_typer(group, name="index", help="Make searches for text quick, or look whether they are.")


def build(folder: options.Folder = None, as_json: options.AsJson = False) -> None:
    """Make the text index, or go on making it.

    It can be stopped with Ctrl-C at any time, and goes on where it was. New events are added as they come.
    """
    from flightlog.journal import index
    from flightlog.journal.history import line_of

    keeper = _keeper(folder)

    def told(held: index.Held) -> None:
        if not as_json and sys.stderr.isatty():
            left = count(held.first_id - 1, "event")
            sys.stderr.write(f"\r{left} left".ljust(40))

    try:
        with keeper.store.read() as connection:
            before, archived_until = index.held(connection), line_of(connection)
        held = index.build(keeper.store, told)
        if before is None or before.first_id > archived_until + 1:
            _record(keeper, "index.build", {"first_id": held.first_id, "last_id": held.last_id})
    finally:
        keeper.close()
    if not as_json and sys.stderr.isatty():
        sys.stderr.write("\r".ljust(41) + "\r")
    _tell(held.first_id, held.last_id, as_json, archived_until)


def drop(folder: options.Folder = None, as_json: options.AsJson = False) -> None:
    """Take the text index away. Searches look at payloads again, a bounded number a page."""
    from flightlog.journal import index

    keeper = _keeper(folder)
    try:
        was_there = index.drop(keeper.store, lambda tx: _record(keeper, "index.drop", {}, tx))
    finally:
        keeper.close()
    if as_json:
        output.print_json({"dropped": was_there})
    else:
        print("the index is gone" if was_there else "there was no index")


def status(folder: options.Folder = None, as_json: options.AsJson = False) -> None:
    """Say which events the text index holds."""
    from flightlog.journal import index
    from flightlog.journal.history import line_of

    place = options.chosen_folder(folder)
    keeper = Keeper(place, Settings.load(place), writable=False)
    try:
        with keeper.store.read() as connection:
            held, archived_until = index.held(connection), line_of(connection)
    finally:
        keeper.close()
    if held is not None:
        _tell(held.first_id, held.last_id, as_json, archived_until)
    elif as_json:
        output.print_json({"first_id": None, "last_id": None, "complete": False})
    else:
        print("there is no index; `flightlog index build` makes one")


def _keeper(folder: options.Folder) -> Keeper:
    place = options.chosen_folder(folder)
    return Keeper(place, Settings.load(place), writable=True, take_lock=True)


def _record(keeper: Keeper, operation: str, details: dict[str, Any], tx: Tx | None = None) -> None:
    from flightlog.audit.record import os_actor, record_admin

    project = keeper.settings.project
    record_admin(
        keeper.journal, operation, tx=tx, actor=os_actor(), subject_type="index", details=details, project=project
    )


def _tell(first_id: int, last_id: int, as_json: bool, archived_until: int = 0) -> None:
    complete = first_id <= archived_until + 1
    if as_json:
        output.print_json({"first_id": first_id, "last_id": last_id, "complete": complete})
    elif complete:
        print(
            f"the index holds all {count(last_id - archived_until, 'event')}"
            + (" that are not archived" * bool(archived_until))
        )
    else:
        print(f"the index holds events {first_id:,} to {last_id:,}; `flightlog index build` goes on")
