"""From a folder to a store."""

from __future__ import annotations

from pathlib import Path

from flightlog.config import Settings
from flightlog.errors import SettingInvalid, StoreBroken, StoreTooNew
from flightlog.store import migrations
from flightlog.store.contract import Store
from flightlog.store.sqlite import SqliteStore


def open_store(
    target: str | Path, *, settings: Settings | None = None, writable: bool = False, migrate: bool = True
) -> Store:
    """Open the store in a data folder.

    `writable` takes `writer.lock` (WriterLocked names the process that has it), makes the folder and the database when
    they are missing, and brings the schema up to date unless `migrate` is False. Otherwise the store is read-only and
    works beside the writer; NotFound says that there is none yet.
    """
    if "://" in str(target):
        raise SettingInvalid(name="target", value=str(target), reason="a store is a data folder, not a URL")
    store = SqliteStore(Path(target).absolute(), settings or Settings(), writable=writable)
    try:
        _check_revision(store, will_migrate=writable)
        if writable and migrate:
            store.migrate()
    except BaseException:
        store.close()
        raise
    return store


def _check_revision(store: Store, *, will_migrate: bool) -> None:
    found = store.revision()
    if found is not None and found not in migrations.KNOWN:
        raise StoreTooNew(found=found)
    if found != migrations.HEAD and not will_migrate:
        raise StoreBroken(
            reason=f"it is at migration {found or 'none'} and this Flightlog reads {migrations.HEAD}; "
            "run `flightlog migrate` or start its writer once"
        )
