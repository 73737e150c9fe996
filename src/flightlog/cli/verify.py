"""`flightlog verify`: check a store against its seal."""

from __future__ import annotations

from typing import Annotated

import typer

from flightlog.cli import options, output
from flightlog.cli.problems import FAILED
from flightlog.cli.words import count
from flightlog.config import Settings
from flightlog.errors import BadInput
from flightlog.wiring import SEAL_FOLDER, Keeper, seal_keys


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("verify")(verify)


def verify(
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="Only the events of this run.")] = None,
    event: Annotated[str | None, typer.Option("--event", metavar="EVENT_ID", help="Only this event.")] = None,
    folder: options.Folder = None,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="KEY", help="The key that you trust, as `flightlog seal keys` printed it once."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Check the journal against its seal, and name what was altered.

    Every sealed event is held against the signed tree: what was changed, removed, put in or moved is found. Without --key the
    folder's own first key is believed: that finds damage, but not who replaced the key as well. With --run or --event only those
    events are proved, which is quick in a large store. The exit code is 1 when something is wrong.
    """
    from flightlog.seal.note import Verifier
    from flightlog.seal.verify import KINDS, verify_store
    from flightlog.seal.verify_part import verify_event, verify_run

    if run is not None and event is not None:
        raise BadInput(reason="give --run or --event, not both")
    place = options.chosen_folder(folder)
    settings = Settings.load(place)
    trusted = None if key is None else Verifier.parse(key)
    keeper = Keeper(place, settings, writable=False)
    try:
        with output.progress("events", None, as_json) as told:
            here = keeper.store, place / SEAL_FOLDER, seal_keys(place, settings)
            if run is not None:
                report = verify_run(*here, run, trusted=trusted, progress=told)
            elif event is not None:
                report = verify_event(*here, event, trusted=trusted, progress=told)
            else:
                report = verify_store(*here, trusted=trusted, progress=told)
    finally:
        keeper.close()
    if as_json:
        output.print_json(
            {"ok": report.ok, "origin": report.origin, "sealed": report.sealed, "unsealed": report.unsealed,
             "checked": report.checked, "erased": report.erased, "removed": report.removed,
             "findings": report.findings, "more": report.more}
        )  # fmt: skip
    else:
        for finding in report.findings:
            at = f"event {finding.id:,}: " if finding.id is not None else ""
            print(f"{finding.kind}: {at}{finding.detail}")
        if report.more:
            print(f"and {report.more:,} more")
        for kind in dict.fromkeys(finding.kind for finding in report.findings):
            print(f"  {kind}: {KINDS[kind]}")
        verdict = "nothing was altered" if report.ok else f"{count(len(report.findings) + report.more, 'finding')}"
        if report.removed:
            print(f"{count(report.removed, 'event')} went by the rules of retention, as sealed events say")
        print(f"{count(report.checked, 'sealed event')} checked, {report.unsealed:,} not sealed yet: {verdict}")
    if not report.ok:
        raise typer.Exit(FAILED)
