"""Queries from the outside: a process for each, watched, and ended when it takes more than it may.

The parent reads nothing of what a query works on: it hands over the SQL and the names of files, watches how much memory, disk and
time the process takes, and gets back a line about how it went and a file with the answer.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Any

import msgspec

from flightlog.config import Settings
from flightlog.errors import (
    ArchiveExtraMissing,
    ArchiveFileMissing,
    FlightlogError,
    SqlBusy,
    SqlFailed,
    SqlInvalid,
    SqlRefused,
    SqlStopped,
)
from flightlog.query.files import Stored
from flightlog.query.process import Child, Watch, sweep

FORMS: dict[str, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}
PAGED = frozenset(
    {"json"}
)  # cut at `sql_rows_max` unless the caller says otherwise; exports go on to `sql_export_rows_max`
TRIES = 3  # with what the archive is now, when it went on meanwhile
THREADS_MAX = 4


class Outcome(msgspec.Struct, kw_only=True):
    """What the child says of a query: see child.Outcome."""

    state: str
    reason: str = ""
    at: int | None = None
    length: int = 0
    columns: list[tuple[str, str]] = []
    rows: int = 0
    cut: str | None = None
    guards: list[str] = []


@dataclass
class Answer:
    """A query's answer: `file` is at its beginning, `cut` says which limit (rows, bytes) cut it off, if any did."""

    form: str
    file: IO[bytes]
    size_bytes: int
    columns: list[tuple[str, str]]
    rows: int
    rows_max: int
    cut: str | None
    elapsed_ms: float
    guards: list[str]

    @classmethod
    def of(cls, file: IO[bytes], form: str, outcome: Outcome, rows_max: int, elapsed_ms: float) -> Answer:
        """What the child wrote and said."""
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        return cls(form, file, size, outcome.columns, outcome.rows, rows_max, outcome.cut, elapsed_ms, outcome.guards)

    @property
    def media_type(self) -> str:
        """What the bytes are."""
        return FORMS[self.form]

    def read(self) -> bytes:
        """All of it; the file is closed."""
        with self.file:
            return self.file.read()


class SqlHealth(msgspec.Struct, kw_only=True):
    """Queries: `ended` counts them by how (answered, invalid, refused, stopped, busy, failed), `seconds` is all their time."""

    running: int
    ended: dict[str, int]
    seconds: float


class Runner:
    """Runs queries over one store. From any thread; `close` ends those under way."""

    def __init__(
        self, stored: Callable[[], AbstractContextManager[Stored]], settings: Settings, reserve: bool = True
    ) -> None:
        self._stored, self._settings, self._reserves = stored, settings, reserve
        self._lock = threading.Lock()
        self._running: set[Child] = set()
        self._ready: Child | None = None
        self._tidying: list[threading.Thread] = []
        self._closed = False
        self._swept = False
        self._ended: Counter[str] = Counter()
        self._seconds = 0.0

    def health(self) -> SqlHealth:
        """How many queries run and ended how, and how long they took together."""
        with self._lock:
            return SqlHealth(running=len(self._running), ended=dict(self._ended), seconds=self._seconds)

    def run(
        self,
        sql: str,
        form: str = "json",
        *,
        rows_max: int | None = None,
        seconds_max: float | None = None,
        canceled: threading.Event | None = None,
    ) -> Answer:
        """The answer of this query, in this form. Limits may be asked for below those of the settings, not above.

        Raises SqlInvalid, SqlRefused, SqlStopped (a limit, or `canceled` was set), SqlBusy, SqlFailed, NotOnThisStore,
        ArchiveExtraMissing.
        """
        began = time.monotonic()
        state = "failed"
        try:
            answer = self._run(sql, form, rows_max, seconds_max, canceled)
            state = "answered"
            return answer
        except (SqlInvalid, SqlRefused, SqlStopped, SqlBusy) as error:
            state = type(error).__name__.removeprefix("Sql").lower()
            raise
        finally:
            with self._lock:
                self._ended[state] += 1
                self._seconds += time.monotonic() - began

    def _run(
        self,
        sql: str,
        form: str,
        rows_max: int | None,
        seconds_max: float | None,
        canceled: threading.Event | None,
    ) -> Answer:
        settings = self._settings
        seconds = min(seconds_max or settings.sql_seconds_max, settings.sql_seconds_max)
        most = settings.sql_export_rows_max
        rows = min(most, (settings.sql_rows_max if form in PAGED else most) if rows_max is None else rows_max)
        _require_extra()
        try:
            sql.encode()
        except UnicodeEncodeError as error:
            raise SqlInvalid(reason="it is not valid Unicode", at=error.start, length=1) from None
        began = time.monotonic()
        for _ in range(TRIES):
            self._check_room()  # before anything is fetched for it
            try:
                with self._stored() as stored:
                    child = self._take()
                    try:
                        outcome = self._ask(child, stored, sql, form, rows, seconds, canceled)
                        if outcome.state == "done":
                            took = (time.monotonic() - began) * 1e3
                            return Answer.of(child.keep_answer(), form, outcome, rows, took)
                    finally:
                        self._give_back(child)
            except ArchiveFileMissing:
                continue  # it was merged with others, or written anew, between the look at the manifest and the fetch
            if outcome.state != "again":
                raise self._error(outcome)
        raise SqlFailed(reason=f"the archive changed {TRIES} times while it was read")

    def close(self) -> None:
        """End what runs and what waits. Safe to call twice."""
        with self._lock:
            self._closed = True
            atexit.unregister(self.close)
            children = [*self._running, *([self._ready] if self._ready else [])]
            self._ready, tidying = None, self._tidying
        for child in children:
            child.kill("the server stops")
        for thread in tidying:
            thread.join()
        for child in children:
            child.clean()

    @property
    def children(self) -> list[int]:
        """The processes of the queries that run."""
        with self._lock:
            return [child.process.pid for child in self._running]

    @property
    def reserve(self) -> int | None:
        """The process that waits for the next query, if one does."""
        with self._lock:
            return None if self._ready is None else self._ready.process.pid

    # ── children ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _check_room(self) -> None:
        if self._closed:
            raise SqlFailed(reason="the server stops")
        if len(self._running) >= max(self._settings.sql_children_max, 1):
            raise SqlBusy(limit=self._settings.sql_children_max)

    def _take(self) -> Child:
        with self._lock:
            self._check_room()
            if not self._swept:
                self._swept = True
                atexit.register(self.close)
                sweep()
            child, self._ready = self._ready, None
            if child is not None and not child.alive:
                child.clean()
                child = None
            if child is None:
                child = Child()
            self._running.add(child)
            return child

    def _give_back(self, child: Child) -> None:
        """End it; what takes a while is done after whoever asked has got his answer."""
        child.kill("done")
        with self._lock:
            self._running.discard(child)
            after = threading.Thread(target=self._tidy, args=(child,), name="flightlog-sql-tidy", daemon=True)
            self._tidying = [thread for thread in self._tidying if thread.is_alive()] + [after]
            after.start()

    def _tidy(self, child: Child) -> None:
        child.clean()
        stale = None
        with self._lock:
            if self._reserves and not self._closed and not self._running:
                if self._ready is not None and not self._ready.alive:
                    stale, self._ready = self._ready, None
                if self._ready is None:
                    self._ready = Child()
        if stale is not None:
            stale.clean()

    def _ask(
        self,
        child: Child,
        stored: Stored,
        sql: str,
        form: str,
        rows: int,
        seconds: float,
        canceled: threading.Event | None,
    ) -> Outcome:
        settings = self._settings
        question = {
            "sql": sql,
            "form": form,
            "database": stored.database,
            "files": stored.files,
            "archived_until": stored.archived_until,
            "version": stored.version,
            "folder": child.folder,
            "rows_max": rows,
            "bytes_max": settings.sql_result_bytes_max,
            "memory_bytes_max": settings.sql_memory_bytes_max,
            "spill_bytes_max": settings.sql_spill_bytes_max,
            "seconds_max": max(seconds, 0.0),
            "threads": min(os.cpu_count() or 1, THREADS_MAX),
        }
        child.ask(msgspec.json.encode(question) + b"\n")
        line = Watch(child, settings, seconds, canceled).wait()
        try:
            return msgspec.json.decode(line, type=Outcome)
        except (msgspec.DecodeError, UnicodeDecodeError):
            if not line and child.process.wait() == 0:  # it had just given up waiting
                return Outcome(state="again", reason="its process was gone")
            raise SqlFailed(reason=child.end_in_words()) from None

    def _error(self, outcome: Outcome) -> FlightlogError:
        reason = outcome.reason.replace("{memory_bytes_max}", f"{self._settings.sql_memory_bytes_max:,}")
        place: dict[str, Any] = {} if outcome.at is None else {"at": outcome.at, "length": outcome.length}
        if outcome.state == "invalid":
            return SqlInvalid(reason=reason, **place)
        if outcome.state == "refused":
            return SqlRefused(reason=reason, **place)
        if outcome.state == "stopped":
            return SqlStopped(reason=reason)
        return SqlFailed(reason=reason)


def _require_extra() -> None:
    """Raise ArchiveExtraMissing unless queries can be run."""
    if any(importlib.util.find_spec(name) is None for name in ("duckdb", "pyarrow")):
        raise ArchiveExtraMissing(what="SQL")
