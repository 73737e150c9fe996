"""`flightlog archive`: old events as Parquet files: how far that is, and doing it now."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flightlog.archiving import has_archive_extra, keeper_archiver
from flightlog.cli import options, output
from flightlog.cli.words import count
from flightlog.clock import format_ns
from flightlog.config import Settings
from flightlog.errors import Unavailable, WriterLocked
from flightlog.wiring import Keeper, keeper_seal

if TYPE_CHECKING:
    from flightlog.archive.archiver import Archiver

SEAL_SECONDS_MAX = 3600.0  # sealing goes first, however much there is

Everything = Annotated[bool, typer.Option("--all", help="Whatever their age.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    group.command("status")(status)
    group.command("run")(run)
    group.command("compact")(compact)
    app.add_typer(group, name="archive", help="Old events as Parquet files: how far that is, and doing it now.")


def status(folder: options.Folder = None, as_json: options.AsJson = False) -> None:
    """Say how much is archived, and how much waits for it."""
    from sqlalchemy import func, select

    from flightlog.archive import disk, manifest
    from flightlog.archive.drop import space
    from flightlog.archive.table import archive_files
    from flightlog.journal.read import head_id

    place = options.chosen_folder(folder)
    settings = Settings.load(place)
    keeper = Keeper(place, settings, writable=False)
    try:
        archiver = keeper_archiver(keeper, _nothing)
        with keeper.store.read() as connection:
            known, head = manifest.state(connection), head_id(connection)
            c = archive_files.c
            files, events, size = connection.execute(select(func.count(), func.sum(c.events), func.sum(c.bytes))).one()
            gone = connection.exec_driver_sql("SELECT count(*) FROM archive_gone").scalar_one()
        due, pages = archiver.due(), space(keeper.store)
        room = disk.look(place, settings, (size or 0) if archiver.place.objects.folder is not None else 0)
    finally:
        keeper.close()
    facts: dict[str, Any] = {
        "place": archiver.place.objects.place,
        "archived_id": known.archived_until,
        "archived_events": events or 0,
        "files": files,
        "archived_bytes": size or 0,
        "archived_at": format_ns(known.archived_at) if known.archived_at else None,
        "hot_events": head - known.archived_until,
        "due_events": due.until_id - due.after_id,
        "waits_for": due.waits_for,
        "not_dropped": known.archived_until - known.dropped_until,
        "objects_gone": gone,
        "database_bytes": pages.pages * pages.page_bytes,
        "database_free_bytes": pages.free * pages.page_bytes,
        "data_bytes": room.data_bytes,
        "free_bytes": room.free_bytes,
        "lack": room.lack,
    }
    if as_json:
        output.print_json(facts)
        return
    if not files:
        print(f"nothing is archived yet; {count(facts['hot_events'], 'event')} in the database")
    else:
        each = facts["archived_bytes"] / max(1, facts["archived_events"])
        print(
            f"{count(facts['archived_events'], 'event')} in {count(files, 'file')} of {facts['archived_bytes']:,} bytes "
            f"({each:,.0f} an event) in {facts['place']}; {count(facts['hot_events'], 'event')} in the database"
        )
    if due.waits_for:
        print(f"nothing more is archived now: it waits for {due.waits_for}")
    elif facts["due_events"]:
        print(f"{count(facts['due_events'], 'event')} can be archived now")
    if room.lack:
        print("the disk is full" if room.is_full else f"the folder takes {room.data_bytes:,} bytes, more than it may")


def run(
    everything: Everything = False,
    vacuum: Annotated[
        bool, typer.Option("--vacuum", help="Write the database anew at the end, as small as it can be.")
    ] = False,
    folder: options.Folder = None,
    as_json: options.AsJson = False,
) -> None:
    """Archive what is due now, and give the space back to the disk.

    It can be stopped with Ctrl-C at any time, and goes on where it was. `flightlog up` does this by itself.
    """
    from flightlog.archive.archiver import Passed
    from flightlog.archive.drop import drop_some, space, vacuum_some

    with _archiver(folder) as (keeper, archiver):
        if keeper.settings.seal:
            seal = keeper_seal(keeper)
            seal.start()
            seal.stop(timeout=SEAL_SECONDS_MAX)
        events = files = size = dropped = 0
        wanted = archiver.due(everything=everything)
        total = wanted.until_id - wanted.after_id
        while wanted.until_id > wanted.after_id:
            before = events

            def told(passed: Passed, before: int = before) -> bool:
                _progress(as_json, f"{before + passed.events:,} of {count(total, 'event')} archived")
                return True

            passed = archiver.write(wanted, told)
            if not passed.files and passed.until_id == wanted.after_id:
                break
            events, files, size = events + passed.events, files + passed.files, size + passed.bytes
            wanted = archiver.due(everything=everything)
        while gone := drop_some(keeper.store):
            dropped += gone.done
            _progress(as_json, f"{dropped:,} rows of archived events deleted")
        before_bytes = _bytes(keeper.folder)
        if vacuum:
            _progress(as_json, "the database is written anew")
            keeper.store.scrub(rewrite=True)
        else:
            free = space(keeper.store).free
            while vacuum_some(keeper.store):
                _progress(as_json, f"{space(keeper.store).free:,} of {free:,} pages are to be given back")
            keeper.store.scrub()
        swept = archiver.place.sweep()
        done = {"events": events, "files": files, "bytes": size, "dropped": dropped, "orphans": swept.orphans}
        if events or dropped or vacuum:
            _record(keeper, "archive.run", {**done, "all": everything, "vacuum": vacuum})
        freed = max(0, before_bytes - _bytes(keeper.folder))
    _progress(as_json, "")
    if as_json:
        output.print_json({**done, "freed_bytes": freed, "waits_for": wanted.waits_for})
        return
    print(
        f"{count(events, 'event')} archived into {count(files, 'file')} of {size:,} bytes; {freed:,} bytes given back"
    )
    if wanted.waits_for:
        print(f"what is left waits for {wanted.waits_for}")


def compact(
    everything: Annotated[bool, typer.Option("--all", help="Wherever two files can be one.")] = False,
    folder: options.Folder = None,
    as_json: options.AsJson = False,
) -> None:
    """Merge small files of the same project and date. `flightlog up` does this by itself."""
    from flightlog.archive.compact import Compacted
    from flightlog.archive.compact import compact as merge_all
    from flightlog.archive.work import do

    with _archiver(folder) as (keeper, archiver):

        def told(done: Compacted, groups: int) -> bool:
            _progress(as_json, f"{done.files:,} files merged into {done.made:,} of {groups:,}")
            return True

        done = merge_all(archiver.place, keeper.settings, do, everything=everything, told=told)
        archiver.place.sweep()
        if done.files:
            _record(keeper, "archive.compact", {"files": done.files, "made": done.made, "events": done.events})
    _progress(as_json, "")
    if as_json:
        output.print_json({"files": done.files, "made": done.made, "events": done.events, "bytes": done.bytes})
    else:
        print(f"{count(done.files, 'file')} merged into {done.made:,}")


@contextmanager
def _archiver(folder: options.Folder) -> Iterator[tuple[Keeper, Archiver]]:
    """The archive of a folder that nobody else keeps."""
    from flightlog.archive.files import require_archive_extra
    from flightlog.archive.work import do

    place = options.chosen_folder(folder)
    settings = Settings.load(place)
    if not has_archive_extra():
        require_archive_extra("Archiving")
    try:
        keeper = Keeper(place, settings, writable=True, take_lock=True)
    except WriterLocked as error:
        reason = (
            f"{error.message} `flightlog up` archives by itself, as archive_after_seconds and hot_events_max say; "
            "stop it to have it done now"
        )
        raise Unavailable(reason=reason) from error
    try:
        yield keeper, keeper_archiver(keeper, do)
    finally:
        keeper.close()


def _nothing(job: Any) -> Iterator[Any]:
    """Whoever only looks has no work done."""
    return iter(())


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("flightlog.db*") if path.is_file())


def _progress(as_json: bool, text: str) -> None:
    if not as_json and sys.stderr.isatty():
        sys.stderr.write("\r" + text.ljust(70) + ("" if text else "\r"))
        sys.stderr.flush()


def _record(keeper: Keeper, operation: str, details: dict[str, Any]) -> None:
    from flightlog.audit.record import os_actor, record_admin

    record_admin(
        keeper.journal,
        operation,
        actor=os_actor(),
        subject_type="archive",
        details=details,
        project=keeper.settings.project,
    )
