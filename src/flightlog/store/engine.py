"""From a folder or a URL to a store."""

from __future__ import annotations

from pathlib import Path

from flightlog.config import Settings
from flightlog.store.contract import Store

DATABASE_FILE = "flightlog.db"
LOCK_FILE = "writer.lock"


def open_store(
    target: str | Path, *, settings: Settings | None = None, writable: bool = False, migrate: bool = True
) -> Store:
    """Open the store in a data folder.

    `writable` takes `writer.lock` (WriterLocked names the process that has it), makes the folder and the database when
    they are missing, and brings the schema up to date unless `migrate` is False. Otherwise the store is read-only and
    works beside the writer.
    """
    raise NotImplementedError
