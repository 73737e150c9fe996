"""`flightlog seal`: how far a store is sealed, and the keys that sign for it."""

from __future__ import annotations

import typer

from flightlog.cli import options, output
from flightlog.cli.words import count
from flightlog.clock import SystemClock, format_ns
from flightlog.config import Settings
from flightlog.wiring import SEAL_FOLDER, Keeper, seal_keys


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    group.command("status")(status)
    group.command("keys")(keys)
    group.command("rotate")(rotate)
    app.add_typer(group, name="seal", help="How far the journal is sealed, and the keys that sign for it.")


def status(folder: options.Folder = None, as_json: options.AsJson = False) -> None:
    """Say how far the journal is sealed and signed."""
    from flightlog.journal.read import head_id
    from flightlog.seal.note import Checkpoint, open_note
    from flightlog.seal.sealer import read_state

    place = options.chosen_folder(folder)
    settings = Settings.load(place)
    keeper = Keeper(place, settings, writable=False)
    try:
        size, sealed_at = read_state(keeper.store)
        with keeper.store.read() as connection:
            head = head_id(connection)
    finally:
        keeper.close()
    path = place / SEAL_FOLDER / "checkpoint"
    signed = 0
    if path.exists():
        signed = Checkpoint.parse(open_note(path.read_text("utf-8"), seal_keys(place, settings).trusted())[0]).size
    if as_json:
        at = format_ns(sealed_at) if sealed_at else None
        output.print_json({"events": head, "sealed_id": size, "signed_id": signed, "sealed_at": at})
    elif not size:
        print(f"nothing is sealed yet; `flightlog up` seals ({count(head, 'event')} wait)")
    else:
        print(f"{size:,} of {count(head, 'event')} sealed, {signed:,} signed, last at {format_ns(sealed_at)}")


def keys(folder: options.Folder = None, as_json: options.AsJson = False) -> None:
    """Print the public keys, the first at the top. Keep the first outside of this machine's reach."""
    place = options.chosen_folder(folder)
    found = seal_keys(place, Settings.load(place)).all()
    if as_json:
        output.print_json(
            [{"number": key.number, "key": key.verifier.text, "made_at": format_ns(key.made_at),
              "signs": key.signer is not None} for key in found]
        )  # fmt: skip
        return
    for key in found:
        print(key.verifier.text)
    if not found:
        print("there are no keys yet; `flightlog up` makes the first")


def rotate(folder: options.Folder = None, as_json: options.AsJson = False) -> None:
    """Make the next key. The newest key signs for it, and signs beside it for a while."""
    place = options.chosen_folder(folder)
    holder = seal_keys(place, Settings.load(place))
    now = SystemClock().now_ns()
    holder.begin(now)
    made = holder.rotate(now)
    if as_json:
        output.print_json({"number": made.number, "key": made.verifier.text, "made_at": format_ns(made.made_at)})
    else:
        print(made.verifier.text)
