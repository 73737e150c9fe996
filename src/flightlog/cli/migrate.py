"""`flightlog migrate`: bring a store's schema up to date."""

from __future__ import annotations

import typer

from flightlog.cli import options, output
from flightlog.config import Settings
from flightlog.wiring import Keeper, say_migrated


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("migrate")(migrate)


def migrate(folder: options.Folder = None, as_json: options.AsJson = False) -> None:
    """Bring a folder's store up to date.

    `flightlog up` does it too. It is one transaction, forwards only.
    """
    place = options.chosen_folder(folder)
    keeper = Keeper(place, Settings.load(place), writable=True, migrate=False, take_lock=True)
    try:
        before = keeper.store.revision()
        ran = keeper.store.migrate()
        say_migrated(keeper, before, ran)
        after = keeper.store.revision()
    finally:
        keeper.close()
    if as_json:
        output.print_json({"folder": str(place), "before": before, "after": after, "migrations": ran})
    elif ran:
        print(f"{place}: migrated to {after} ({', '.join(ran)})")
    else:
        print(f"{place}: at {after}, nothing to do")
