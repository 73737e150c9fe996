"""`flightlog seal`: how far a store is sealed, and the keys that sign for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flightlog.cli import options, output
from flightlog.cli.problems import FAILED
from flightlog.cli.words import count
from flightlog.clock import SystemClock, format_ns
from flightlog.config import Settings
from flightlog.errors import BadInput, NotFound
from flightlog.wiring import SEAL_FOLDER, Keeper, record_by_spool, seal_keys


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    group.command("status")(status)
    group.command("keys")(keys)
    group.command("rotate")(rotate)
    group.command("witness")(witness)
    group.command("consistent")(consistent)
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
    record_by_spool(
        place, "seal.rotate", subject_type="seal", subject_id=made.verifier.text, details={"number": made.number}
    )
    if as_json:
        output.print_json({"number": made.number, "key": made.verifier.text, "made_at": format_ns(made.made_at)})
    else:
        print(made.verifier.text)


def witness(folder: options.Folder = None, as_json: options.AsJson = False) -> None:
    """Hand the newest checkpoint to every witness now."""
    from flightlog.seal.witness import raise_failed, tell, witness_of

    place = options.chosen_folder(folder)
    settings = Settings.load(place)
    path = place / SEAL_FOLDER / "checkpoint"
    if not settings.seal_witnesses:
        raise BadInput(reason="no witness is configured; name some in seal_witnesses")
    if not path.exists():
        raise NotFound(what="checkpoint in", id=str(place))
    told = tell([witness_of(one) for one in settings.seal_witnesses], place / SEAL_FOLDER, path.read_text("utf-8"))
    raise_failed(told)
    if as_json:
        output.print_json({"size": told.size, "kept": told.kept})
    else:
        print(f"the checkpoint of {count(told.size, 'event')} is at {', '.join(told.kept)}")


def consistent(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Checkpoints that were kept elsewhere, one or more."),
    ],
    folder: options.Folder = None,
    as_json: options.AsJson = False,
) -> None:
    """Check that the journal still begins with what an earlier checkpoint signed.

    The exit code is 1 when it does not: then history was made anew since.
    """
    from flightlog.seal.witness import check_kept

    place = options.chosen_folder(folder)
    found = check_kept(file.read_text("utf-8"), place / SEAL_FOLDER, seal_keys(place, Settings.load(place)))
    bad = [one for one in found if one.trouble]
    if as_json:
        output.print_json({"ok": not bad, "checkpoints": [one._asdict() for one in found]})
    else:
        for one in found:
            print(f"{one.size:,} events: {one.trouble or 'the journal begins with them'}")
    if bad:
        raise typer.Exit(FAILED)
