"""What the tests of the SQLite store share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flightlog.store.engine import open_store
from flightlog.store.sqlite import SqliteStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "flight"


@pytest.fixture
def store(folder: Path) -> Iterator[SqliteStore]:
    made = open_store(folder, writable=True)
    assert isinstance(made, SqliteStore)
    yield made
    made.close()
