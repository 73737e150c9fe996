"""Wiring of the archive: who a store's archiver is introduced to. Nothing below knows that this module exists."""

from __future__ import annotations

import importlib.util
import threading
import weakref
from typing import TYPE_CHECKING

from flightlog.clock import Clock, SystemClock
from flightlog.wiring import Keeper

if TYPE_CHECKING:
    from flightlog.archive.archiver import Archiver
    from flightlog.archive.keeper import ArchiveKeeper
    from flightlog.archive.place import Place
    from flightlog.archive.work import Worker

_places: weakref.WeakKeyDictionary[Keeper, Place] = weakref.WeakKeyDictionary()
_making = threading.Lock()


def has_archive_extra() -> bool:
    """Whether this process can write and read archive files."""
    return all(importlib.util.find_spec(name) is not None for name in ("pyarrow", "obstore"))


def keeper_place(keeper: Keeper, clock: Clock | None = None) -> Place:
    """The archive of a folder that this process writes. All who change it in one process share one, so that they take turns."""
    from flightlog.archive.objects import open_objects
    from flightlog.archive.place import Place
    from flightlog.archive.reader import ARCHIVE_FOLDER
    from flightlog.store.sqlite import DATABASE_FILE

    with _making:
        known = _places.get(keeper)
        if known is None:
            settings, folder = keeper.settings, keeper.folder.absolute()
            known = _places[keeper] = Place(
                keeper.store,
                folder / DATABASE_FILE,
                open_objects(folder / ARCHIVE_FOLDER, settings.archive_url, settings.archive_s3_endpoint),
                clock or SystemClock(),
                grace_seconds=settings.archive_grace_seconds,
            )
        return known


def keeper_archiver(keeper: Keeper, work: Worker, clock: Clock | None = None) -> Archiver:
    """What moves a store's old events into its archive. `work` writes the files, here or in another process."""
    from sqlalchemy import Connection, select

    from flightlog.archive.archiver import Archiver
    from flightlog.seal.table import seal_state

    settings = keeper.settings

    def sealed_up_to(connection: Connection) -> int | None:
        # What was never sealed can't be sealed from the archive.
        return int(connection.execute(select(seal_state.c.size)).scalar() or 0) if settings.seal else None

    return Archiver(keeper_place(keeper, clock), settings, work, sealed_up_to=sealed_up_to)


def keeper_archive(keeper: Keeper, clock: Clock | None = None) -> ArchiveKeeper | None:
    """The archive of a process whose job is to keep the store; not started yet. None where there is to be none, or this
    installation can't write its files.
    """
    from flightlog.archive.keeper import ArchiveKeeper
    from flightlog.archive.work import ChildWorker

    # PostgreSQL has room of its own, and partitions to drop.
    if not keeper.settings.archive or not has_archive_extra() or keeper.store.dialect != "sqlite":
        return None
    work = ChildWorker()
    return ArchiveKeeper(keeper.folder.absolute(), lambda: keeper_archiver(keeper, work, clock), keeper.settings, work)
