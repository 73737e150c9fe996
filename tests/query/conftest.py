"""A store half in the archive, what runs queries over it, and things to get out to."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from flightlog.config import Settings
from flightlog.query import child
from flightlog.query.files import Stored, stored
from flightlog.query.runner import Answer, Outcome, Runner
from flightlog.store.engine import open_store
from tests.archive.journal import fill
from tests.archive.reading import Archiving

SECRET = "the canary sings at noon"


@dataclass(frozen=True)
class Outside:
    """What a query must not reach."""

    folder: Path
    secret: Path
    target: Path
    listener: socket.socket

    def spelled(self, sql: str, database: Path) -> str:
        """An attempt aimed at this."""
        port = self.listener.getsockname()[1]
        names = {
            "secret": self.secret,
            "target": self.target,
            "folder": self.folder,
            "database": database,
            "port": port,
        }
        for name, value in names.items():
            sql = sql.replace(f"{{{name}}}", str(value))
        return sql

    def was_called(self) -> bool:
        """Whether anybody connected."""
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@pytest.fixture(scope="session")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    folder = tmp_path_factory.mktemp("outside")
    secret = folder / "secret.csv"
    secret.write_text(f"a,b\n1,{SECRET}\n")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield Outside(folder, secret, folder / "made.db", listener)


@pytest.fixture(scope="session")
def flown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose older half is archived; the rows that were are still there, as they are for a while."""
    folder = tmp_path_factory.mktemp("flown")
    events = fill(folder)
    store = open_store(folder, settings=Settings(), writable=True)
    try:
        Archiving(store, folder).archive(events // 2, drop=False)
    finally:
        store.close()
    return folder


class InProcess:
    """Answers as the child does, in this process and without giving anything up: for what is right, not for what is safe."""

    def __init__(self, now: Stored, scratch: Path) -> None:
        self._now, self._scratch = now, scratch

    def run(self, sql: str, form: str = "json", rows_max: int = 10_000, bytes_max: int = 10_000_000) -> Answer:
        question = child.Question(
            sql=sql,
            form=form,
            database=self._now.database,
            files=self._now.files,
            archived_until=self._now.archived_until,
            version=self._now.version,
            folder=str(self._scratch),
            rows_max=rows_max,
            bytes_max=bytes_max,
            memory_bytes_max=10**9,
            spill_bytes_max=10**9,
            seconds_max=60.0,
            threads=1,
        )
        out = io.BytesIO()
        outcome = child.run_query(question, child.Snapshot(question), out)
        return Answer.of(
            io.BytesIO(out.getvalue()), form, msgspec.convert(outcome, Outcome, from_attributes=True), 10_000, 0
        )


@pytest.fixture(scope="session")
def here(flown: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    store = open_store(flown, settings=Settings(), writable=False, migrate=False)
    Archiving(store, flown)
    with stored(store) as now:
        yield InProcess(now, tmp_path_factory.mktemp("scratch"))
    store.close()


@pytest.fixture(scope="session")
def running(flown: Path) -> Iterator[Runner]:
    """What runs queries over it, with a process in reserve."""
    settings = Settings(sql_memory_bytes_max=400 * 1024**2, sql_spill_bytes_max=64 * 1024**2, sql_seconds_max=20.0)
    store = open_store(flown, settings=settings, writable=False, migrate=False)
    Archiving(store, flown)
    runner = Runner(lambda: stored(store), settings)
    yield runner
    runner.close()
    store.close()
