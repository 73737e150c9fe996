"""The doctor's look at the archive: whether every file that the manifest names is there, in its size."""

from __future__ import annotations

from flightlog.archive import manifest
from flightlog.archive.reader import ArchiveHistory
from flightlog.errors import FlightlogError
from flightlog.ops.findings import Finding, ok, problem, unknown
from flightlog.wiring import Keeper

SHOWN_MAX = 5


def look_at_archive(keeper: Keeper) -> Finding:
    """What is missing. Nothing is read of the files themselves: that is for `flightlog verify`."""
    with keeper.store.read() as connection:
        until = manifest.archived_until(connection)
        files = manifest.files(connection)
    if not files:
        return ok("archive", "Nothing is archived.", archived_until=until, files=0)
    history = keeper.store.history
    assert isinstance(history, ArchiveHistory)
    try:
        objects = history.cache.objects
        sizes = {found.path: found.bytes for found in objects.list()}
    except FlightlogError as error:
        return unknown("archive", error.message, "Look again when it can be reached.", files=len(files))
    lost = [f"{objects.place}/{file.path}" for file in files if sizes.get(file.path) != file.bytes]
    if lost:
        # Between the look at the manifest and the look at the files some may have been merged.
        with keeper.store.read() as connection:
            named = {f"{objects.place}/{file.path}" for file in manifest.files(connection)}
        lost = [path for path in lost if path in named]
    if lost:
        text = (
            f"{len(lost):,} of {len(files):,} files of the archive are gone or cut off: {', '.join(lost[:SHOWN_MAX])}"
        )
        advice = "Put them back from a copy: nothing else has their events. All others can be read."
        return problem(
            "archive", text + (", …." if len(lost) > SHOWN_MAX else "."), advice, files=len(files), lost=lost
        )
    events, size = sum(file.events for file in files), sum(file.bytes for file in files)
    text = f"{events:,} events are archived in {len(files):,} files of {size:,} bytes, in {objects.place}."
    return ok("archive", text, archived_until=until, files=len(files), events=events, bytes=size)
