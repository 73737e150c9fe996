"""Where the files of a store's archive can be opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flightlog.analytics.engine import Child, Engine
from flightlog.analytics.kept import Kept
from flightlog.archive.manifest import ArchivedFile
from flightlog.store.contract import Store

ARCHIVE_FOLDER = "archive"


def open_kept(store: Store, engine: Engine | None = None) -> Kept:
    """What answers are made with, for as long as a server or a verb runs; nothing is started before it is needed."""
    folder = Path(getattr(store, "folder", ".")) / ARCHIVE_FOLDER

    def local(files: Sequence[ArchivedFile]) -> list[str]:
        return [str(folder / file.path) for file in files]

    return Kept(engine or Child(), local)
