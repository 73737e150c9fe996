"""The databases that sit the exam. To add one: a class with these four, and its name in BACKENDS."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from flightlog.config import Settings
from flightlog.store.contract import Store
from flightlog.store.engine import open_store
from flightlog.store.sqlite import SqliteStore
from tests.contract.postgres import PostgresBackend


class Backend(Protocol):
    def open(self, *, writable: bool = True, settings: Settings | None = None, migrate: bool = True) -> Store:
        """The one store of this test, empty at first. Opened again, it holds what was stored; closed by the fixture."""

    has_text_index: bool

    def plan(self, store: Store, statement: str, values: object) -> list[str]:
        """How the database would run this, one line per step."""

    def is_full_scan(self, step: str) -> bool:
        """Whether this step of a plan reads a whole table."""

    def is_by_index(self, step: str) -> bool:
        """Whether this step reads a table by an index and sorts nothing."""

    def waiting(self, store: Store) -> int:
        """How many writes are queued behind the one that the writer is at."""

    def close(self) -> None: ...


class SqliteBackend:
    has_text_index = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "flight"
        self._stores: list[Store] = []

    @property
    def target(self) -> Path:
        """What `open_store` is asked for."""
        return self.folder

    def open(self, *, writable: bool = True, settings: Settings | None = None, migrate: bool = True) -> Store:
        store = open_store(self.folder, settings=settings, writable=writable, migrate=migrate)
        self._stores.append(store)
        return store

    def plan(self, store: Store, statement: str, values: object) -> list[str]:
        with store.read() as connection:
            return [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]

    def is_full_scan(self, step: str) -> bool:
        return step.startswith("SCAN run_events")

    def is_by_index(self, step: str) -> bool:
        return "USING" in step and "TEMP B-TREE" not in step

    def waiting(self, store: Store) -> int:
        assert isinstance(store, SqliteStore)
        assert store._writer is not None
        return store._writer._jobs.qsize()

    def close(self) -> None:
        for store in self._stores:
            store.close()


BACKENDS = {"sqlite": SqliteBackend, "postgresql": PostgresBackend}
