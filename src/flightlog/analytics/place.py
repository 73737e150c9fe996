"""What a store's answers are made with."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from flightlog.analytics.engine import Child, Engine
from flightlog.analytics.kept import Kept
from flightlog.archive.manifest import ArchivedFile
from flightlog.archive.reader import ArchiveHistory
from flightlog.errors import ArchiveFileMissing
from flightlog.store.contract import Store


def open_kept(store: Store, engine: Engine | None = None) -> Kept:
    """For as long as a server or a verb runs. Nothing is started, fetched or imported before it is needed."""

    def hold(files: Sequence[ArchivedFile]) -> AbstractContextManager[list[Path]]:
        history = store.history
        if not isinstance(history, ArchiveHistory):
            raise ArchiveFileMissing(path=files[0].path)
        return history.cache.hold(files)

    return Kept(engine or Child(), hold)
