"""From a folder to a store."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from flightlog.config import Settings
from flightlog.errors import PostgresExtraMissing, SettingInvalid, StoreBroken, StoreTooNew
from flightlog.store import migrations
from flightlog.store.contract import Store
from flightlog.store.sqlite import SqliteStore


def open_store(
    target: str | Path, *, settings: Settings | None = None, writable: bool = False, migrate: bool = True
) -> Store:
    """Open the store in a data folder, or the PostgreSQL database that a URL names (`postgresql://user@host/database`).

    In a folder, `writable` takes `writer.lock` (WriterLocked names the process that has it), makes the folder and the database when
    they are missing, and brings the schema up to date unless `migrate` is False. Otherwise the store is read-only and
    works beside the writer; NotFound says that there is none yet. Of a PostgreSQL database there may be several writers, who
    take turns; it has to exist, and should be made with `LC_COLLATE 'C'`.
    """
    store = _store_of(str(target), settings or Settings(), writable)
    try:
        _check_revision(store, will_migrate=writable)
        if writable and migrate:
            store.migrate()
    except BaseException:
        store.close()
        raise
    return store


def _store_of(target: str, settings: Settings, writable: bool) -> Store:
    if "://" not in target:
        return SqliteStore(Path(target).absolute(), settings, writable=writable)
    if not target.startswith(("postgresql://", "postgres://")):
        raise SettingInvalid(
            name="target", value=target.split("://")[0], reason="a store is a folder or postgresql://…"
        )
    if importlib.util.find_spec("psycopg") is None:
        raise PostgresExtraMissing(what="A store on PostgreSQL")
    from flightlog.store.postgres import PostgresStore  # with it comes the driver

    return PostgresStore(target.replace("postgres://", "postgresql://", 1), settings, writable=writable)


def _check_revision(store: Store, *, will_migrate: bool) -> None:
    found = store.revision()
    if found is not None and found not in migrations.KNOWN:
        raise StoreTooNew(found=found)
    if found != migrations.HEAD and not will_migrate:
        raise StoreBroken(
            reason=f"it is at migration {found or 'none'} and this Flightlog reads {migrations.HEAD}; "
            "run `flightlog migrate` or start its writer once"
        )
