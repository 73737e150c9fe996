"""`flightlog drain`: deliver what waits in the spool, once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import typer

from flightlog import wiring
from flightlog.cli import options, output
from flightlog.cli.problems import FAILED
from flightlog.cli.words import count
from flightlog.config import Settings
from flightlog.ops.spools import look_at_spool, quarantined
from flightlog.recorder import segment
from flightlog.recorder.drain import Drain
from flightlog.recorder.http_sink import HttpSink
from flightlog.wiring import SPOOL_FOLDER, Keeper, keeper_drain


class Delivery(msgspec.Struct, kw_only=True):
    """What a drain did. `refused` are events that can't be stored, kept in quarantine; `left` still wait."""

    place: str
    delivered: int
    refused: int
    left: int


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("drain")(drain)


def drain(folder: options.Folder = None, server: options.Server = None, as_json: options.AsJson = False) -> None:
    """Deliver the folder's spool into its store and end.

    With --server it delivers what recorders of this machine have spooled for that server.
    """
    place = options.chosen_folder(folder, server)
    done = _to_server(server, as_json) if server is not None else _to_store(place, as_json)
    if as_json:
        output.print_json(done)
    else:
        print(f"{done.place}: {count(done.delivered, 'event')} delivered")
        if done.refused:
            output.hint(f"{count(done.refused, 'event')} refused and kept in quarantine; `flightlog doctor` says where")
        if done.left:
            output.hint(f"{count(done.left, 'event')} came in meanwhile, of producers that are still writing")
    if done.refused:
        raise typer.Exit(FAILED)


def _to_store(place: Path, as_json: bool) -> Delivery:
    keeper = Keeper(place, Settings.load(place), writable=True, take_lock=True)
    try:
        return deliver(str(place), keeper_drain(keeper), place / SPOOL_FOLDER, keeper.journal.position, as_json)
    finally:
        keeper.close()


def _to_server(server: str, as_json: bool) -> Delivery:
    recorder = wiring.open(server, drain=False)  # it knows where this machine spools for that server
    spool, settings = recorder.folder / SPOOL_FOLDER, recorder.settings
    recorder.close()
    sink = HttpSink(server, spool, settings)
    try:
        return deliver(server, Drain(spool, lambda: sink, settings), spool, sink.position, as_json)
    finally:
        sink.close()


def deliver(place: str, carrier: Drain, spool: Path, position: Callable[[str], int], as_json: bool = True) -> Delivery:
    """Hand over everything that is in the spool now; what living producers add meanwhile may stay."""
    waiting = sum(part.events for part in look_at_spool(spool, position))
    refused = sum(quarantined(spool).values())
    sizes = {path: path.stat().st_size for path in spool.glob(f"*{segment.SUFFIX}")}
    delivered = 0
    try:
        with output.progress("delivering", waiting, as_json) as update:
            while handed := carrier.drain_once():
                delivered += handed
                update(delivered, max(waiting, delivered))
                if not any(path.exists() and position(path.name) < size for path, size in sizes.items()):
                    break
    finally:
        carrier.stop()
    refused = sum(quarantined(spool).values()) - refused
    left = sum(part.events for part in look_at_spool(spool, position))
    return Delivery(place=place, delivered=delivered, refused=refused, left=left)
