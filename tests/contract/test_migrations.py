"""The schema: made by numbered migrations, the same as the tables say, and never half-way."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

import flightlog.archive.table
import flightlog.audit.table
import flightlog.deadletters.table
import flightlog.ingest.otlp.unmapped_table
import flightlog.journal.removed
import flightlog.journal.table
import flightlog.outbox.table
import flightlog.queue.table
import flightlog.retention.table
import flightlog.runs.feedback_table
import flightlog.runs.generation_table
import flightlog.runs.table
import flightlog.seal.table
import flightlog.tasks.table
import flightlog.usage.table
import flightlog.views.table
import flightlog.working.table  # noqa: F401 (importing is what fills the metadata)
from flightlog.errors import StoreBroken, StoreTooNew
from flightlog.journal.append import Journal
from flightlog.store import migrations
from flightlog.store.contract import Store, metadata
from flightlog.store.migrations import schema
from flightlog.store.migrations.run import run_alembic
from tests.contract.backends import Backend
from tests.contract.making import event


def test_the_list_of_migrations_is_the_files_in_their_order() -> None:
    script = ScriptDirectory(str(migrations.FOLDER))
    found = [made.revision for made in script.walk_revisions()]
    assert tuple(reversed(found)) == migrations.KNOWN
    assert list(migrations.KNOWN) == [f"{number:04d}" for number in range(1, len(found) + 1)]


def test_migrations_go_forwards_only() -> None:
    script = ScriptDirectory(str(migrations.FOLDER))
    assert not [made.revision for made in script.walk_revisions() if hasattr(made.module, "downgrade")]


def test_a_new_store_is_at_the_newest_migration(store: Store) -> None:
    assert store.revision() == migrations.HEAD
    assert store.migrate() == []


def test_a_store_opened_without_migrating_is_empty_until_it_is_told(backend: Backend) -> None:
    store = backend.open(migrate=False)
    assert store.revision() is None
    assert store.migrate() == list(migrations.KNOWN)
    assert store.revision() == migrations.HEAD


def test_the_migrations_make_what_the_tables_say(store: Store) -> None:
    with store.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        found = inspect(connection)
        for table in metadata.sorted_tables:
            # Rows go in by position, so the order is part of the schema.
            assert [column["name"] for column in found.get_columns(table.name)] == list(table.columns.keys())
            indexes = {
                index["name"]: ([*index["column_names"]], bool(index["unique"]))
                for index in found.get_indexes(table.name)
            }
            assert indexes == {str(i.name): ([c.name for c in i.columns], bool(i.unique)) for i in table.indexes}


def test_the_schema_in_one_piece_is_what_the_migrations_make() -> None:
    with create_engine("sqlite://").begin() as made, create_engine("sqlite://").begin() as loaded:
        run_alembic(made, migrations.HEAD)
        assert schema.FILE.read_text("utf-8") == schema.dump(made), "write it anew with `make schema`"
        assert schema.load(loaded)
        assert schema.dump(loaded) == schema.dump(made)


def test_opening_again_keeps_every_row(store: Store, backend: Backend) -> None:
    Journal(store).append([event(1)])
    store.close()
    assert Journal(backend.open()).append([event(1), event(2)]).ids == [1, 2]


def test_a_failing_migration_leaves_the_store_as_it_was(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    store = backend.open(migrate=False)

    def half(connection: object, to: str) -> None:
        store_tables = "CREATE TABLE half_made (a INTEGER)"
        connection.execute(text(store_tables))  # type: ignore[attr-defined]
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr("flightlog.store.migrations.run.run_alembic", half)
        patch.setattr("flightlog.store.migrations.schema.load", lambda connection: half(connection, ""))
        with pytest.raises(RuntimeError, match="power cut"):
            store.migrate()
    assert store.revision() is None
    with store.read() as connection:
        assert inspect(connection).get_table_names() == []
    assert store.migrate() == list(migrations.KNOWN)


def test_a_store_of_a_newer_flightlog_is_not_touched(store: Store, backend: Backend) -> None:
    store.write(lambda tx: tx.sql.execute(text("UPDATE alembic_version SET version_num = '9999'")).rowcount)
    store.close()
    for writable in (True, False):
        with pytest.raises(StoreTooNew, match="9999"):
            backend.open(writable=writable)


def test_a_reader_of_a_store_that_was_never_migrated_says_what_to_do(backend: Backend) -> None:
    backend.open(migrate=False)
    with pytest.raises(StoreBroken, match="flightlog migrate"):
        backend.open(writable=False)
